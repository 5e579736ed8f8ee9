"""Stored tensors: whether the values that are there are those that type and shape promise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from onnxprune.errors import ModelError
from onnxprune.wellformed.words import check_name, shown

MOST_AXES = 32
"""Axes that an array can have in every version of numpy."""

MOST_BYTES = 2**60

LARGE = 2**24
"""Bytes from which on those of a tensor are not counted when a model is read: protobuf copies them for that."""

BITS = {
    getattr(TensorProto, name): bits
    for name, bits in {"INT2": 2, "UINT2": 2, "INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4}.items()
    if hasattr(TensorProto, name)
}
"""Types that are stored with several values to a byte, as far as the installed onnx knows them."""

FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data")
COMPLEX = (TensorProto.COMPLEX64, TensorProto.COMPLEX128)


def check_tensor(tensor: TensorProto, may_be_outside: bool = False) -> None:
    """Refuse a tensor that is not what it says. `may_be_outside`: whether its values may lie in a file of their own."""
    try:
        check_name(tensor.name)
        if tensor.data_type not in helper.get_all_tensor_dtypes():
            raise ModelError(f"its element type {tensor.data_type} is none that is known")
        if tensor.HasField("segment"):
            raise ModelError("it is a segment of a tensor; those cannot be read")
        check_shape(tensor.dims)
        if tensor.data_location == TensorProto.EXTERNAL:
            _check_outside(tensor, may_be_outside)
        else:
            _check_values(tensor)
    except ModelError as error:
        raise ModelError(f"tensor {shown(tensor.name)}: {error}") from None


def check_shape(dims: Sequence[int]) -> None:
    """Refuse a shape that no array can have."""
    if len(dims) > MOST_AXES:
        raise ModelError(f"it has {len(dims):,} axes; at most {MOST_AXES} can be")
    if any(length < 0 for length in dims) or math.prod(max(length, 1) for length in dims) > MOST_BYTES:
        raise ModelError(f"no tensor can have the shape {list(dims)}")


def check_sparse(sparse: onnx.SparseTensorProto) -> None:
    """Refuse a sparse tensor whose parts are not what they say; whether they fit each other is seen when it is read."""
    try:
        if not sparse.HasField("values"):
            raise ModelError("it has no values")
        check_shape(sparse.dims)
        check_tensor(sparse.values)
        if sparse.HasField("indices"):
            check_tensor(sparse.indices)
            if sparse.indices.data_type != TensorProto.INT64:
                raise ModelError("its indices are not of the type INT64")
    except ModelError as error:
        raise ModelError(f"sparse tensor {shown(sparse.values.name)}: {error}") from None


def stored_bytes(tensor: TensorProto) -> int:
    """Return how many bytes the values of a tensor take as they are stored."""
    bits = BITS.get(tensor.data_type) or 8 * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return math.ceil(math.prod(tensor.dims) * bits / 8)


def _check_outside(tensor: TensorProto, may_be: bool) -> None:
    if tensor.raw_data or any(len(getattr(tensor, field)) for field in FIELDS):
        raise ModelError("it has values in the model and says that they lie outside")
    if not may_be or tensor.data_type == TensorProto.STRING:
        raise ModelError("its values lie outside the model, as those of weights alone may")


def _check_values(tensor: TensorProto) -> None:
    counts = {field: count for field in FIELDS if (count := len(getattr(tensor, field)))}
    if counts:
        if len(counts) > 1 or tensor.raw_data:
            raise ModelError("it has values in two fields")
        field, has = next(iter(counts.items()))
        _check_field(tensor, field, has)
    elif tensor.data_type == TensorProto.STRING:
        _check_field(tensor, "string_data", 0)
    else:
        wanted = stored_bytes(tensor)
        is_large = wanted > LARGE and tensor.HasField("raw_data")
        _check_count(tensor, wanted, wanted if is_large else len(tensor.raw_data), "bytes")


def _check_field(tensor: TensorProto, field: str, has: int) -> None:
    """Refuse values that are in a field for those of another type, or not as many as they have to be."""
    if field != helper.tensor_dtype_to_field(tensor.data_type):
        kind = TensorProto.DataType.Name(tensor.data_type)
        raise ModelError(f"values of the type {kind} cannot be in {field}")
    wanted = math.prod(tensor.dims)
    wanted = 2 * wanted if tensor.data_type in COMPLEX else math.ceil(wanted * BITS.get(tensor.data_type, 8) / 8)
    _check_count(tensor, wanted, has, "values")


def _check_count(tensor: TensorProto, wanted: int, has: int, unit: str) -> None:
    if has != wanted:
        raise ModelError(f"its shape {list(tensor.dims)} takes {wanted:,} {unit}, and it has {has:,}")
