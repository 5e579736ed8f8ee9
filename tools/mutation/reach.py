"""Which tests reach a mutant: from one run of all tests, in which coverage notes for each line who executed it."""

from __future__ import annotations

import ast
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coverage import CoverageData
from mutants import Mutant

SECONDS = 40
"""CPU seconds of tests for one mutant; those that differ are run in any case."""


@dataclass(frozen=True)
class Reach:
    """What the run of all tests left: the data of coverage, and the CPU seconds of each test."""

    root: Path
    data: Path
    clock: Path

    def tests(self, mutant: Mutant) -> dict[str, float]:
        """Return the tests that reach a mutant, with their CPU seconds, in the order in which they are to run.

        What is executed when its module is imported, before any test, is reached by all that reach the module. First
        come tests that differ, quickest first: of a function with many parameters one for each way through the file.
        Then come the others, as far as `SECONDS` allow.
        """
        by_line = self._tests_by_line(mutant.file)
        lines = _lines_of_statement(self.root / mutant.file, mutant.line)
        reached = set().union(*(by_line.get(line, set()) for line in lines))
        if "" in reached and len(reached) == 1:
            reached = set().union(*by_line.values())
        quickest_first = sorted(reached & self.seconds.keys(), key=lambda test: self.seconds[test])
        chosen = {test: self.seconds[test] for test in _unlike(quickest_first, by_line)}
        spent = sum(chosen.values())
        for test in quickest_first:
            if test not in chosen and (spent := spent + self.seconds[test]) <= SECONDS:
                chosen[test] = self.seconds[test]
        return chosen

    @cached_property
    def seconds(self) -> dict[str, float]:
        """The CPU seconds of each test."""
        seconds: dict[str, float] = json.loads(self.clock.read_text())["seconds"]
        return seconds

    @cached_property
    def failed(self) -> list[str]:
        """The tests that fail without a mutation."""
        failed: list[str] = json.loads(self.clock.read_text())["failed"]
        return failed

    def _tests_by_line(self, file: str) -> dict[int, set[str]]:
        path = str(self.root / file)
        if path not in self._cache:
            contexts = self._coverage.contexts_by_lineno(path)
            self._cache[path] = {line: {name.rpartition("|")[0] for name in names} for line, names in contexts.items()}
        return self._cache[path]

    @cached_property
    def _cache(self) -> dict[str, dict[int, set[str]]]:
        return {}

    @cached_property
    def _coverage(self) -> CoverageData:
        data = CoverageData(str(self.data))
        data.read()
        return data


def _unlike(tests: Iterable[str], by_line: Mapping[int, set[str]]) -> Iterator[str]:
    """Yield the first of those tests that are one function with other parameters and take the same lines."""
    lines = defaultdict(set)
    for line, names in by_line.items():
        for name in names:
            lines[name].add(line)
    seen = set()
    for test in tests:
        alike = test.partition("[")[0], frozenset(lines[test])
        if alike not in seen:
            seen.add(alike)
            yield test


def _lines_of_statement(path: Path, line: int) -> range:
    """Return the lines of the smallest statement on a line; of a compound statement those of its head."""
    spans = [span for span in _spans(ast.parse(path.read_text())) if line in span]
    return min(spans, key=len, default=range(line, line + 1))


def _spans(tree: ast.Module) -> Iterator[range]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.stmt, ast.excepthandler)):
            decorators = getattr(node, "decorator_list", [])
            start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            body = getattr(node, "body", None)
            stop = body[0].lineno if isinstance(body, list) else (node.end_lineno or node.lineno) + 1
            yield range(start, max(stop, start + 1))
