"""docs/runtimes.json: what every runtime made of every model, kept from one script and one run to the next."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from engines.compare import DIFFERS, error, verdict
from engines.process import Outcome
from runtime_cases import DENSE, SOURCES, VARIANTS, Case
from runtime_page import page

from onnxprune.machine import this_machine

OUT = Path(__file__).parents[1] / "docs" / "runtimes.json"
TARGETS = ("onnxruntime", "openvino", "ncnn", "mnn", "web", "litert")
Row = dict[str, Any]


def rows_of(
    target: str, case: Case, outcomes: Mapping[str, Outcome], race: Callable[[Case], dict[str, Any]] | None
) -> list[Row]:
    """Return a row for each pruned version of a case: whether it ran, how far off it was, and what it took.

    `race` measures all versions that ran; it is not asked where the dense one did not.
    """
    dense = outcomes[DENSE]
    failed = {name for name, outcome in outcomes.items() if not outcome.runs}
    raced: dict[str, Any] = {}
    if race is not None and dense.runs and failed != set(case.facts):
        raced = race(case.without(failed))
    dense_error = error(case.expected[DENSE], dense.outputs) if dense.runs else None
    rows = []
    for variant in case.facts:
        pruned = outcomes[variant]
        row: Row = {"target": target, "model": case.name, "variant": variant}
        row |= {"loads": pruned.loads, "runs": pruned.runs, "dense_runs": dense.runs, "dense_error": dense_error}
        if pruned.runs:
            row["error"] = error(case.expected[variant], pruned.outputs)
        row |= _timed(raced, variant)
        row["message"] = _message(pruned, dense, raced)
        rows.append(row)
    return rows


def is_failure(row: Row) -> bool:
    """Whether a runtime that runs the dense model does not run the pruned one, or computes something else."""
    if not row["runs"]:
        return bool(row["dense_runs"])
    return verdict(row["error"], row["dense_error"]) == DIFFERS


def _timed(raced: dict[str, Any], variant: str) -> Row:
    if variant not in raced.get("ratios", {}):
        return {}
    figures = {"ratio": raced["ratios"][variant], "rounds": raced["rounds"], "clock": raced["clock"]}
    return {**figures, "dense_ms": raced["contestants"][DENSE]["median_ms"]}


def _message(pruned: Outcome, dense: Outcome, raced: dict[str, Any]) -> str:
    parts = [pruned.message, f"dense: {dense.message}" if dense.message else "", raced.get("message", "")]
    return "; ".join(filter(None, parts))


def record(target: str, about: Mapping[str, Any], case: Case, rows: list[Row], out: Path = OUT) -> None:
    """Replace what is known of a model on a target, in both files; `about` has its `versions` and the `command`."""
    found = json.loads(out.read_text()) if out.is_file() else {"models": {}, "targets": {}, "rows": []}
    new = {_key(row) for row in rows}
    found["rows"] = sorted([*(row for row in found["rows"] if _key(row) not in new), *rows], key=_place)
    found["models"][case.name] = {
        "file": case.versions[DENSE].name,
        "shapes": {name: list(values.shape) for name, values in case.feeds[0].items()},
        "variants": {name: {"options": VARIANTS[name], **facts} for name, facts in case.facts.items()},
    }
    found["targets"][target] = {**about, "machine": _machine()}
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    out.with_suffix(".md").write_text(page(found))


def _key(row: Row) -> tuple[str, str, str]:
    return row["target"], row["model"], row["variant"]


def _place(row: Row) -> tuple[int, int, int]:
    models = [source.name for source in SOURCES]
    return TARGETS.index(row["target"]), models.index(row["model"]), list(VARIANTS).index(row["variant"])


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in ("onnxprune", "onnx", "numpy")}
    return {**asdict(this_machine()), "threads": 1, "python": sys.version.split()[0], **packages}
