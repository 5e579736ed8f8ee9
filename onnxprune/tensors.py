"""Stored tensors: which element types hold real or quantized numbers, and writing values back in the type they had."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

REAL = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})

NARROW = frozenset(
    getattr(TensorProto, name)
    for name in (
        "INT8 UINT8 INT16 UINT16 INT4 UINT4 INT2 UINT2 FLOAT4E2M1 "
        "FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ FLOAT8E8M0"
    ).split()
    if hasattr(TensorProto, name)
)
"""Types that hold quantized numbers, as far as the installed onnx knows them."""


def to_tensor(values: NDArray[Any], data_type: int, name: str = "") -> onnx.TensorProto:
    """Return a stored tensor of type `data_type`, whichever numpy type onnx reads that type as.

    Types that numpy lacks come as ml_dtypes or, from older versions of onnx, as wider ones; several values of 4
    or fewer bits share a byte.
    """
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(data_type))
    made = numpy_helper.from_array(np.ascontiguousarray(values.astype(dtype)).reshape(values.shape), name)
    if made.data_type != data_type:
        made = helper.make_tensor(name, data_type, values.shape, values.ravel())
    return made
