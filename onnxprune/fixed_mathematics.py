"""Weights that are no weights: mathematics stored as kernels, such as a Fourier basis or a list of consecutive numbers.

Pruning them is exact like any other, and wrong: they were never trained, and the units that they make have a meaning
each. What is recognised here is protected unless `--include` names it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, free_dims
from onnxprune.model import ConstantKey
from onnxprune.parameters import parameter_uses
from onnxprune.record import Use
from onnxprune.tracing import Trace

MAX_ELEMENTS = 4_000_000
MIN_ROWS = 8
MIN_WINDOW = 16
CONTRACTIONS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
SPECTRAL_BINS = 5
"""A windowed sine keeps nearly all its energy within this many bins of its spectrum."""


def fixed_mathematics(trace: Trace) -> dict[Dim, str]:
    """Return the dims of weights that look like fixed mathematics, with what they look like."""
    verdicts: dict[ConstantKey, str | None] = {}
    found: dict[Dim, str] = {}
    for use in parameter_uses(trace):
        if use.constant not in verdicts:
            verdicts[use.constant] = mathematics_in(trace, use)
        verdict = verdicts[use.constant]
        if verdict is not None:
            for dim in (dim for axis in use.axes for dim in free_dims(axis)):
                found.setdefault(dim, verdict)
    return found


def mathematics_in(trace: Trace, use: Use) -> str | None:
    """Return what a weight looks like, and what to do about it, or None for one that may well have been trained."""
    found = _recognised(trace, use)
    return None if found is None else f"'{use.constant[1]}' looks like {found}; name it with --include to prune it"


def _recognised(trace: Trace, use: Use) -> str | None:
    tensor = trace.model.constants[use.constant]
    elements = int(np.prod(tensor.dims, dtype=np.int64))
    if trace.model.node(use.slot[0]).op_type not in CONTRACTIONS or not MIN_ROWS <= elements <= MAX_ELEMENTS:
        return None
    values = np.asarray(trace.model.array(tensor), np.float32)
    if not np.isfinite(values).all():
        return None
    if _is_arithmetic(values.ravel()):
        return "consecutive numbers (the expectation of a distribution)"
    rows = values.reshape(values.shape[0], -1)
    for matrix in (rows, rows.T) if values.ndim == 2 else (rows,):
        if _is_fourier_basis(matrix):
            return "a Fourier basis"
        if _is_filterbank(matrix):
            return "a bank of band filters"
    return None


def _is_arithmetic(flat: NDArray[Any]) -> bool:
    """Whether the values rise by the same step from one to the next."""
    steps = np.diff(flat[:1024])
    return bool(steps[0] != 0 and np.allclose(steps, steps[0], rtol=1e-4))


def _is_fourier_basis(rows: NDArray[Any]) -> bool:
    """Whether every row is a sine of one frequency under a window, and the rows have many frequencies."""
    if rows.shape[0] < MIN_ROWS or rows.shape[1] < MIN_WINDOW:
        return False
    sample = rows[:: max(1, rows.shape[0] // 64)]
    energy = np.abs(np.fft.rfft(sample, axis=1)) ** 2
    total = energy.sum(axis=1)
    used = total > 1e-6 * total.max()
    peak = energy.argmax(axis=1)
    near = np.abs(np.arange(energy.shape[1])[None] - peak[:, None]) <= SPECTRAL_BINS // 2
    share = (energy * near).sum(axis=1)[used] / total[used]
    return bool(used.sum() > MIN_ROWS // 2 and (share > 0.98).all() and len(set(peak[used].tolist())) > used.sum() // 3)


def _is_filterbank(rows: NDArray[Any]) -> bool:
    """Whether every row is one band of non-negative numbers, each band further along than the one before."""
    if rows.shape[0] < MIN_ROWS or rows.shape[1] < MIN_WINDOW or (rows < 0).any() or (rows > 0).mean() > 0.25:
        return False
    support = [np.flatnonzero(row) for row in rows]
    if any(len(places) == 0 for places in support):
        return False
    unbroken = all(places[-1] - places[0] + 1 == len(places) for places in support)
    starts = [int(places[0]) for places in support]
    return unbroken and starts == sorted(starts) and len(set(starts)) > len(starts) // 2
