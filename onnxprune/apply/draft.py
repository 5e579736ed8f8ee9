"""The draft: the new model while it is made, and the record of what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from onnxprune.axes import Dim, Expr, Mask, free_dims
from onnxprune.cost import Counts
from onnxprune.model import Model, NodeKey
from onnxprune.sizes import Size
from onnxprune.tracing import Trace
from onnxprune.wire import copy_field


@dataclass
class Changes:
    """What was changed, in terms of names in the file: the part of a plan that needs no dims to be read."""

    keep: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)
    sizes: list[dict[str, Any]] = field(default_factory=list)
    recovered: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)

    def resize(self, where: str, old: Any, new: Any) -> None:
        """Note that a number which is a size became another."""
        self.sizes.append({"where": where, "old": old, "new": new})


class Draft:
    """A copy of the traced model that is turned into the pruned one, node by node and name by name."""

    def __init__(self, trace: Trace, masks: Mapping[Dim, Mask]) -> None:
        self.trace = trace
        self.masks = {dim: mask for dim, mask in masks.items() if not mask.all()}
        self.counts: Counts = {dim: int(mask.sum()) for dim, mask in self.masks.items()}
        self.changes = Changes()
        self.proto = copy_without_weights(trace.model.proto)
        self.model = Model(self.proto, trace.model.path)
        self._taken = {name for graph in self.model.graphs.values() for name in _names(graph)}
        self._taken |= {tensor.name for tensor in trace.model.proto.graph.initializer}
        self._after: dict[NodeKey, onnx.NodeProto] = {}

    def shrinks(self, expr: Expr) -> bool:
        """Whether an axis loses positions."""
        return any(dim in self.masks for dim in free_dims(expr))

    def new_size(self, size: Size) -> int | None:
        """Return what a size comes to in the new model, or None where only the running model knows."""
        return size.resolve(self.trace.axes).under(self.counts)

    def differs(self, size: Size) -> bool:
        """Whether a size is another one in the new model."""
        return self.new_size(size) != size.dense

    def kept_share(self, axis: Expr) -> float:
        """Return kept / size of an axis."""
        size = Size.along(axis)
        new, old = self.new_size(size), size.dense
        assert new is not None and old is not None
        return new / old

    def new_name(self, name: str) -> str:
        """Return `name`, or `name_2` and so on, that nothing in the model has."""
        candidate, n = name, 2
        while candidate in self._taken:
            candidate, n = f"{name}_{n}", n + 1
        self._taken.add(candidate)
        return candidate

    def store(self, tensor: onnx.TensorProto) -> None:
        """Add a constant where every graph can see it."""
        self.proto.graph.initializer.append(tensor)

    def insert_after(self, key: NodeKey, node: onnx.NodeProto) -> None:
        """Place a node right after another, once all changes to nodes in their places are made."""
        self._after[key] = node
        self.changes.added.append(node.name)

    def insert_nodes(self) -> None:
        """Place the added nodes; bodies before the graphs that hold them, since placing copies the nodes."""
        for scope in sorted({key.scope for key in self._after}, key=len, reverse=True):
            graph = self.model.graphs[scope]
            nodes = list(graph.node)
            del graph.node[:]
            for index, node in enumerate(nodes):
                graph.node.append(node)
                if (added := self._after.get(NodeKey(scope, index))) is not None:
                    graph.node.append(added)
        self.model = Model(self.proto, self.trace.model.path)


def place_of(node: onnx.NodeProto, what: str) -> str:
    """Return how a plan names a part of a node: its name, or else its first output, and the part."""
    return f"{node.name or node.output[0]}.{what}"


def copy_without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Copy a model but for the initializers of its main graph, which would double the memory."""
    copy = onnx.ModelProto()
    if len(UnknownFieldSet(model)) or len(UnknownFieldSet(model.graph)):
        # Fields of a newer format can only be copied with everything else.
        copy.CopyFrom(model)
        copy.graph.ClearField("initializer")
        return copy
    _copy_fields(model, copy, "graph")
    _copy_fields(model.graph, copy.graph, "initializer")
    return copy


def _copy_fields(source: Message, target: Message, left_out: str) -> None:
    for descriptor, value in source.ListFields():
        if descriptor.name != left_out:
            copy_field(target, descriptor.name, value)


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from node.input
        yield from node.output
