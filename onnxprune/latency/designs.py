"""Which widths are measured: the same share of every dim, and shares at random, to see each node in many ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask
from onnxprune.measure import Counts
from onnxprune.select.widths import admissible, steps
from onnxprune.tracing import Trace

SHARES = (0.75, 0.5, 0.25)
RANDOM_SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)
RANDOM, OFF_WIDTH = 8, 4
"""How many variants have widths at random that are multiples of what the kernels take at a time, and how many not."""


def designs(trace: Trace, block: int, off_width: bool) -> Iterator[Counts]:
    """Yield the widths to measure at, the dense model first: the same for the same model.

    `off_width` adds variants with widths that fast kernels do not take: multiples of 4, and any number.
    """
    rng = np.random.default_rng(0)
    yield {}
    if not trace.dims:
        return
    blocks = _widths(trace, block)
    for share in SHARES:
        yield {dim: _nearest(widths, share * dim.size) for dim, widths in blocks.items()}
    for _ in range(RANDOM):
        yield {dim: _nearest(widths, rng.choice(RANDOM_SHARES) * dim.size) for dim, widths in blocks.items()}
    for place in range(OFF_WIDTH if off_width else 0):
        some = _widths(trace, 4 if place % 2 else 1)
        yield {dim: int(rng.choice(widths[len(widths) // 4 :])) for dim, widths in some.items()}


def masks_of(counts: Counts) -> dict[Dim, Mask]:
    """Return masks that keep the first units of every dim: which ones does not matter for the time."""
    return {dim: np.arange(dim.size) < kept for dim, kept in counts.items() if kept < dim.size}


def _widths(trace: Trace, block: int) -> Mapping[Dim, NDArray[np.int64]]:
    return {dim: admissible(dim, step, trace.axes.minimum(dim)) for dim, step in steps(trace, block).items()}


def _nearest(widths: NDArray[np.int64], wanted: float) -> int:
    return int(widths[np.abs(widths - wanted).argmin()])
