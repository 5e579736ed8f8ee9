"""Which dims another order helps, and that order: every weight that reads a dim has a say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.apply.reorder import reorderable
from onnxprune.axes import Dim, free_dims, size
from onnxprune.record import Use
from onnxprune.sparsify.permutation.search import Order, Scores, find_order, kept
from onnxprune.sparsify.permutation.stripes import stripes
from onnxprune.tracing import Trace

MOST = 1 << 22
"""Rows times units that a search looks at; of more rows, a random sample."""

CHUNK = 1 << 22
"""Scores that are put into a new order at once."""


@dataclass(frozen=True)
class Reader:
    """A weight that is to get a pattern: its use, the stored axis of its input channels, and the scores of its numbers.

    Scores are non-negative, in the stored shape; they are asked for up to twice for each dim.
    """

    use: Use
    inputs: int
    scores: Callable[[], NDArray[Any]]


@dataclass(frozen=True)
class _Reading:
    """A reader of one dim, and where the units of the dim stand along its input channels, [times, units]."""

    reader: Reader
    places: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """The number of rows of scores: the other positions of the weight, once for each occurrence of the dim."""
        others = (size(axis) or 0 for place, axis in enumerate(self.reader.use.axes) if place != self.reader.inputs)
        return prod(others) * len(self.places)

    @property
    def _matrix(self) -> Scores:
        """The scores as [other positions, input channels]."""
        last = np.moveaxis(self.reader.scores(), self.reader.inputs, -1)
        return last.reshape(-1, last.shape[-1])

    def picked(self, numbers: NDArray[np.int64]) -> Scores:
        """Return the rows of these numbers, [len(numbers), units]."""
        return self._rows(self._matrix, numbers)

    def _rows(self, matrix: Scores, numbers: NDArray[np.int64]) -> Scores:
        position, time = np.divmod(numbers, len(self.places))
        return np.asarray(matrix[position[:, None], self.places[time]])

    def gain(self, order: Order, n: int, m: int) -> float:
        """Return how much more an order keeps, over all rows."""
        matrix, step, gain = self._matrix, max(1, CHUNK // order.size), 0.0
        for start in range(0, self.rows, step):
            rows = self._rows(matrix, np.arange(start, min(start + step, self.rows)))
            gain += kept(rows[:, order], n, m) - kept(rows, n, m)
        return gain


def find_orders(
    trace: Trace,
    readers: Sequence[Reader],
    n: int,
    m: int,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[Dim, Order]:
    """Return, for each dim that another order helps, the order in which an n:m pattern keeps the highest scores.

    The order of a dim changes the patterns of the weights that have it among their input channels, all of them at
    once, and of no others, so that dims can be looked at one by one. An order is int64 [dim.size], see `reorder`. It is
    returned only where it keeps more over all rows of all those weights. The same seed gives the same orders.
    """
    readings = {dim: found for dim in reorderable(trace) if (found := list(_readings(dim, readers, m)))}
    work = {dim: min(dim.size * sum(reading.rows for reading in found), MOST) for dim, found in readings.items()}
    orders: dict[Dim, Order] = {}
    done, total = 0, sum(work.values())
    for dim, found in readings.items():
        report = partial(_report, on_progress, done / total, work[dim] / total)
        order = find_order(_sample(dim, found, seed), n, m, seed, report)
        if sum(reading.gain(order, n, m) for reading in found) > 0:
            orders[dim] = order
        done += work[dim]
    return orders


def _report(on_progress: Callable[[float], None], done: float, part: float, share: float) -> None:
    on_progress(done + part * share)


def _readings(dim: Dim, readers: Sequence[Reader], m: int) -> Iterator[_Reading]:
    if dim.size <= m:
        return
    for reader in readers:
        axis = reader.use.axes[reader.inputs]
        if dim in free_dims(axis):
            places = stripes(axis, dim, m)
            reading = _Reading(reader, places)
            if len(places) and reading.rows:
                yield reading


def _sample(dim: Dim, readings: Sequence[_Reading], seed: int) -> Scores:
    """Return the rows of all readers, or as many as a search looks at, of each reader its share."""
    share = min(1.0, MOST / dim.size / sum(reading.rows for reading in readings))
    rng = np.random.default_rng(seed)
    numbers = [np.sort(rng.choice(r.rows, max(1, int(r.rows * share)), replace=False)) for r in readings]
    return np.concatenate([reading.picked(of_one) for reading, of_one in zip(readings, numbers, strict=True)])
