"""What became of each node: operator, attributes, and what it reads and computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from onnxprune.diff.change import Change, Status, dtype_name
from onnxprune.diff.graphs import Graphs, label
from onnxprune.model import DEFAULT_DOMAIN, Model

FEW = 8
"""Values of a tensor in an attribute that are told one by one."""


@dataclass(frozen=True)
class NodeDiff:
    """A node that came, went or changed."""

    place: str
    name: str
    operator: str
    status: Status
    attributes: dict[str, Change]
    others: dict[str, Change]
    """Of operator, inputs and outputs, those that are others now."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "place": self.place,
            "name": self.name,
            "operator": self.operator,
            "status": self.status,
            "attributes": {name: change.as_dict() for name, change in self.attributes.items()},
            **{name: change.as_dict() for name, change in self.others.items()},
        }


def nodes_side_by_side(before: Model, after: Model, graphs: Graphs) -> Iterator[NodeDiff]:
    """Yield the nodes of two graphs that are not the same in both."""
    for pair in graphs.nodes:
        old, new = (
            None if scope is None or index is None else model.graphs[scope].node[index]
            for model, scope, index in zip((before, after), graphs.scopes, pair, strict=True)
        )
        if old is None or new is None:
            node = old or new
            assert node is not None
            status: Status = "removed" if new is None else "added"
            yield NodeDiff(graphs.place, label(node), operator(node), status, {}, {})
            continue
        attributes, others = _attributes(old, new), _others(old, new)
        if attributes or others:
            yield NodeDiff(graphs.place, label(new), operator(new), "changed", attributes, others)


def operator(node: onnx.NodeProto) -> str:
    """Return the operator of a node, with its domain where that is not the usual one."""
    return node.op_type if node.domain in DEFAULT_DOMAIN else f"{node.domain}:{node.op_type}"


def _others(old: onnx.NodeProto, new: onnx.NodeProto) -> dict[str, Change]:
    found = {
        "operator": Change(operator(old), operator(new)),
        "inputs": Change(list(old.input), list(new.input)),
        "outputs": Change(list(old.output), list(new.output)),
    }
    return {name: change for name, change in found.items() if change.status != "same"}


def _attributes(old: onnx.NodeProto, new: onnx.NodeProto) -> dict[str, Change]:
    """Return the attributes that differ; bodies are compared as graphs."""
    sides = [{attribute.name: attribute for attribute in node.attribute} for node in (old, new)]
    found = {}
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        here = [side.get(name) for side in sides]
        if all(attribute is not None and attribute.type == AttributeProto.GRAPH for attribute in here):
            continue
        if _bytes(here[0]) != _bytes(here[1]):
            found[name] = Change(_plain(here[0]), _plain(here[1]))
    return found


def _bytes(attribute: AttributeProto | None) -> bytes | None:
    """Return what an attribute says, without the notes on it."""
    if attribute is None:
        return None
    bare = AttributeProto()
    bare.CopyFrom(attribute)
    bare.ClearField("doc_string")
    return bytes(bare.SerializeToString(deterministic=True))


def _plain(attribute: AttributeProto | None) -> Any:
    """Return the value of an attribute as plain data; tensors and graphs in words."""
    if attribute is None:
        return None
    value = helper.get_attribute_value(attribute)
    return [_one(item) for item in value] if isinstance(value, (list, tuple)) else _one(value)


def _one(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return float(str(np.float32(value)))  # 1e-05, not the digits beyond what 32 bits hold
    if isinstance(value, onnx.GraphProto):
        return f"a graph of {len(value.node)} nodes"
    if isinstance(value, TensorProto):
        return _tensor(value)
    return value if isinstance(value, int) else " ".join(str(value).split())


def _tensor(tensor: TensorProto) -> str:
    """Return the type and shape of a tensor, and its values if these are few."""
    text = f"{dtype_name(tensor.data_type)} {list(tensor.dims)}"
    if int(np.prod(tensor.dims)) > FEW or tensor.data_location == TensorProto.EXTERNAL:
        return text
    try:
        return f"{text} {numpy_helper.to_array(tensor).ravel().tolist()}"
    except (KeyError, TypeError, ValueError):
        return text
