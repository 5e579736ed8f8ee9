"""Cases of the fuzz suite: a seed model, some mutations of it and a command, all from one number."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from random import Random

from commands import COMMANDS, Bench, draft_of
from drafts import Draft
from model_mutations import MUTATIONS, mutate
from oracle import Ending, Oracle
from seed_models import SEEDS

ENDLESS = "a loop that never ends"
"""What makes a model that runs for ever: no command that runs models can know."""


@dataclass(frozen=True)
class Case:
    """One hostile model and what is done with it. The same number gives the same model."""

    number: int
    command: str
    seed_model: str
    mutations: tuple[str, ...]

    @staticmethod
    def of(number: int, commands: Collection[str] = ()) -> Case:
        """Return the case of a number, perhaps of some commands alone."""
        rng = Random(number)
        seed_model, command = rng.choice(list(SEEDS)), rng.choice(list(commands or COMMANDS))
        names = [name for name in MUTATIONS if not (name == ENDLESS and runs(command))]
        return Case(number, command, seed_model, tuple(rng.choices(names, k=rng.choice([1, 1, 1, 2, 3]))))

    def draft(self) -> Draft | None:
        """Return the mutated model, or None where the mutations found nothing to change."""
        draft = draft_of(self.seed_model)
        return draft if mutate(draft, self.mutations, self.number) else None

    def __str__(self) -> str:
        return f"case {self.number}: {self.command} on {self.seed_model} with {', '.join(self.mutations)}"


class Fuzzer:
    """Runs cases, in folders below a place. A context: it ends its oracle."""

    def __init__(self, place: Path) -> None:
        self._oracle = Oracle(place)
        self._bench = Bench(self._oracle, place)

    def __enter__(self) -> Fuzzer:
        return self

    def __exit__(self, *error: object) -> None:
        self._oracle.close()

    def run(self, case: Case, draft: Draft | None = None) -> Ending | None:
        """Run a case, perhaps on another draft; None where the mutations found nothing to change."""
        draft = draft or case.draft()
        return None if draft is None else self._bench.run(case.command, case.seed_model, draft)


def runs(command: str) -> bool:
    """Whether a command runs the model."""
    return command.startswith(("prune", "apply"))
