"""What a model declares: versions of operators, and the types of inputs, outputs and values between."""

from __future__ import annotations

import onnx

from onnxprune.errors import ModelError
from onnxprune.wellformed.tensors import MOST_AXES
from onnxprune.wellformed.words import check_name, plain, shown

NEWEST = 2**31 - 1
"""The largest number that readers take for a version."""


def check_versions(proto: onnx.ModelProto) -> None:
    """Refuse versions of operators that cannot be, or contradict each other."""
    versions = dict[str, int]()
    for entry in proto.opset_import:
        domain = plain(check_name(entry.domain))
        if not 1 <= entry.version <= NEWEST:
            raise ModelError(f"no version {entry.version} of the operators of domain {shown(domain)} can be")
        if versions.setdefault(domain, entry.version) != entry.version:
            raise ModelError(f"it imports two versions of the operators of domain {shown(domain)}")


def check_value(info: onnx.ValueInfoProto) -> None:
    """Refuse a type of a value that cannot be; one that is not declared is for inference to find."""
    check_name(info.name)
    if not info.type.HasField("tensor_type"):
        return
    tensor = info.type.tensor_type
    try:
        if tensor.elem_type and tensor.elem_type not in onnx.helper.get_all_tensor_dtypes():
            raise ModelError(f"its element type {tensor.elem_type} is none that is known")
        if len(tensor.shape.dim) > MOST_AXES:
            raise ModelError(f"it is declared with {len(tensor.shape.dim):,} axes; at most {MOST_AXES} can be")
        for dim in tensor.shape.dim:
            check_name(dim.dim_param)
    except ModelError as error:
        raise ModelError(f"value {shown(info.name)}: {error}") from None
