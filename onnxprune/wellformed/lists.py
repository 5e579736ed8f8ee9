"""Lists of numbers that double again and again: whoever follows them, as inference of shapes does, needs all memory."""

from __future__ import annotations

import onnx

from onnxprune.errors import ModelError
from onnxprune.wellformed.attributes import bodies
from onnxprune.wellformed.words import label

MOST = 1 << 17
"""Numbers that a computed list may have beyond those that are stored; lists of sizes have a few for each axis."""

AXES = 64
"""What counts for the sizes of one tensor."""

HANDING_ON = frozenset("Add Cast Concat Div Gather Identity Mul Reshape Slice Squeeze Sub Unsqueeze".split())
"""Operators behind which numbers are still followed."""


def check_lists(graph: onnx.GraphProto) -> None:
    """Refuse lists made of stored numbers and sizes, by Concat(x, x) of Concat(x, x), that grow beyond all measure."""
    _Lists().follow(graph)


class _Lists:
    """How long lists are by the names of their tensors, and how many numbers are stored in all of them."""

    def __init__(self) -> None:
        self._lengths: dict[str, int] = {}
        self._stored = 0

    def follow(self, graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            self._store(tensor.name, tensor)
        for place, node in enumerate(graph.node):
            for body in bodies(node):
                self.follow(body)
            for attribute in node.attribute if node.op_type == "Constant" else ():
                self._store(node.output[0], attribute.t)
            length = self._length(node)
            if length > MOST + self._stored:
                raise ModelError(f"{label(node, place)}: its list of {length:,} numbers has many of them many times")
            if length:
                self._lengths.update(dict.fromkeys(node.output, length))

    def _store(self, name: str, tensor: onnx.TensorProto) -> None:
        if len(tensor.dims) < 2:
            self._lengths[name] = tensor.dims[0] if tensor.dims else 1
            self._stored += self._lengths[name]

    def _length(self, node: onnx.NodeProto) -> int:
        """Return the length of the list that a node makes, 0 where it makes none."""
        if node.op_type == "Shape":
            return AXES
        if node.op_type not in HANDING_ON:
            return 0
        given = [self._lengths.get(name, 0) for name in node.input]
        if not all(given):
            return 0
        return sum(given) if node.op_type == "Concat" else max(given)
