"""Half-precision models in single precision, in which statistics are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from onnxprune.calibrate.lazy import Lazy
from onnxprune.model import Model
from onnxprune.precision import HALF, as_float32, is_half
from onnxprune.runtime import Feeds


def in_single_precision(
    model: Model, types: Mapping[str, int], batches: Sequence[Feeds]
) -> tuple[Model, Mapping[str, int], Sequence[Feeds]]:
    """Return a model, the element types of its tensors and its inputs, all as they are unless in half precision."""
    if not is_half(model):
        return model, types, batches
    types = {name: TensorProto.FLOAT if kind in HALF else kind for name, kind in types.items()}
    if isinstance(batches, Lazy):
        return as_float32(model), types, Lazy(len(batches), lambda place: _singles(batches[place]))
    return as_float32(model), types, [_singles(batch) for batch in batches]


def _singles(batch: Feeds) -> Feeds:
    return {name: _single(values) for name, values in batch.items()}


def _single(values: NDArray[Any]) -> NDArray[Any]:
    """Return half precision as single; bfloat16 is a type of ml_dtypes, whose kind is V."""
    is_half = values.dtype.kind in "fV" and values.dtype.itemsize == 2
    return values.astype(np.float32) if is_half else values
