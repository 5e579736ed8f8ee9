"""Where an input enters a model: what is done to it first, and the layer that reads it then."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from onnxprune.model import MOVES
from onnxprune.tracing import Trace

LAYERS = ("Conv", "Gemm", "MatMul")
ARITHMETIC = ("Add", "Sub", "Mul", "Div")
PASSING = MOVES | {"Pad", "Resize", "QuantizeLinear", "DequantizeLinear"}
"""Operators whose output has the range of their first input."""


@dataclass(frozen=True)
class Entry:
    """The way of an input into a model.

    `path` holds the nodes between the input and `value`, which `layer` reads; that is None where no linear layer does.
    """

    value: str
    path: tuple[onnx.NodeProto, ...]
    layer: onnx.NodeProto | None

    @property
    def conv(self) -> onnx.NodeProto | None:
        """The first layer where it is a convolution."""
        return self.layer if self.layer is not None and self.layer.op_type == "Conv" else None

    @property
    def is_normalized(self) -> bool:
        """Whether the model shifts or scales its input by constants."""
        return any(node.op_type in ARITHMETIC for node in self.path)


def entry_of(trace: Trace, name: str) -> Entry:
    """Follow an input through what moves, shifts and scales it, to the first linear layer if one reads it then."""
    path: list[onnx.NodeProto] = []
    while True:
        readers = [node for node in trace.model.proto.graph.node if name in node.input]
        layer = next((node for node in readers if node.op_type in LAYERS and node.input[0] == name), None)
        step = next((node for node in readers if _passes(trace, node, name)), None)
        if layer is not None or step is None:
            return Entry(name, tuple(path), layer)
        path.append(step)
        name = step.output[0]


def kernel_rank(trace: Trace, conv: onnx.NodeProto) -> int | None:
    """Return the number of axes that a convolution slides along, where it is known."""
    stored = trace.model.constants.get(("", conv.input[1]))
    if stored is not None:
        return len(stored.dims) - 2
    computed = trace.tensor("", conv.input[1])
    return None if computed is None or computed.axes is None else len(computed.axes) - 2


def _passes(trace: Trace, node: onnx.NodeProto, name: str) -> bool:
    if node.op_type not in ARITHMETIC:
        return node.op_type in PASSING and node.input[0] == name
    others = [("", other) for other in node.input if other != name]
    return len(others) == 1 and others[0] in trace.model.constants and (node.op_type != "Div" or node.input[0] == name)
