"""Other values for a stored tensor: everything else that it says stays, also what this version does not know."""

from __future__ import annotations

from typing import Any

import onnx
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from onnxprune.tensors import to_tensor
from onnxprune.wire import copy_field

TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
"""The fields that hold numbers as such and not as bytes."""

VALUES = frozenset({"dims", "data_type", "raw_data", "string_data", *TYPED, "external_data", "data_location"})
"""The fields that say what the values of a tensor are, or where."""


def refilled(tensor: onnx.TensorProto, values: NDArray[Any]) -> onnx.TensorProto:
    """Return a stored tensor with other values, in the message itself; its type, name and notes stay.

    Numbers that stood in the field for their type do so again, and not as raw bytes.
    """
    made = _notes(tensor)
    stored = to_tensor(values, tensor.data_type)
    if any(len(getattr(tensor, field)) for field in TYPED) and stored.HasField("raw_data"):
        stored = helper.make_tensor("", tensor.data_type, values.shape, numpy_helper.to_array(stored).ravel())
    stored.ClearField("name")  # a name that is empty counts as one
    made.MergeFrom(stored)
    return made


def _notes(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """Copy a stored tensor but for its values, which would take memory once more."""
    made = onnx.TensorProto()
    if len(UnknownFieldSet(tensor)):
        # Fields of a newer format can only be copied with everything else.
        made.CopyFrom(tensor)
        for name in VALUES:
            made.ClearField(name)
        return made
    for field, value in tensor.ListFields():
        if field.name not in VALUES:
            copy_field(made, field.name, value)
    return made
