"""Damage on purpose: what the check must see, or else it proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask, free_dims
from onnxprune.model import ConstantKey, Model
from onnxprune.tensors import to_tensor
from onnxprune.tracing import Trace
from onnxprune.verify.twin import copy_model

Array: TypeAlias = "NDArray[Any]"

DEPTHS = 3


def sliced_constants(trace: Trace, masks: Mapping[Dim, Mask], pruned: Model) -> list[ConstantKey]:
    """Return the stored tensors of the pruned model that were sliced, in the order in which nodes read them."""
    shrunk = (use for use in trace.uses if any(dim in masks for axis in use.axes for dim in free_dims(axis)))
    return [key for key in dict.fromkeys(use.constant for use in shrunk) if key in pruned.constants]


def to_damage(trace: Trace, masks: Mapping[Dim, Mask], pruned: Model) -> list[ConstantKey]:
    """Return a few sliced weights that damage would change, spread over the depth of the model.

    They are matrices at least, of which rolling moves rows; other tensors only where there is no such matrix.
    """
    sliced = sliced_constants(trace, masks, pruned)
    sites = [key for key in sliced if _is_matrix(pruned, key) and _rolled(_values(pruned, key)) is not None]
    sites = sites or [key for key in sliced if _worse(_values(pruned, key)) is not None]
    return [sites[(2 * n + 1) * len(sites) // (2 * DEPTHS)] for n in range(DEPTHS)] if sites else []


def damaged(model: Model, key: ConstantKey) -> Model:
    """Return a copy in which one weight is rolled by one position, or negated where that would change nothing."""
    copy = copy_model(model)
    tensor, values = copy.constants[key], _worse(_values(model, key))
    assert values is not None
    tensor.CopyFrom(to_tensor(values, tensor.data_type, tensor.name))
    return copy


def _values(model: Model, key: ConstantKey) -> Array:
    return model.array(model.constants[key])


def _is_matrix(model: Model, key: ConstantKey) -> bool:
    return sum(length > 1 for length in model.constants[key].dims) > 1


def _worse(values: Array) -> Array | None:
    """Return values that are damaged, or None where nothing would change them, such as a fill of zeros."""
    rolled = _rolled(values)
    if rolled is None and values.dtype.kind in "fV" and values.any():
        return np.asarray(-values)
    return rolled


def _rolled(values: Array) -> Array | None:
    """Roll values along their first axis of two or more; None where there is none or that changes nothing."""
    axis = next((axis for axis, length in enumerate(values.shape) if length > 1), None)
    rolled = None if axis is None else np.roll(values, 1, axis)
    return None if rolled is None or np.array_equal(rolled, values) else rolled
