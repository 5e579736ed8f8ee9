"""What goes with tokens: how many of them are real, and the masks, segments and positions that say so."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

PADDED = 0.5
"""The share of samples that end in padding, where the model can be told so."""
SHORTEST = 0.25
"""The least share of a sample that is real."""
SEGMENTED = 0.5
"""The share of samples that have a second segment."""


def real_positions(rng: np.random.Generator, count: int, longest: int) -> Ints:
    """Return how many positions of each sample are real, int64 [count]; the others, at its end, are padding."""
    shorter = rng.integers(max(1, math.ceil(SHORTEST * longest)), longest + 1, count)
    return np.where(rng.uniform(size=count) < PADDED, shorter, longest).astype(np.int64)


def mask(real: Ints, longest: int, shape: tuple[int, ...]) -> Ints:
    """Return 1 for real positions and 0 for padding, int64 `shape`; only ones unless that is [samples, positions]."""
    if shape != (len(real), longest):
        return np.ones(shape, np.int64)
    return (np.arange(longest) < real[:, None]).astype(np.int64)


def segments(rng: np.random.Generator, shape: tuple[int, ...], rows: int) -> Ints:
    """Return numbers of segments below `rows`, int64 `shape`: 0, and in some samples 1 from some position on."""
    start = rng.integers(1, shape[-1] + 1, (*shape[:-1], 1))
    has_second = rng.uniform(size=start.shape) < SEGMENTED
    return np.minimum((np.arange(shape[-1]) >= start) & has_second, rows - 1).astype(np.int64)


def positions(shape: tuple[int, ...], rows: int) -> Ints:
    """Return 0, 1, 2, .. along the last axis, int64 `shape`, starting again before `rows` is reached."""
    return np.broadcast_to(np.arange(shape[-1]) % rows, shape).astype(np.int64)
