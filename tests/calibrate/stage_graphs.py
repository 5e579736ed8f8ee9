"""Models on whose way forward something is in the way: bodies, sequences, constants that are computed, chance."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, parser

from onnxprune.model import Model
from onnxprune.shapes import infer


def typed(proto: onnx.ModelProto) -> tuple[Model, dict[str, int]]:
    """A model, and the element types of its tensors."""
    model = Model(proto)
    return model, infer(model).types


def feeds_of(model: Model, batch: int = 2, seed: int = 0) -> dict[str, Any]:
    """Random values for every float input; an open axis is `batch` long."""
    rng = np.random.default_rng(seed)
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    infos = [info for info in model.proto.graph.input if info.name not in stored]
    shapes = {info.name: [dim.dim_value or batch for dim in info.type.tensor_type.shape.dim] for info in infos}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def parsed(text: str, ir: int = 8, opset: int = 17, **stored: Any) -> onnx.ModelProto:
    """A model from onnx's textual form, with initializers."""
    header = f'<ir_version: {ir}, opset_import: ["" : {opset}]>'
    proto = parser.parse_model(f"{header}\n{text}")
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items())
    onnx.checker.check_model(proto)
    return proto


def _weights(**shapes: tuple[int, ...]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def control_flow() -> onnx.ModelProto:
    """Products before, beside and behind an If and a Loop, whose bodies read tensors and initializers from outside."""
    text = """
    g (float[N, 4] x) => (float[N, 4] y) {
        left = MatMul (x, w1)
        right = MatMul (x, w2)
        total = ReduceSum <keepdims = 0> (left)
        condition = Greater (total, zero)
        chosen = If (condition) <
            then_branch = yes () => (float[N, 4] a) { b = Mul (left, scale)  a = Add (b, right) },
            else_branch = no () => (float[N, 4] c) { c = Sub (left, right) }
        >
        deep = MatMul (chosen, w3)
        carried = Loop (three, , deep) <
            body = step (int64 i, bool go, float[N, 4] s) => (bool again, float[N, 4] t) {
                again = Identity (go)
                r = Add (s, right)
                t = Mul (r, scale)
            }
        >
        y = MatMul (carried, w4)
    }
    """
    numbers = {"zero": np.float32(0), "scale": np.float32(0.5), "three": np.int64(3)}
    return parsed(text, **numbers, **_weights(w1=(4, 4), w2=(4, 4), w3=(4, 4), w4=(4, 4)))


def computed_constants() -> onnx.ModelProto:
    """Weights and shapes that follow from constants, an Identity of the input, and a size of the input."""
    text = """
    g (float[N, 4] x) => (float[N, 4] y) {
        same = Identity (x)
        shift = Mul (one, bias)
        first = MatMul (same, w1)
        second = Add (first, shift)
        size = Shape (x)
        flat = Reshape (second, minus)
        back = Reshape (flat, size)
        third = MatMul (back, w2)
        turned = Add (third, shift)
        y = MatMul (turned, w3)
    }
    """
    numbers = {"one": np.float32(1.5), "minus": np.array([-1])}
    return parsed(text, **numbers, **_weights(w1=(4, 4), w2=(4, 4), w3=(4, 4), bias=(4,)))


def sequences() -> onnx.ModelProto:
    """A sequence of tensors crosses two products, an optional input is missing."""
    text = """
    g (float[N, 4] x) => (float[N, 4] y) {
        first = MatMul (x, w1)
        pieces = SplitToSequence <axis = 1> (first, two)
        second = MatMul (first, w2)
        third = Clip (second, , most)
        fourth = MatMul (third, w3)
        piece = SequenceAt (pieces, one)
        deep = Concat <axis = 1> (piece, piece)
        fifth = MatMul (deep, w4)
        other = SequenceAt (pieces, zero)
        wide = Concat <axis = 1> (other, piece)
        both = Add (fifth, wide)
        y = Add (both, fourth)
    }
    """
    numbers = {"two": np.int64(2), "one": np.int64(1), "zero": np.int64(0), "most": np.float32(0.7)}
    return parsed(text, **numbers, **_weights(w1=(4, 4), w2=(4, 4), w3=(4, 4), w4=(4, 4)))


def half() -> onnx.ModelProto:
    """A model in half precision, with a double beside it."""
    text = """
    g (float16[N, 4] x, double[1] s) => (float16[N, 3] y) {
        first = MatMul (x, w1)
        factor = Cast <to = 10> (s)
        scaled = Mul (first, factor)
        y = MatMul (scaled, w2)
    }
    """
    weights = {name: value.astype(np.float16) for name, value in _weights(w1=(4, 5), w2=(5, 3)).items()}
    return parsed(text, **weights)


def words() -> onnx.ModelProto:
    """Whole numbers go in, a table is looked up."""
    text = """
    g (int64[N, T] ids) => (float[N, T, 3] y) {
        found = Gather (table, ids)
        y = MatMul (found, w)
    }
    """
    return parsed(text, **_weights(table=(9, 5), w=(5, 3)))


def defaults() -> onnx.ModelProto:
    """An initializer that may be fed."""
    proto = parsed(
        "g (float[N, 4] x) => (float[N, 3] y) { m = Mul (x, s)  y = MatMul (m, w) }", **_weights(s=(4,), w=(4, 3))
    )
    proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, [4]))
    return proto
