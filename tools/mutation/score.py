"""How many mutants the tests catch: change the code on purpose, and see whether a test fails.

    python tools/mutation/score.py axes
    python tools/mutation/score.py sample --count 300 --seed 0

cosmic-ray makes the mutants: for `axes` all of the axis algebra, for `sample` some of the rules and of what applies a
plan. For each mutant the tests that reach its line are run, quickest first, until one fails; a test that takes five
times the CPU time that it should is stopped and counts as a failure. The mutated source is never written to a file.

Results go to `--state` as they come, so a run that was interrupted goes on where it was. Mutants that no test caught
are tried anew when the tests have changed; one that was caught is not, as long as its file is the same.
Writes docs/mutation_score.json. Needs `pip install -e '.[test,mutation]'`, and files that stand still: run it in a copy
of the checkout (`--root`) where others may edit them meanwhile.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing.context import ForkServerContext
from pathlib import Path

from mutants import Mutant, mutants_of, sample
from pytest import ExitCode
from reach import Reach
from results import Results, digest, table, write_page
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from trial import ENDED, try_mutant, try_original

ROOT = Path(__file__).resolve().parents[2]
PRELOADED = ["cosmic_ray.plugins", "coverage", "hypothesis", "numpy", "onnx", "onnxruntime", "pytest", "rich.progress"]


OUTCOMES = {
    ENDED + ExitCode.OK: "survived",
    ENDED + ExitCode.TESTS_FAILED: "killed",
    ENDED + ExitCode.INTERRUPTED: "killed",  # the mutated module cannot be imported
}


@dataclass(frozen=True)
class Part:
    """Files to mutate, and the tests that should notice; both as patterns below the checkout."""

    files: tuple[str, ...]
    tests: tuple[str, ...]

    def source_files(self, root: Path) -> list[str]:
        """Return the files to mutate."""
        return _matches(root, self.files)

    def test_files(self, root: Path) -> list[str]:
        """Return the files of tests."""
        return _matches(root, self.tests)


PARTS = {
    "axes": Part(("onnxprune/axes.py",), ("tests/axes/test_*.py",)),
    "sample": Part(
        ("onnxprune/rules/*.py", "onnxprune/apply/*.py"),
        (
            *("tests/rules/test_*.py", "tests/apply/test_*.py", "tests/macs/test_macs.py"),
            *(
                "tests/test_apply.py",
                "tests/test_mask_equals_slice.py",
                "tests/test_reorder.py",
                "tests/test_scales.py",
            ),
        ),
    ),
}


def main() -> int:
    """Try the mutants of one part and write the score; return the exit code."""
    options = _arguments()
    root, part = options.root.resolve(), PARTS[options.part]
    part = replace(part, tests=tuple(options.tests or part.tests))
    state = options.state / options.part
    state.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    reach = _reach(root, part, state, context)
    if reach.failed:
        Console().print("These tests fail without a mutation:", *reach.failed, sep="\n", markup=False)
        return 1
    every = mutants_of(root, part.source_files(root))
    chosen = every if options.part == "axes" else sample(every, options.count, options.seed)
    results = Results(root, state / "results.jsonl", digest(root, part.test_files(root)))
    left = results.missing(chosen)
    if options.tests:
        left = [mutant for mutant in left if reach.tests(mutant)]
    _try_all(left, reach, results, options.workers, context)
    write_page(options.out, options.part, _about(options, len(every)), results.rows(chosen))
    Console().print(table(results.rows(chosen)))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--count", type=int, default=300, help="mutants in the sample")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--tests", nargs="*", help="files of tests, to try what is left against these alone")
    parser.add_argument("--workers", type=int, default=1, help="mutants tried at a time")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout whose code and tests are meant")
    parser.add_argument("--state", type=Path, default=ROOT / "build" / "mutation", help="folder to go on from")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "mutation_score.json")
    return parser.parse_args()


def _about(options: argparse.Namespace, count: int) -> dict[str, object]:
    return {"mutants": count} if options.part == "axes" else {"mutants": count, "seed": options.seed}


def _matches(root: Path, patterns: Sequence[str]) -> list[str]:
    return [path.relative_to(root).as_posix() for pattern in patterns for path in sorted(root.glob(pattern))]


def _reach(root: Path, part: Part, state: Path, context: ForkServerContext) -> Reach:
    """Run all tests of a part once, unless that was done with the same files."""
    files, tests = part.source_files(root), part.test_files(root)
    stem = digest(root, [*files, *tests])
    reach = Reach(root, state / f"{stem}.coverage", state / f"{stem}.json")
    if not reach.clock.exists():
        Console(stderr=True).print(f"Running {len(tests)} files of tests without a mutation ...")
        packages = sorted({Path(file).with_suffix("").as_posix().replace("/", ".") for file in files})
        process = context.Process(target=try_original, args=(root, tests, packages, reach.clock, reach.data))
        process.start()
        process.join()
    return reach


def _try_all(
    mutants: Sequence[Mutant], reach: Reach, results: Results, workers: int, context: ForkServerContext
) -> None:
    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(workers) as pool:
        task = progress.add_task("", total=len(mutants))

        def attempt(mutant: Mutant) -> None:
            outcome = _outcome(reach.root, mutant, reach.tests(mutant), context)
            results.add(mutant, outcome)
            progress.update(task, advance=1, description=f"{mutant.file}:{mutant.line} {outcome}")

        list(pool.map(attempt, mutants))


def _outcome(root: Path, mutant: Mutant, tests: Mapping[str, float], context: ForkServerContext) -> str:
    if not tests:
        return "not reached"
    process = context.Process(target=try_mutant, args=(root, mutant.file, mutant.source(root), tests))
    process.start()
    process.join()
    if process.exitcode is not None and process.exitcode < 0:
        return "timeout"
    if process.exitcode not in OUTCOMES:
        raise RuntimeError(f"the trial of {mutant} came to nothing (exit code {process.exitcode}); see above")
    return OUTCOMES[process.exitcode]


if __name__ == "__main__":
    sys.exit(main())
