"""Fuzz onnxprune for as long as you like: hostile models, made of the seed models of the tests and of your own.

    python tools/fuzz.py [FOLDER] --cases 5000 --seed 0 [--command prune] [--out fuzz-findings]

FOLDER holds models to start from, too; those above 3 MB are left out. Every case is a mutated model and a command on
it, in a process of its own with bounds on time and memory. A finding is whatever ends in neither one clear line nor a
correct result; it is reduced, and its model and what was said are written to the folder of findings. Exit 1 where there
is one.

There is no mode for atheris: it mutates bytes, most of which protobuf refuses before any code of ours is reached, and
its coverage guides through Python alone, while what crashes is the C++ of onnx and onnxruntime.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "fuzz")]

from cases import Case, Fuzzer  # noqa: E402
from commands import COMMANDS  # noqa: E402
from drafts import Draft  # noqa: E402
from oracle import RIGHT, Ending, Outcome  # noqa: E402
from seed_models import SEEDS, models_in  # noqa: E402

REDUCED = ("node", "initializer", "sparse_initializer", "value_info", "input", "output")
"""The parts of a graph that a finding may do without."""


@dataclass(frozen=True)
class Finding:
    """A case that went wrong, reduced."""

    case: Case
    ending: Ending
    draft: Draft

    def write(self, folder: Path) -> None:
        """Write the model, with what lies beside it, and what was said."""
        place = folder / f"{self.case.number}-{self.ending.outcome.name.lower()}"
        (place / "in").mkdir(parents=True, exist_ok=True)
        self.draft.write(place / "in")
        (place / "what.txt").write_text(f"{self.case}\n{self.ending.outcome.value}\n{self.ending.said}", "utf-8")


def main() -> int:
    """Run the cases, show what came out, and return the exit code."""
    options = _arguments()
    if options.folder is not None:
        SEEDS.update(models_in(options.folder))
    outcomes: Counter[tuple[str, Outcome]] = Counter()
    findings = 0
    with tempfile.TemporaryDirectory() as folder, Fuzzer(Path(folder)) as fuzzer, _progress() as progress:
        task = progress.add_task("no findings", total=options.cases)
        for case, ending in _endings(fuzzer, options):
            outcomes.update((name, ending.outcome) for name in case.mutations)
            if ending.outcome not in RIGHT:
                findings += 1
                _reduced(fuzzer, case, ending).write(options.out)
                progress.console.print(f"{ending.outcome.value}: {case}", markup=False)
                progress.update(task, description=f"{findings} findings")
            progress.advance(task)
    _show(outcomes)
    Console().print(f"{options.cases} cases, {findings} findings" + (f" in {options.out}" if findings else ""))
    return int(findings > 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="models to start from, beside those of the tests")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first case; others follow it")
    parser.add_argument("--command", default="", help="only commands that begin so, such as prune")
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    options = parser.parse_args()
    if not any(name.startswith(options.command) for name in COMMANDS):
        parser.error(f"--command {options.command}: there are {', '.join(COMMANDS)}")
    return options


def _endings(fuzzer: Fuzzer, options: argparse.Namespace) -> Iterator[tuple[Case, Ending]]:
    """Yield as many cases as are asked for, with their endings; those without any change are passed over."""
    commands = [name for name in COMMANDS if name.startswith(options.command)]
    number, done = options.seed, 0
    while done < options.cases:
        case = Case.of(number, commands)
        number += 1
        ending = fuzzer.run(case)
        if ending is not None:
            done += 1
            yield case, ending


def _reduced(fuzzer: Fuzzer, case: Case, ending: Ending) -> Finding:
    """Return the finding with as few mutations, and as little of the model, as it still takes."""
    for name in case.mutations if len(case.mutations) > 1 else ():
        fewer = replace(case, mutations=tuple(other for other in case.mutations if other != name))
        again = fuzzer.run(fewer) if fewer.mutations else None
        if again is not None and again.outcome is ending.outcome:
            case, ending = fewer, again
    draft = case.draft()
    assert draft is not None
    if draft.data is None:
        for parts in (getattr(draft.proto.graph, name) for name in REDUCED):
            _reduce(fuzzer, case, draft, parts, ending.outcome)
    return Finding(case, ending, draft)


def _reduce(fuzzer: Fuzzer, case: Case, draft: Draft, parts: Any, outcome: Outcome) -> None:
    """Take out of a list of parts, in place, halves and ever smaller pieces that the outcome does not depend on."""
    size = len(parts)
    while size := size // 2:
        for start in range((len(parts) - 1) // size * size if parts else -1, -1, -size):
            whole = list(parts)
            del parts[start : start + size]
            again = fuzzer.run(case, draft)
            if again is None or again.outcome is not outcome:
                del parts[:]
                parts.extend(whole)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _show(outcomes: Counter[tuple[str, Outcome]]) -> None:
    """Show how often each mutation ended in each outcome."""
    shown = [outcome for outcome in Outcome if any(seen is outcome for _, seen in outcomes)]
    table = Table("mutation", *(outcome.value for outcome in shown))
    for name in sorted({name for name, _ in outcomes}):
        table.add_row(name, *(str(outcomes[name, outcome] or "") for outcome in shown))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
