"""From measured points to a price: the time of a node as a sum of non-negative prices for what it does.

The fit is least squares under the condition that no price is negative (Lawson and Hanson, Solving Least Squares
Problems, 1974, chapter 23), so that a model never gets faster in it by more work. What is priced stands in
`Node.features`: products and values at widths rounded up to what the kernels take at a time, a staircase, and at the
very widths. Widths that the fast kernels do not take at all have prices of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.errors import DataError
from onnxprune.latency.nodes import Node
from onnxprune.latency.table import Row, Table
from onnxprune.measure import Measure, Widths

MILLISECONDS = 1e-3
LESS_THAN_BLOCKED = 0.999
"""Where exact and rounded widths explain the times equally well, the rounded ones are to be taken."""


@dataclass(frozen=True)
class Priced:
    """The milliseconds of one node. `unaligned` are the prices at widths that the fast kernels do not take."""

    node: Node
    block: int
    aligned: NDArray[np.float64]
    unaligned: NDArray[np.float64]
    _known: dict[tuple[Any, ...], float] = field(default_factory=dict)

    @property
    def dims(self) -> frozenset[Dim]:
        """The dims that the time depends on."""
        return frozenset(self.node.dims)

    def at(self, counts: Widths) -> Any:
        """Return the time, or times, at candidate widths; one that was asked for before is remembered."""
        widths = tuple(counts.get(dim, dim.size) for dim in self.node.dims)
        if any(isinstance(width, np.ndarray) for width in widths):
            return self._computed(counts)
        if widths not in self._known:
            self._known[widths] = float(self._computed(counts))
        return self._known[widths]

    def _computed(self, counts: Widths) -> Any:
        lengths = self.node.lengths(counts)
        features = self.node.features(lengths, self.block)
        if self.unaligned is self.aligned:
            return features @ self.aligned
        return np.where(self.node.is_unaligned(lengths), features @ self.unaligned, features @ self.aligned)


def latency_of(table: Table, nodes: Iterable[Node], block: int, whole: str) -> Measure:
    """Return the milliseconds of one run as a function of the widths; `whole` is the row of what is around the nodes.

    Raises `DataError` where the table lacks a node.
    """
    parts: list[Priced] = []
    fixed = 0.0
    prices: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for node in nodes:
        row = table.rows.get(node.signature)
        if row is None or len(row.points[0][0]) != len(node.dims):
            raise DataError(
                f"the latency profile has no node like the {node.operator} that gives '{node.output}'; "
                "it is of another model, or of other input shapes: make one with `onnxprune profile`"
            )
        if not node.dims:
            fixed += float(np.mean([time for _, time in row.points]))
            continue
        if node.signature not in prices:
            prices[node.signature] = _prices(node, row, block)
        parts.append(Priced(node, block, *prices[node.signature]))
    around = table.rows.get(whole)
    fixed += float(np.mean([time for _, time in around.points])) if around else 0.0
    return Measure(parts, fixed * MILLISECONDS)


def misfit(table: Table, nodes: Iterable[Node], block: int) -> float:
    """Return the sum of what the prices of nodes miss at measured points, over the sum of what was measured there."""
    missed = measured = 0.0
    for node in {node.signature: node for node in nodes if node.dims}.values():
        row = table.rows[node.signature]
        priced = Priced(node, block, *_prices(node, row, block))
        for widths, time in row.points:
            missed += abs(priced.at(dict(zip(node.dims, widths, strict=True))) - time * MILLISECONDS)
            measured += time * MILLISECONDS
    return missed / measured if measured else 0.0


def _prices(node: Node, row: Row, block: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the prices of what a node does at aligned widths and at others, in milliseconds."""
    widths: Mapping[Dim, Any] = {
        dim: np.array([point[place] for point, _ in row.points]) for place, dim in enumerate(node.dims)
    }
    lengths = node.lengths(widths)
    features = node.features(lengths, block)
    times = np.array([time for _, time in row.points]) * MILLISECONDS
    unaligned = np.broadcast_to(node.is_unaligned(lengths), len(times))
    found = [_fitted(features[such], times[such]) for such in (~unaligned, unaligned) if such.any()]
    return found[0], found[-1]


def _fitted(features: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.optimize import nnls

    scale = np.maximum(features.max(axis=0), 1e-300)
    scale[1 + (len(scale) - 1) // 2 :] /= LESS_THAN_BLOCKED
    found, _ = nnls(features / scale, times)
    return np.asarray(found / scale)
