"""Where a correction to a layer's bias can go: into what is there already, or into an input that may be added.

No node is ever added. A bias, the running mean of the BatchNormalization behind a layer, or the constant of the Add
behind it take the correction; a constant that others read too is copied first. Otherwise the node gets the optional
bias that its operator has. A MatMul with nothing behind it has no room.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import onnx
from onnx import helper

from onnxprune.linear import Layer
from onnxprune.model import Model, tensors_read
from onnxprune.tensors import REAL, to_tensor

MEAN = 3
"""The input of a BatchNormalization that holds the running mean."""


@dataclass(frozen=True)
class Room:
    """A constant to which a layer's correction is added, or from which it is taken (`sign` -1)."""

    constant: str
    sign: int
    at_node: bool


def make_room(model: Model, found: Iterable[Layer]) -> tuple[dict[str, Room], list[str]]:
    """Return the room of each layer that has any, by its first output, and the names of constants added for it.

    Edits the model in place: adds zero biases and copies of shared constants.
    """
    rooms = _Rooms(model)
    return {layer.output: room for layer in found if (room := rooms.of(layer)) is not None}, rooms.added


class _Rooms:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._readers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
        graph = model.proto.graph
        for node in graph.node:
            for slot, name in enumerate(node.input):
                self._readers.setdefault(name, []).append((node, slot))
            for name in set(tensors_read(node)) - set(node.input):
                self._readers.setdefault(name, []).append((node, -1))
        self._outputs = {info.name for info in graph.output}
        self._taken = {name for node in graph.node for name in (*node.input, *node.output)}
        self._taken |= {tensor.name for tensor in graph.initializer} | {info.name for info in graph.input}
        self._tensors = {tensor.name for tensor in graph.initializer}
        self._tensors |= {node.output[0] for node in graph.node if [held.name for held in node.attribute] == ["value"]}
        self.added: list[str] = []

    def of(self, layer: Layer) -> Room | None:
        if layer.bias is not None:
            return self._own(layer) or self._behind(layer)
        return self._behind(layer) or self._new(layer)

    def _own(self, layer: Layer) -> Room | None:
        assert layer.bias_slot is not None and layer.bias is not None
        stored = self._model.constants.get(layer.bias)
        if stored is None or stored.data_type not in REAL:
            return None
        return Room(self._alone(layer.node, layer.bias_slot, layer.bias[1]), 1, True)

    def _behind(self, layer: Layer) -> Room | None:
        """Look at the only reader of the output: a BatchNormalization, or an Add of one number per channel."""
        readers = self._readers.get(layer.output, [])
        if len(readers) != 1 or layer.output in self._outputs or layer.y != layer.output:
            return None
        node, slot = readers[0]
        if node.op_type == "BatchNormalization" and slot == 0 and len(node.output) == 1:
            return self._stored_at(node, MEAN, -1)
        if node.op_type == "Add" and self._is_bias(layer, node.input[1 - slot]):
            return self._stored_at(node, 1 - slot, 1)
        return None

    def _stored_at(self, node: onnx.NodeProto, slot: int, sign: int) -> Room | None:
        stored = self._model.constants.get(("", node.input[slot]))
        if stored is None or stored.data_type not in REAL:
            return None
        return Room(self._alone(node, slot, node.input[slot]), sign, False)

    def _is_bias(self, layer: Layer, name: str) -> bool:
        """Whether a constant has one number per output of the layer, along the axis of channels."""
        stored = self._model.constants.get(("", name))
        if stored is None:
            return False
        outs = layer.no_bias().size
        reaches = len(stored.dims) >= -layer.channel_axis
        return prod(stored.dims) == outs and reaches and stored.dims[layer.channel_axis] == outs

    def _new(self, layer: Layer) -> Room | None:
        """Give the node the optional bias of its operator."""
        if layer.bias_slot is None:
            return None
        node = layer.node
        name = self._new_name(f"{layer.output}_bias")
        kind = self._model.constants[layer.weight].data_type
        self._store(to_tensor(layer.no_bias(), kind, name))
        while len(node.input) <= layer.bias_slot:
            node.input.append("")
        node.input[layer.bias_slot] = name
        return Room(name, 1, True)

    def _alone(self, node: onnx.NodeProto, slot: int, name: str) -> str:
        """Make an input read the constant `name` or, where others read it or it is no tensor, a copy; return which."""
        is_alone = node.input[slot] == name and len(self._readers[name]) == 1 and name not in self._outputs
        if is_alone and name in self._tensors:
            return name
        copy = onnx.TensorProto()
        copy.CopyFrom(self._model.constants["", name])
        copy.name = self._new_name(name)
        self._store(copy)
        node.input[slot] = copy.name
        return copy.name

    def _store(self, tensor: onnx.TensorProto) -> None:
        proto = self._model.proto
        proto.graph.initializer.append(tensor)
        if proto.ir_version < 4:  # every initializer has to be an input, too
            proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
        self.added.append(tensor.name)

    def _new_name(self, wanted: str) -> str:
        name, n = wanted, 2
        while name in self._taken:
            name, n = f"{wanted}_{n}", n + 1
        self._taken.add(name)
        return name
