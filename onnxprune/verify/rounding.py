"""Twins without rounding: the same graphs with real numbers where they round activations to integers.

Two computations that differ in the last bit now and then round to different integers, and from there on more and more
numbers are a step or two apart. Without rounding mask == slice can be shown sharply. What stays: the quantized
weights and biases, every scale and zero point, and the clipping to the range of the integers.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from onnxprune.model import DEFAULT_DOMAIN, Model
from onnxprune.verify.twin import copy_model

MOVES = frozenset("Flatten Gather Identity MaxPool Reshape Slice Squeeze Transpose Unsqueeze".split())
"""Operators that do the same to real numbers in the place of integers."""

PRODUCTS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}

ROUNDING = ("QuantizeLinear", "DynamicQuantize", "QLinear", "QGemm", "QAttention")
"""How the types of operators begin that round what they compute to integers."""


def rounds(model: Model) -> bool:
    """Whether any operator of a model rounds to integers."""
    return any(node.op_type.startswith(ROUNDING) for graph in model.graphs.values() for node in graph.node)


def without_rounding(model: Model) -> Model:
    """Return a copy of the model that rounds nothing where that can be left out, or the model itself."""
    unrounded = _Unrounded(model)
    return unrounded.rewritten() if unrounded.carriers else model


class _Unrounded:
    """Which tensors of the main graph can carry real numbers instead of integers, and the graph in which they do."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes = [node for node in model.proto.graph.node if node.domain in DEFAULT_DOMAIN]
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.proto.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.carriers = self._possible()
        self._rule_out()

    def rewritten(self) -> Model:
        """Return the model with every rounding that can be left out left out."""
        copy = copy_model(self.model)
        graph = copy.proto.graph
        nodes = [new for node in graph.node for new in self._replaced(node)]
        del graph.node[:], graph.value_info[:]
        graph.node.extend(nodes)
        return Model(copy.proto, copy.path)

    def _possible(self) -> set[str]:
        carriers: set[str] = set()
        for node in self.nodes:
            if node.op_type == "QuantizeLinear" or self._carried(node, carriers):
                carriers.add(node.output[0])
            elif node.op_type == "DynamicQuantizeLinear":
                carriers.update((node.output[0], node.output[2]))
        return carriers

    def _carried(self, node: onnx.NodeProto, carriers: set[str]) -> bool:
        """Whether a node hands on what it reads: it moves, joins or masks numbers."""
        if node.op_type == "Concat":
            return all(name in carriers for name in node.input)
        if node.op_type == "Where":
            return node.input[1] in carriers and node.input[2] in carriers
        return node.op_type in MOVES and node.input[0] in carriers

    def _rule_out(self) -> None:
        """Take out what some node needs as integers, and then what goes together with that."""
        fixed = {info.name for info in self.model.proto.graph.output} | set(_read_in_bodies(self.model))
        changed = True
        while changed:
            before = len(self.carriers)
            self.carriers -= fixed
            for node in self.model.proto.graph.node:
                if not self._agrees(node):
                    self.carriers -= {*node.input, *node.output}
            changed = len(self.carriers) < before

    def _agrees(self, node: onnx.NodeProto) -> bool:
        """Whether a node can do without rounding, if it reads or makes any carrier."""
        carried = self.carriers & {*node.input, *node.output}
        if not carried:
            return True
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            return self._is_scalar(node.input[1])
        if node.op_type == "DynamicQuantizeLinear":
            return len(carried) == 2
        if node.op_type in PRODUCTS:
            zero = node.input[2] if len(node.input) > 2 else ""
            cast = all(reader.op_type == "Cast" for reader in self.readers.get(node.output[0], []))
            return {node.input[0], zero} == carried and cast and ("", node.input[1]) in self.model.constants
        return self._carried(node, self.carriers) and node.output[0] in self.carriers and len(node.output) == 1

    def _is_scalar(self, name: str) -> bool:
        tensor = self.model.constants.get(("", name))
        return tensor is not None and int(np.prod(tensor.dims)) == 1

    def _replaced(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        if node.op_type == "QuantizeLinear" and node.output[0] in self.carriers:
            return _quantized(node, self._range(node))
        if node.op_type == "DequantizeLinear" and node.input[0] in self.carriers:
            return _dequantized(node)
        if node.op_type == "DynamicQuantizeLinear" and node.output[0] in self.carriers:
            x, (y, scale, zero) = node.input[0], node.output
            return [helper.make_node("Identity", [x], [y]), _number(scale, 1), _number(zero, 0)]
        if node.op_type in PRODUCTS and node.input[0] in self.carriers:
            return _real_product(node, len(self.model.constants["", node.input[1]].dims))
        return [node]

    def _range(self, node: onnx.NodeProto) -> tuple[int, int]:
        """Return the smallest and the largest integer that a node rounds to."""
        given = next((a.i for a in node.attribute if a.name == "output_dtype"), 0)
        zero = self.model.constants.get(("", node.input[2])) if len(node.input) > 2 else None
        bits, signed = _WIDTHS[zero.data_type if zero is not None else given or TensorProto.UINT8]
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


_WIDTHS = {
    getattr(TensorProto, f"{prefix}INT{bits}"): (bits, not prefix)
    for prefix in ("", "U")
    for bits in (2, 4, 8, 16)
    if hasattr(TensorProto, f"{prefix}INT{bits}")
}


def _number(name: str, value: float) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.float32(value)))


