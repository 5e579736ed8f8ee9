"""What every linear layer can say about itself, whatever its operator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.model import ConstantKey, Model, NodeKey

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer(ABC):
    """A node that computes outputs = inputs x matrix + bias: [rows, columns] x [columns, outs], for each group.

    A row is one position of the output: a sample, a pixel, a token. Rows are numbered by their place in the output,
    row-major, without the axis of channels. The bias is missing where `bias` is None.
    """

    model: Model
    key: NodeKey
    x_slot: int = 0
    w_slot: int = 1
    bias_slot: int | None = 2

    @property
    def node(self) -> onnx.NodeProto:
        """The node."""
        return self.model.node(self.key)

    @property
    def name(self) -> str:
        """How messages name the layer: by its node, or the node's output."""
        return self.node.name or self.output

    @property
    def output(self) -> str:
        """The first output that has a name: by it the layer is known, in this model and in a copy of it."""
        return next(str(name) for name in self.node.output if name)

    @property
    def x(self) -> str:
        """The name of the activation that is multiplied."""
        name: str = self.node.input[self.x_slot]
        return name

    @property
    def y(self) -> str:
        """The name of the tensor that `outputs` reads."""
        return self.output

    @property
    def weight(self) -> ConstantKey:
        """The stored weight."""
        return self.key.scope, self.node.input[self.w_slot]

    @property
    def bias(self) -> ConstantKey | None:
        """The bias at the node itself, where there is one: also behind an Identity, by which exporters share it."""
        inputs = self.node.input
        if self.bias_slot is None or len(inputs) <= self.bias_slot or not inputs[self.bias_slot]:
            return None
        key = self.key.scope, inputs[self.bias_slot]
        while (maker := self.model.producers.get(key)) is not None and maker.op_type == "Identity":
            key = self.key.scope, maker.input[0]
        return key

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the node, or the default."""
        found = next((item for item in self.node.attribute if item.name == name), None)
        return default if found is None else onnx.helper.get_attribute_value(found)

    @property
    @abstractmethod
    def channel_axis(self) -> int:
        """The axis of `y` that holds channels, counted from the last: the others number rows."""

    def rows(self, y: Array) -> int:
        """Return the number of rows in what `outputs` reads."""
        return int(y.size // y.shape[self.channel_axis])

    @abstractmethod
    def inputs(self, x: Array, rows: Array) -> Array:
        """Return the inputs of some rows, [groups, rows, columns], for the value of `x`."""

    @abstractmethod
    def outputs(self, y: Array, rows: Array) -> Array:
        """Return some rows of the output, [groups, rows, outs], for the value of `y`."""

    @abstractmethod
    def matrix(self, weight: Array) -> Array:
        """Return a weight as it is stored as [groups, columns, outs]."""

    @abstractmethod
    def stored(self, matrix: Array, weight: Array) -> Array:
        """Return a matrix [groups, columns, outs] in the layout of the stored `weight`."""

    @property
    def matrix_shape(self) -> tuple[int, int, int]:
        """Groups, columns and outs."""
        weight = np.broadcast_to(np.float32(0), self.model.constants[self.weight].dims)
        groups, columns, outs = self.matrix(weight).shape
        return groups, columns, outs

    def biases(self, bias: Array) -> Array:
        """Return a stored bias as [groups, outs]."""
        groups, _, outs = self.matrix_shape
        return bias.reshape(groups, outs)

    def biased(self, bias: Array, change: Array) -> Array:
        """Return a stored bias to which `change`, [groups, outs], was added; it may have axes of size 1."""
        return np.asarray(bias + change.reshape(bias.shape).astype(bias.dtype))

    def no_bias(self) -> Array:
        """Return zeros in the shape of a bias, for a node that has none."""
        groups, _, outs = self.matrix_shape
        return np.zeros(groups * outs, np.float32)
