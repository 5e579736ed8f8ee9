"""Which stored constants activations are multiplied with, found from the products backwards: for the check alone.

`weights` finds them from the constants onwards. The two share nothing, so that a mistake in one shows in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.model import ConstantKey, Model, enclosing_scopes

Array = NDArray[Any]
Axes = tuple[int, ...]
Step = tuple[str, onnx.NodeProto]
"""The scope of a node, and the node."""

ZERO_POINTS: Mapping[str, Mapping[int, int | None]] = {
    operator: slots
    for operators, slots in (
        ("Conv FusedConv ConvTranspose", {1: None}),
        ("ConvInteger", {1: 3}),
        ("QLinearConv", {3: 5}),
        ("Gemm FusedGemm MatMul FusedMatMul", {0: None, 1: None}),
        ("MatMulInteger", {0: 2, 1: 3}),
        ("QGemm QLinearMatMul", {0: 2, 3: 5}),
        ("LSTM GRU RNN", {1: None, 2: None}),
    )
    for operator in operators.split()
}
"""The inputs of each product that can be weights, and the input that holds the zero point of each."""

AXES = {
    operator: axes
    for operators, axes in (
        ("Conv FusedConv ConvInteger QLinearConv", (1, 0)),
        ("ConvTranspose", (0, 1)),
        ("LSTM GRU RNN", (2, 1)),
    )
    for operator in operators.split()
}
"""The axes of input channels and of outputs where a weight is no matrix, or stack of matrices."""

KEEPING = frozenset(("Cast", "Identity", "QuantizeLinear"))
"""Operators that leave each number of their first input at its place, and 0 as 0."""

RESHAPING = frozenset(("Flatten", "Reshape", "Squeeze", "Unsqueeze"))
"""Operators behind which the axes are others."""


@dataclass(frozen=True)
class Multiplied:
    """How a node, of some operator, multiplies with a stored constant.

    `inputs` and `outs` are the axes of input channels and outputs as it is stored, None where there is no such axis.
    `zero` is the stored number that means zero, in a shape that fits onto the constant, None where it is not stored.
    """

    node: str
    operator: str
    inputs: int | None
    outs: int | None
    zero: Array | None


def multiplied(model: Model) -> dict[ConstantKey, list[Multiplied]]:
    """Return the stored constants that activations are multiplied with, and each use of them."""
    found: dict[ConstantKey, list[Multiplied]] = {}
    for scope, graph in model.graphs.items():
        for node in graph.node:
            for slot, zero_point in ZERO_POINTS.get(node.op_type, {}).items():
                origin = _origin(model, scope, node, slot)
                if origin is not None:
                    key, steps = origin
                    found.setdefault(key, []).append(_use(model, key, steps, (scope, node), slot, zero_point))
    return found


def _origin(model: Model, scope: str, node: onnx.NodeProto, slot: int) -> tuple[ConstantKey, list[Step]] | None:
    """Return the constant that an input of a node is made of, and the nodes that make it, or None if there is none."""
    steps: list[Step] = []
    name = node.input[slot] if slot < len(node.input) else ""
    while name:
        scopes = list(enclosing_scopes(scope))
        home = next((outer for outer in scopes if (outer, name) in model.constants), None)
        if home is not None:
            return (home, name), steps[::-1]
        scope = next((outer for outer in scopes if (outer, name) in model.producers), "")
        maker = model.producers.get((scope, name))
        if maker is None or maker.op_type not in KEEPING | RESHAPING | {"Transpose", "DequantizeLinear"}:
            return None
        steps.append((scope, maker))
        name = maker.input[0]
    return None


def _use(
    model: Model, key: ConstantKey, steps: list[Step], product: Step, slot: int, zero_point: int | None
) -> Multiplied:
    """Follow a constant to the product that reads it."""
    shape = tuple(model.constants[key].dims)
    axes: Axes | None = tuple(range(len(shape)))
    zero: Array | None = np.zeros((), np.int8)
    is_stored = True  # as long as the numbers are those that are stored, a zero point is one of them
    for scope, node in steps:
        if node.op_type == "Transpose" and axes is not None:
            order = _attribute(node, "perm", tuple(reversed(range(len(axes)))))
            axes = tuple(axes[place] for place in order) if len(order) == len(axes) else None
        elif node.op_type == "DequantizeLinear" and is_stored:
            zero = _zero(model, (scope, node), 2, axes, shape, _attribute(node, "axis", 1))
        elif node.op_type in RESHAPING:
            axes = None
        is_stored = is_stored and node.op_type not in ("DequantizeLinear", "QuantizeLinear")
    scope, node = product
    inputs, outs = (None, None) if axes is None else _axes_of(node, slot, len(axes))
    if zero_point is not None and is_stored:
        zero = _zero(model, product, zero_point, axes, shape, outs)
    name = node.name or node.output[0]
    return Multiplied(name, node.op_type, _as_stored(axes, inputs), _as_stored(axes, outs), zero)


def _as_stored(axes: Axes | None, axis: int | None) -> int | None:
    """Return which axis of the constant an axis of the weight is; None where it has none, its rank being wrong."""
    return None if axes is None or axis not in range(len(axes)) else axes[axis]  # type: ignore[index]


def _axes_of(node: onnx.NodeProto, slot: int, rank: int) -> tuple[int, int | None]:
    """Return the axes of input channels and of outputs of a weight of so many axes at an input of a product."""
    if node.op_type in AXES:
        return AXES[node.op_type]
    if rank == 1:
        return 0, None
    left = slot == 0
    turned = bool(_attribute(node, "transA" if left else "transB", 0))
    return (rank - 1, rank - 2) if left != turned else (rank - 2, rank - 1)


def _zero(
    model: Model, step: Step, slot: int, axes: Axes | None, shape: tuple[int, ...], axis: int | None
) -> Array | None:
    """Return the zero point at an input of a node, laid out as the constant is stored; 0 where none is given."""
    scope, node = step
    if slot >= len(node.input) or not node.input[slot]:
        return np.zeros((), np.int8)
    origin = _origin(model, scope, node, slot)
    if origin is None or any(maker.op_type != "Identity" for _, maker in origin[1]):
        return None
    number = model.array(model.constants[origin[0]])
    if number.size == 1:
        return number.reshape(())
    if axes is None or axis is None:
        return None
    axis %= len(axes)
    if number.ndim == 1:
        number = number.reshape([-1 if place == axis else 1 for place in range(len(axes))])
    if number.ndim != len(axes):
        return None
    number = np.repeat(number, _attribute(node, "block_size", 0) or 1, axis)
    stored = number.transpose(np.argsort(axes))
    stored = stored[tuple(slice(length) for length in shape)]
    return stored if all(n in (1, whole) for n, whole in zip(stored.shape, shape, strict=True)) else None


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), default)