def _quantized(node: onnx.NodeProto, limits: tuple[int, int]) -> list[onnx.NodeProto]:
    """Return nodes for clip(x / scale + zero)."""
    y = node.output[0]
    low, high, scaled, shifted, bounded = (f"{y}_{part}" for part in ("low", "high", "scaled", "shifted", "bounded"))
    return [
        helper.make_node("Div", node.input[:2], [scaled]),
        *_with_zero("Add", node, scaled, shifted),
        _number(low, limits[0]),
        _number(high, limits[1]),
        helper.make_node("Max", [shifted, low], [bounded]),
        helper.make_node("Min", [bounded, high], [y]),
    ]


def _dequantized(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return nodes for (q - zero) * scale."""
    shifted = f"{node.output[0]}_shifted"
    return [
        *_with_zero("Sub", node, node.input[0], shifted),
        helper.make_node("Mul", [shifted, node.input[1]], node.output),
    ]


def _with_zero(op_type: str, node: onnx.NodeProto, x: str, y: str) -> list[onnx.NodeProto]:
    if len(node.input) < 3 or not node.input[2]:
        return [helper.make_node("Identity", [x], [y])]
    real = f"{y}_zero"
    return [
        helper.make_node("Cast", [node.input[2]], [real], to=TensorProto.FLOAT),
        helper.make_node(op_type, [x, real], [y]),
    ]


def _real_product(node: onnx.NodeProto, rank: int) -> list[onnx.NodeProto]:
    """Return nodes for the product of real numbers with the weight less its zero point; the scales come later."""
    weight, zero, shape, shaped, real = (f"{node.output[0]}_{part}" for part in "weight zero shape shaped real".split())
    product = helper.make_node(PRODUCTS[node.op_type], [node.input[0], weight], node.output)
    product.attribute.extend(node.attribute)
    nodes = [helper.make_node("Cast", [node.input[1]], [weight], to=TensorProto.FLOAT)]
    if len(node.input) > 3 and node.input[3]:
        # One zero point per column of a matrix, per kernel of a convolution.
        target = [-1] if node.op_type == "MatMulInteger" else [-1] + [1] * (rank - 1)
        product.input[1] = real
        nodes += [
            helper.make_node("Cast", [node.input[3]], [zero], to=TensorProto.FLOAT),
            helper.make_node("Constant", [], [shape], value=numpy_helper.from_array(np.array(target, np.int64))),
            helper.make_node("Reshape", [zero, shape], [shaped]),
            helper.make_node("Sub", [weight, shaped], [real]),
        ]
    return [*nodes, product]


def _read_in_bodies(model: Model) -> Iterator[str]:
    for scope, graph in model.graphs.items():
        for node in graph.node if scope else ():
            yield from node.input
