"""Attributes: whether each is of the type that it says, has a value, and is there once."""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto

from onnxprune.errors import ModelError
from onnxprune.wellformed.ranges import check_range
from onnxprune.wellformed.tensors import check_sparse, check_tensor
from onnxprune.wellformed.words import check_name, plain, shown

KINDS = frozenset(AttributeProto.AttributeType.values()) - {AttributeProto.UNDEFINED}

MESSAGES = {
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
}
"""The fields of values that are messages, by type: these alone must be there, for some writers leave out 0 and ''."""


def check_attributes(node: onnx.NodeProto, is_in_function: bool) -> None:
    """Refuse attributes that are not what they say. Bodies are for others to look into; see `bodies`."""
    if node.op_type == "Constant" and plain(node.domain) == "" and len(node.attribute) != 1:
        raise ModelError(f"it has {len(node.attribute)} attributes, and a Constant has one, its value")
    seen = set[str]()
    for attribute in node.attribute:
        try:
            if check_name(attribute.name) in seen:
                raise ModelError("the node has it twice")
            _check_value(attribute, is_in_function)
            check_range(node, attribute)
            is_constant = node.op_type == "Constant" and attribute.name == "value"
            _check_tensors(attribute, is_constant and not is_in_function)
        except ModelError as error:
            raise ModelError(f"attribute {shown(attribute.name)}: {error}") from None
        seen.add(attribute.name)


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that a node holds in its attributes."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _check_value(attribute: AttributeProto, is_in_function: bool) -> None:
    kind, refers = attribute.type, bool(attribute.ref_attr_name)
    if kind not in KINDS:
        raise ModelError("it does not say of which type it is")
    if refers and not is_in_function:
        raise ModelError("it refers to an attribute of a function, and is in none")
    for other, field in MESSAGES.items():
        if kind != other and attribute.HasField(field):
            raise ModelError("its value is of another type than it says")
    if kind in MESSAGES and not refers and not attribute.HasField(MESSAGES[kind]):
        raise ModelError("it has no value")


def _check_tensors(attribute: AttributeProto, may_be_outside: bool) -> None:
    if attribute.type == AttributeProto.TENSOR and attribute.HasField("t"):
        check_tensor(attribute.t, may_be_outside)
    elif attribute.type == AttributeProto.SPARSE_TENSOR and attribute.HasField("sparse_tensor"):
        check_sparse(attribute.sparse_tensor)
    for tensor in attribute.tensors:
        check_tensor(tensor)
    for sparse in attribute.sparse_tensors:
        check_sparse(sparse)
    if attribute.type != AttributeProto.GRAPHS and len(attribute.graphs):
        raise ModelError("its value is of another type than it says")
