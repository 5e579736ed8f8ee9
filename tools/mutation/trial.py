"""Runs tests against one mutant, in a process that lives for nothing else.

The mutated source is never written: it is what the module is compiled from when a test imports it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import hypothesis
import pytest

MEMORY = 8 << 30
LIMIT_FACTOR, LIMIT_SPARE_S = 5, 3
"""A test may use so many times the CPU seconds that it took without a mutation, and some."""

ENDED = 100
"""Added to pytest's exit code, so that it is not taken for that of a trial which came to nothing."""

PROFILE, EXAMPLES = "mutation", 25
"""How many examples a property test draws, where it does not say how many it needs."""


class Mutated(SourceFileLoader, MetaPathFinder):
    """Finds and loads one module, from another source than its file holds."""

    def __init__(self, path: Path, source: str) -> None:
        root_first = path.with_suffix("").parts
        super().__init__(".".join(root_first[root_first.index("onnxprune") :]), str(path))
        self.source = source

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        """Answer for the one module."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        """Compile the other source, whatever is cached."""
        return compile(self.source, self.path, "exec", dont_inherit=True)


class Chosen:
    """A pytest plugin: runs some tests only, in the order given, each within its limit of CPU time."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self.seconds = seconds
        self.places = {test: place for place, test in enumerate(seconds)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep and sort what is to run."""
        items[:] = sorted((item for item in items if item.nodeid in self.places), key=self._place)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """End the process by a signal where a test takes far longer than it did."""
        limit = LIMIT_FACTOR * self.seconds[item.nodeid] + LIMIT_SPARE_S
        signal.setitimer(signal.ITIMER_PROF, limit)
        return (yield)

    def _place(self, item: pytest.Item) -> int:
        return self.places[item.nodeid]


class Clock:
    """A pytest plugin: writes down the CPU seconds that each test takes, and which fail."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Time a test with what it sets up."""
        start = time.process_time()
        result = yield
        self.seconds[item.nodeid] = round(time.process_time() - start, 4)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write what was seen."""
        self.path.write_text(json.dumps({"seconds": self.seconds, "failed": self.failed}))


def try_mutant(root: Path, file: str, source: str, seconds: Mapping[str, float]) -> None:
    """Run tests, in the order given, until one fails; exit by `ENDED`, or a signal where one takes too long."""
    _settle(root)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    sys.meta_path.insert(0, Mutated(root / file, source))
    files = list(dict.fromkeys(test.partition("::")[0] for test in seconds))
    _exit(["-x", "--assert=plain", *files], [Chosen(seconds)])


def try_original(root: Path, tests: Sequence[str], packages: Sequence[str], clock: Path, data: Path) -> None:
    """Run all tests without a mutation, to learn what they take and which lines they reach."""
    _settle(root)
    os.environ["COVERAGE_FILE"] = str(data)
    coverage = [*(f"--cov={package}" for package in packages), "--cov-context=test", "--cov-report="]
    _exit([*coverage, *tests], [Clock(clock)])


def _settle(root: Path) -> None:
    """Be silent, stand in the checkout and draw the same examples each time; a failure is not made smaller."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    hypothesis.settings.register_profile(
        PROFILE,
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile(PROFILE)


def _exit(arguments: list[str], plugins: list[object]) -> None:
    common = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=no"]
    os._exit(ENDED + pytest.main([*common, *arguments], plugins))
