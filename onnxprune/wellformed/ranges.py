"""Attributes whose numbers have to be in some range, whatever the operator: counts, strides, orders of axes."""

from __future__ import annotations

import onnx
from onnx import AttributeProto

from onnxprune.errors import ModelError

COUNTS = frozenset("blocksize dilations group hidden_size kernel_shape num_heads num_scan_inputs strides".split())
"""Attributes that are counts: 1 and more, and of a size that some tensor could have."""

LARGEST = 2**31 - 1


def check_range(node: onnx.NodeProto, attribute: AttributeProto) -> None:
    """Refuse a count that is none, and an order of axes that is not one of all of them."""
    if attribute.ref_attr_name:
        return
    numbers = list(attribute.ints) if attribute.type == AttributeProto.INTS else [attribute.i]
    if attribute.name in COUNTS and not all(1 <= number <= LARGEST for number in numbers):
        raise ModelError(f"it cannot be {numbers if len(numbers) != 1 else numbers[0]}")
    if attribute.name == "perm" and node.op_type == "Transpose" and sorted(numbers) != list(range(len(numbers))):
        raise ModelError(f"{numbers} is no order of all axes")
