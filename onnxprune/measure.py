"""A quantity of a model as a function of its widths: a sum of parts, each of which depends on few dims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim

Counts: TypeAlias = "Mapping[Dim, int]"
"""Dim -> how many of its units are kept; a dim that is left out keeps all."""

Widths: TypeAlias = "Mapping[Dim, int | NDArray[Any]]"
"""Counts of which some may be arrays: as many candidates, all of the same shape."""


class Part(Protocol):
    """One summand of a quantity."""

    @property
    def dims(self) -> frozenset[Dim]:
        """The dims that it depends on."""

    def at(self, counts: Widths) -> Any:
        """Return its value, or values, at candidate widths."""


class Measure:
    """A sum of parts."""

    def __init__(self, parts: Iterable[Part], fixed: float = 0) -> None:
        """`fixed` is what no width changes."""
        self._parts, self._fixed = list(parts), fixed
        self._of: dict[Dim, list[Part]] = {}
        for part in self._parts:
            for dim in part.dims:
                self._of.setdefault(dim, []).append(part)
        self.dense: float = self.at({})

    def at(self, counts: Counts) -> Any:
        """Return the quantity where the dims keep so many units."""
        return self._fixed + sum(part.at(counts) for part in self._parts)

    def curve(self, dim: Dim, widths: NDArray[np.int64], counts: Counts) -> NDArray[np.float64]:
        """Return what depends on one dim at each of its `widths` [n], the others as in `counts`: shape [n]."""
        candidates: dict[Dim, int | NDArray[Any]] = {**counts, dim: widths}
        total = np.zeros(len(widths))
        for part in self._of.get(dim, ()):
            total += part.at(candidates)
        return total
