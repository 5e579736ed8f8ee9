"""Models that requirements are tried on, and targets of a single fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from graphs import Graph

from onnxprune.model import Model
from onnxprune.readiness.requirements import REQUIREMENTS
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.targets import Fact, Source, Target


def fact(kind: str, value: Mapping[str, Any], is_required: bool = True) -> Fact:
    return Fact(kind, value, is_required, "it says so", "do otherwise", Source("https://example.org", "1"))


def target(*facts: Fact, **more: Any) -> Target:
    return Target("some", "Some runtime", "1.0", facts, **more)


def seen(kind: str, proto: onnx.ModelProto, asks: bool = True, **value: Any) -> Observation:
    return REQUIREMENTS[kind](Subject(Model(proto), asks), value)


def small(opset: int = 17, batch: int | str = 2) -> onnx.ModelProto:
    """Conv, Relu, pooling and a matrix product."""
    g = Graph(opset)
    x = g.add("Relu", g.conv(g.image(batch=batch), 16, kernel=3))  # type: ignore[arg-type]
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    g.output(g.add("Gemm", x, g.weight(16, 8), g.weight(8)))
    return g.model()


def branching() -> onnx.ModelProto:
    """An If, in one of whose bodies there is a Sinh."""
    then = onnx.parser.parse_graph("then () => (float[2, 4] a) { a = Sinh (x) }")
    other = onnx.parser.parse_graph("other () => (float[2, 4] b) { b = Relu (x) }")
    g = Graph()
    x = g.input(2, 4)
    g.nodes.append(onnx.helper.make_node("Identity", [x], ["x"]))
    condition = g.add("Greater", g.add("ReduceSum", "x", keepdims=0), g.store(0, np.float32))
    g.output(g.add("If", condition, then_branch=then, else_branch=other))
    return g.model()


def computed_weight() -> onnx.ModelProto:
    """A convolution whose weight is a product of two tensors, and one whose weight is dequantized."""
    g = Graph()
    image = g.image(3, batch=1)
    x = g.add("Conv", image, g.add("Mul", g.weight(4, 3, 1, 1), g.store(2, np.float32)), kernel_shape=[1, 1])
    numbers = g.store(np.ones((4, 4, 1, 1)), np.int8)
    weight = g.add("DequantizeLinear", numbers, g.store(0.5, np.float32), g.store(0, np.int8))
    g.output(g.add("Conv", x, weight, kernel_shape=[1, 1]))
    return g.model()


def quantized(zero: int = 0, kind: type = np.int8) -> onnx.ModelProto:
    """A tensor that is quantized and dequantized with a zero point."""
    g = Graph()
    scale, point = g.store(0.1, np.float32), g.store(zero, kind)
    g.output(g.add("DequantizeLinear", g.add("QuantizeLinear", g.input(2, 4), scale, point), scale, point))
    return g.model()


def products(ins: int, outs: int, zeros: str = "none") -> onnx.ModelProto:
    """A Gemm whose weight [ins, outs] has no zeros, 2:4 ones, `some` (a fifth), or `element` ones (half)."""
    g = Graph()
    weight = g.random(ins, outs)
    if zeros == "2:4":
        weight[0::4] = weight[2::4] = 0
    elif zeros == "some":
        weight[: ins // 5] = 0
    elif zeros == "element":
        weight[: ins // 2 + 1] = 0  # in whole rows, so that some four input channels hold more than two numbers
    x = g.input(1, ins)
    g.output(g.add("Gemm", x, g.store(weight)))
    return g.model()
