"""How far the outputs of a runtime are from those of another, and what may be called the runtime's own rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines.engine import Arrays

DENSE_ERRORS, ROUNDING = 2.0, 1e-5
"""A pruned model may be off by this many times what the dense one is off by, or by some hundred units of float32."""

MOST_ROUNDING = 2e-3
"""Off by more, a runtime does not compute the dense model: approximate kernels are off by less."""

AGREES, DIFFERS, DENSE_IS_OFF = "agrees", "differs", "dense is off"


def error(expected: Sequence[Arrays], found: Sequence[Arrays]) -> float:
    """Return the largest difference over sets of outputs, relative to the largest value expected.

    An output with positions, such as boxes and scores [N, C, anchors], is taken channel by channel, each relative to
    its own largest value: large ones hide nothing. What is not finite, or of another shape, is infinitely far off.
    """
    worst = 0.0
    for wanted, given in zip(expected, found, strict=True):
        for name, values in wanted.items():
            if values.shape != given[name].shape or not np.isfinite(given[name]).all():
                return float("inf")
            axes = None if values.ndim < 3 else tuple(axis for axis in range(values.ndim) if axis != 1)
            apart = np.abs(values.astype(np.float64) - given[name]).max(axis=axes)
            largest = np.abs(values.astype(np.float64)).max(axis=axes)
            worst = max(worst, float(np.max(apart / np.maximum(largest, np.finfo(np.float32).tiny))))
    return worst


def verdict(pruned: float, dense: float | None) -> str:
    """Return whether a runtime computes a pruned model, by its errors there and with the dense one; None: not run.

    It agrees where it is no further off than with the dense model, within a factor of two. Where it does not compute
    the dense model either, nothing can be said.
    """
    if dense is not None and not dense <= MOST_ROUNDING:
        return DENSE_IS_OFF
    return AGREES if pruned <= max(DENSE_ERRORS * (dense or 0.0), ROUNDING) else DIFFERS
