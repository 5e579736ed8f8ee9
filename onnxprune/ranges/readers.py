"""Operators that read integers as numbers of something: rows of a table, positions of an axis, lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.axes import Fixed, size
from onnxprune.model import enclosing_scopes
from onnxprune.standins import MICROSOFT
from onnxprune.tracing import Trace

TABLES = {"EmbedLayerNormalization": ((0, 2), (1, 4), (8, 3)), "QEmbedLayerNormalization": ((0, 2), (1, 4))}
"""Of onnxruntime's embeddings: which input numbers the rows of which other input."""

RECURRENT = frozenset(("GRU", "LSTM", "RNN"))
SEQUENCE_LENGTHS = 4
"""The input of a recurrent layer that says how many steps each sequence has."""


@dataclass(frozen=True)
class Range:
    """The integers from `low` to `high`, both included."""

    low: int
    high: int

    def before(self, shift: Range) -> Range:
        """Return what a number may be so that it lies in the range after any of the numbers in `shift` is added."""
        return Range(self.low - shift.low, self.high - shift.high)


@dataclass(frozen=True)
class View:
    """The constants and sizes of a graph, with `sizes` for those axes that the model leaves open, by their names."""

    trace: Trace
    sizes: Mapping[str, int]

    def stored(self, scope: str, name: str) -> NDArray[Any] | None:
        """Return the values of a constant, perhaps cast or dequantized, as they are stored."""
        tensor = self._constant(scope, name)
        return None if tensor is None else self.trace.model.array(tensor)

    def length(self, scope: str, name: str, axis: int) -> int | None:
        """Return the size of an axis of any value, where it is known."""
        stored = self._constant(scope, name)
        if stored is not None:
            return stored.dims[axis] if -len(stored.dims) <= axis < len(stored.dims) else None
        tensor = self.trace.tensor(scope, name)
        if tensor is None or tensor.axes is None or not -len(tensor.axes) <= axis < len(tensor.axes):
            return None
        expr = tensor.axes[axis]
        return self.sizes.get(expr.symbol) if isinstance(expr, Fixed) and expr.size is None else size(expr)

    def _constant(self, scope: str, name: str) -> onnx.TensorProto | None:
        model = self.trace.model
        for outer in enclosing_scopes(scope):
            if (tensor := model.constants.get((outer, name))) is not None:
                return tensor
            if (node := model.producers.get((outer, name))) is not None:
                is_same = node.op_type in ("Cast", "DequantizeLinear", "Identity")
                return self._constant(outer, node.input[0]) if is_same else None
        return None


Number: TypeAlias = "tuple[int, int, int | None]"
"""An input of a node, the smallest number that it may hold and the largest, where that is known."""


def numbers(view: View, scope: str, node: onnx.NodeProto) -> Iterator[tuple[int, Range]]:
    """Yield the inputs that a node reads as numbers of something, and which numbers there are."""
    for slot, low, high in _numbers(view, scope, node):
        if high is not None and high >= low:
            yield slot, Range(low, high)


def _numbers(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    if node.domain == MICROSOFT and node.op_type in TABLES:
        for slot, table in TABLES[node.op_type]:
            if table < len(node.input):
                yield slot, 0, _less_one(view.length(scope, node.input[table], 0))
    elif node.op_type in RECURRENT:
        yield SEQUENCE_LENGTHS, 1, view.length(scope, node.input[0], attribute(node, "layout", 0))
    elif (read := READERS.get(node.op_type)) is not None:
        yield from read(view, scope, node)


def _index(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    axis = attribute(node, "gather_axis" if node.op_type == "GatherBlockQuantized" else "axis", 0)
    yield 1, 0, _less_one(view.length(scope, node.input[0], axis))


def _index_of_many_axes(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    """Each row of the indices numbers several axes: what fits the shortest fits them all."""
    first, count = attribute(node, "batch_dims", 0), view.length(scope, node.input[1], -1)
    lengths = [view.length(scope, node.input[0], first + place) for place in range(count or 0)]
    known = [length for length in lengths if length is not None]
    yield 1, 0, min(known) - 1 if known and len(known) == len(lengths) else None


def _one_hot(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    depth = view.stored(scope, node.input[1])
    yield 0, 0, None if depth is None else int(depth.reshape(-1)[0]) - 1


def _compared(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    """A table that is written out: a comparison with the numbers from 0 on."""
    for slot in (0, 1):
        values = view.stored(scope, node.input[1 - slot])
        if values is not None and values.size > 1 and np.array_equal(values.reshape(-1), np.arange(values.size)):
            yield slot, 0, values.size - 1


def _lengths(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    yield 1, 1, view.length(scope, node.input[0], attribute(node, "time_axis", 0))


def _how_many(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    yield 1, 1, view.length(scope, node.input[0], attribute(node, "axis", -1))


def _rotated(view: View, scope: str, node: onnx.NodeProto) -> Iterator[Number]:
    slot, table = (1, 2) if node.domain == MICROSOFT else (3, 1)
    if len(node.input) > max(slot, table):
        yield slot, 0, _less_one(view.length(scope, node.input[table], 0))


READERS: dict[str, Callable[[View, str, onnx.NodeProto], Iterator[Number]]] = {
    **dict.fromkeys(("Gather", "GatherBlockQuantized", "GatherElements", "ScatterElements"), _index),
    **dict.fromkeys(("GatherND", "ScatterND"), _index_of_many_axes),
    "Equal": _compared,
    "OneHot": _one_hot,
    "ReverseSequence": _lengths,
    "RotaryEmbedding": _rotated,
    "TopK": _how_many,
}


def attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    """Return an integer attribute of a node, or `default` where it is absent."""
    return next((int(helper.get_attribute_value(a)) for a in node.attribute if a.name == name), default)


def _less_one(length: int | None) -> int | None:
    return None if length is None else length - 1
