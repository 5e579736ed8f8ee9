"""Which stored constants are parameters: what a person would count and prune, and what is only a number or a table."""

from __future__ import annotations

import math
from collections.abc import Iterator

from onnxprune.model import ConstantKey, Model
from onnxprune.record import Use
from onnxprune.scales import Scales
from onnxprune.tensors import REAL
from onnxprune.tracing import Trace

NOT_PARAMETERS = frozenset(
    "Clip Constant ConstantOfShape Equal Expand Greater GreaterOrEqual Less LessOrEqual NonMaxSuppression OneHot Pad "
    "Pow Range Resize Tile TopK Trilu Upsample Where".split()
)
"""Operators whose constants are bounds, exponents, scales of an image: settings rather than parameters."""

ELEMENTWISE = frozenset("Add Sub Mul Div Sum".split())


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


def _is_setting(model: Model, scales: Scales, use: Use) -> bool:
    tensor = model.constants[use.constant]
    if not tensor.dims or use.slot[0].index < 0 or scales.are_at(use.slot):
        return True
    if math.prod(tensor.dims) < 2 and model.node(use.slot[0]).op_type in ELEMENTWISE:
        return True
    if tensor.data_type not in REAL and not scales.is_quantized(use):
        return True
    return model.node(use.slot[0]).op_type in NOT_PARAMETERS


def _is_table(model: Model, use: Use) -> bool:
    """Whether an elementwise operand is a folded table (a mask, a grid of anchors) rather than a parameter.

    A table has at least two axes of more than one position and takes only few distinct, or only half-integer, values.
    """
    tensor = model.constants[use.constant]
    if model.node(use.slot[0]).op_type not in ELEMENTWISE or sum(length > 1 for length in tensor.dims) < 2:
        return False
    sample = model.array(tensor).ravel()[:4096].astype("float64")
    return bool(((sample * 2) % 1 == 0).all()) or len(set(sample.tolist())) <= 3
