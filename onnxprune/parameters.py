"""Which stored constants are parameters: what a person would count and prune, and what is only a number or a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.model import ConstantKey, Model
from onnxprune.record import Use
from onnxprune.scales import Scales
from onnxprune.tensors import REAL
from onnxprune.tracing import Trace

NOT_PARAMETERS = frozenset(
    "Clip Constant ConstantOfShape Equal Greater GreaterOrEqual GridSample Less LessOrEqual Max Min NonMaxSuppression "
    "OneHot Pad Pow Range Resize RotaryEmbedding ScatterElements ScatterND TopK Trilu Upsample Where".split()
)
"""Operators whose constants are bounds, exponents, places, scales of an image: settings rather than parameters."""

ANGLES = {"GroupQueryAttention": (7, 8)}
"""Inputs of other operators that hold sines and cosines."""

ELEMENTWISE = frozenset("Add Sub Mul Div Sum".split())
REPEATING = frozenset("Expand Tile".split())
INITIAL_STATES = dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), (5, 6))

SAMPLE = 64
"""Rows and columns of a matrix that are looked at to tell whether it is a table."""


def parameter_uses(trace: Trace) -> Iterator[Use]:
    """Yield the uses of constants that are parameters, in node order."""
    verdicts: dict[ConstantKey, bool] = {}
    scales = Scales(trace)
    for use in trace.uses:
        if _is_setting(trace.model, scales, use):
            continue
        if use.constant not in verdicts:
            verdicts[use.constant] = not _is_table(trace.model, use)
        if verdicts[use.constant]:
            yield use


def together(trace: Trace) -> dict[ConstantKey, int]:
    """Return how many parameters one element holds, for the constants in which several share a byte."""
    bits = {note.slot: note.bits for note in trace.record.quantized if note.bits}
    return {use.constant: 8 // bits[use.slot] for use in trace.uses if use.slot in bits}


def _is_setting(model: Model, scales: Scales, use: Use) -> bool:
    tensor = model.constants[use.constant]
    key, slot = use.slot
    if not tensor.dims or key.index < 0 or scales.are_at(use.slot):
        return True
    op_type = model.node(key).op_type
    if math.prod(tensor.dims) < 2 and op_type in ELEMENTWISE | REPEATING:
        return True
    if tensor.data_type not in REAL and not scales.is_quantized(use):
        return True
    return op_type in NOT_PARAMETERS or slot in ANGLES.get(op_type, ())


def _is_table(model: Model, use: Use) -> bool:
    """Whether a constant was computed, not trained: a mask, a grid of anchors, the angles of positions, a first state.

    What is added, multiplied or repeated is a table if it takes only few distinct, or only half-integer, values; but
    a vector that is added or multiplied is a bias or a scale, whatever its values.
    """
    tensor = model.constants[use.constant]
    op_type, slot = model.node(use.slot[0]).op_type, use.slot[1]
    if slot in INITIAL_STATES.get(op_type, ()):
        return not model.array(tensor).any()
    is_matrix = sum(length > 1 for length in tensor.dims) > 1
    if is_matrix and op_type in ELEMENTWISE | {"Gather"} and _is_waves(model.array(tensor)):
        return True
    if op_type not in REPEATING and not (is_matrix and op_type in ELEMENTWISE):
        return False
    sample = model.array(tensor).ravel()[:4096].astype("float64")
    return bool(((sample * 2) % 1 == 0).all()) or len(set(sample.tolist())) <= 3


def _is_waves(values: NDArray[Any]) -> bool:
    """Whether every column of a table [.., positions, width] is a wave or a line over the positions.

    Both, and nothing that was trained, follow f(t - 1) + f(t + 1) = c f(t) with one c for all t: 2 cos(w) for a wave
    of frequency w, 2 for a line.
    """
    rows = values.reshape(-1, *values.shape[-2:])[0, :SAMPLE, :SAMPLE].astype(np.float64)
    if len(rows) < 6 or not np.isfinite(rows).all() or not np.ptp(rows, axis=0).any():
        return False
    middle, around = rows[1:-1], rows[:-2] + rows[2:]
    factor = (middle * around).sum(0) / np.maximum((middle**2).sum(0), 1e-12)
    return bool((np.abs(around - factor * middle) <= 1e-2 * np.abs(rows).max(0)).all())
