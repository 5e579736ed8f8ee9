"""Which mutants a part of the package has, as cosmic-ray makes them.

Left out are those that change nothing but annotations: these are never evaluated, so no test can tell.
"""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names


@dataclass(frozen=True)
class Mutant:
    """One change of one file: the `occurrence`-th place where cosmic-ray's `operator` fits."""

    file: str
    operator: str
    occurrence: int
    line: int

    def source(self, root: Path) -> str:
        """Return the file with the change made."""
        mutated = mutate_code(_read(root / self.file), _operator(self.operator), self.occurrence)
        assert isinstance(mutated, str)
        return mutated

    def change(self, root: Path) -> tuple[str, str]:
        """Return what is written on the lines that differ, before and after."""
        lines = difflib.ndiff(_read(root / self.file).splitlines(), self.source(root).splitlines())
        changed = [line for line in lines if line[:2] in ("- ", "+ ")]
        before, after = (" ".join(line[2:].strip() for line in changed if line[0] == sign) for sign in "-+")
        return before, after


def mutants_of(root: Path, files: Iterable[str]) -> list[Mutant]:
    """Return every mutant of some files that changes more than annotations, in the order of files and lines."""
    found = [mutant for file in files for mutant in _mutants_of_file(root, file)]
    return sorted(found, key=lambda mutant: (mutant.file, mutant.line, mutant.operator, mutant.occurrence))


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return `count` mutants that `seed` picks, in their old order."""
    picked = random.Random(seed).sample(range(len(mutants)), min(count, len(mutants)))
    return [mutants[place] for place in sorted(picked)]


def _mutants_of_file(root: Path, file: str) -> Iterator[Mutant]:
    source = _read(root / file)
    nodes = list(ast_nodes(get_ast(source)))
    annotations = list(_annotations(source))
    for name in operator_names():
        if get_operator(name).arguments():
            continue  # made for one model of causes and effects; needs names of variables
        operator = _operator(name)
        starts = [start for node in nodes for start, _ in operator.mutation_positions(node)]
        for occurrence, start in enumerate(starts):
            if not any(first <= start < last for first, last in annotations):
                yield Mutant(file, name, occurrence, start[0])


def _annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where annotations begin and end, each as a line and a column."""
    for node in ast.walk(ast.parse(source)):
        for field in ("annotation", "returns"):
            part = getattr(node, field, None)
            if isinstance(part, ast.expr):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


@lru_cache
def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@lru_cache
def _operator(name: str) -> Any:
    return get_operator(name)()
