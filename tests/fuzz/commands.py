"""The commands that hostile models are given to, and what each finds beside the model."""

from __future__ import annotations

from pathlib import Path

from drafts import MODEL, Draft
from oracle import OUTPUT, Ending, Oracle, Outcome
from seed_models import DATA, SEEDS, data_of_external

BEFORE, PLAN = "in/seed.onnx", "in/plan.json"
TARGETS = ("onnxruntime", "tensorrt", "coreml", "tflite")
QUICKLY = ("-o", OUTPUT, "--quiet")
CHANNELS = ("--best-effort", "--round-to", "none", *QUICKLY)

COMMANDS: dict[str, list[str]] = {
    "inspect": ["inspect", MODEL],
    "inspect --allow-norm": ["inspect", MODEL, "--allow-norm", "--json"],
    "check": ["check", MODEL],
    "check --target tensorrt": ["check", MODEL, "--target", "tensorrt", "--json"],
    "diff": ["diff", MODEL, BEFORE],
    "diff (the other way)": ["diff", BEFORE, MODEL, "--all", "--json"],
    "prune": ["prune", MODEL, "-a", "0.3", "--samples", "8", *CHANNELS],
    "prune -c none": ["prune", MODEL, "-a", "0.5", "-c", "none", "--allow-norm", *CHANNELS],
    "prune -g element": ["prune", MODEL, "-a", "0.5", "-g", "element", *QUICKLY],
    "prune -g element, sparse": ["prune", MODEL, "-a", "0.9", "-g", "element", "--sparse-storage", *QUICKLY],
    "prune -g 2:4": ["prune", MODEL, "-g", "2:4", "--samples", "8", *QUICKLY],
    "apply": ["apply", PLAN, MODEL, "-o", OUTPUT, "--quiet"],
}
"""What a user may do with a model, and quickly; quiet, so that all that is said is an error."""


def draft_of(seed_model: str) -> Draft:
    """Return one of the seed models, with what belongs to it."""
    proto = SEEDS[seed_model]()
    return Draft(type(proto).FromString(proto.SerializeToString()), {DATA: data_of_external()})


class Bench:
    """Runs commands by name on drafts of seed models."""

    def __init__(self, oracle: Oracle, place: Path) -> None:
        self._oracle = oracle
        self._place = place
        self._plans: dict[str, bytes] = {}

    def run(self, command: str, seed_model: str, draft: Draft) -> Ending:
        """Run a command on a draft; what it compares with, or replays, is of the model that the draft was made of."""
        draft.files[Path(BEFORE).name] = SEEDS[seed_model]().SerializeToString()
        if command == "apply":
            draft.files[Path(PLAN).name] = self._plan(seed_model)
        return self._oracle.run(draft, COMMANDS[command])

    def _plan(self, seed_model: str) -> bytes:
        if seed_model not in self._plans:
            ending = self._oracle.run(draft_of(seed_model), [*COMMANDS["prune -c none"], "--plan", "out/plan.json"])
            assert ending.outcome is Outcome.OK, ending.said
            self._plans[seed_model] = (self._place / "case" / "out" / "plan.json").read_bytes()
        return self._plans[seed_model]
