"""How far two values of one tensor are apart: per channel, relative to that channel's own largest value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUIET_CHANNEL = 1e-3
"""A channel below this fraction of its tensor's largest value is judged against that fraction."""


@dataclass(frozen=True)
class Difference:
    """The largest difference of a tensor, absolute and relative."""

    absolute: float
    relative: float


def is_narrow(values: NDArray[Any]) -> bool:
    """Whether values are integers of one byte, which are quantized numbers."""
    return values.dtype.kind in "iu" and values.dtype.itemsize == 1


def difference(expected: NDArray[Any], actual: NDArray[Any], quiet: float = QUIET_CHANNEL) -> Difference:
    """Compare two values; the relative error is taken per channel (axis 1), so that a loud channel hides no other.

    `quiet` is the fraction of the tensor's largest value below which a channel is judged against that fraction.
    Shapes that differ, NaN, or an infinity on one side only are infinitely far apart. Integers of one byte are
    quantized numbers; wider ones (labels, indices) and booleans are equal or at distance 1.
    """
    if expected.shape != actual.shape:
        return Difference(np.inf, np.inf)
    if expected.size == 0 or not (expected.dtype.kind in "fV" or is_narrow(expected)):
        distance = 0.0 if np.array_equal(expected, actual) else 1.0
        return Difference(distance, distance)
    e, a = expected.astype(np.float64), actual.astype(np.float64)
    infinite = np.isinf(e)
    if (
        np.isnan(e).any()
        or np.isnan(a).any()
        or not np.array_equal(e[infinite], a[infinite])
        or np.isinf(a[~infinite]).any()
    ):
        return Difference(np.inf, np.inf)
    e, a = np.where(infinite, 0, e), np.where(infinite, 0, a)
    others = tuple(axis for axis in range(e.ndim) if axis != 1)
    apart, scale = np.abs(e - a).max(axis=others), np.abs(e).max(axis=others)
    floor = max(float(np.max(scale)) * quiet, float(np.finfo(np.float32).tiny))
    return Difference(float(np.max(apart)), float(np.max(apart / np.maximum(scale, floor))))
