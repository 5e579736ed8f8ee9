"""Shapes of onnxruntime's own operators, and of what comes after them."""

from __future__ import annotations

import onnx
import pytest
from graphs import Graph

from onnxprune.axes import size
from onnxprune.model import Model
from onnxprune.shapes import infer
from onnxprune.standins import stand_ins
from onnxprune.tracing import trace

MICROSOFT = "com.microsoft"


def last_shape(g: Graph, name: str) -> object:
    g.domains[MICROSOFT] = 1
    g.output(g.add("Relu", name))
    return infer(Model(g.model())).shapes[g.nodes[-1].output[0]]


def fused(g: Graph, op_type: str, *given: str, **attributes: object) -> str:
    return g.nodes_of(op_type, given, 1, domain=MICROSOFT, **attributes)[0]


def test_convolution() -> None:
    g = Graph()
    y = fused(g, "FusedConv", g.image(), g.weight(6, 3, 3, 3), "", activation="Relu", strides=[2, 2])
    assert last_shape(g, y) == (2, 6, 2, 2)


def test_gemm() -> None:
    g = Graph()
    assert last_shape(g, fused(g, "FusedGemm", g.input(2, 3), g.weight(6, 3), transB=1)) == (2, 6)


def test_activation_and_normalization() -> None:
    g = Graph()
    x = fused(g, "SkipLayerNormalization", fused(g, "Gelu", g.input(2, 5, 3)), g.weight(2, 5, 3), g.weight(3))
    assert last_shape(g, x) == (2, 5, 3)


@pytest.mark.parametrize("op_type", ["MultiHeadAttention", "Frobnicate"])
def test_others_have_none(op_type: str) -> None:
    node = onnx.helper.make_node(op_type, ["x"], ["y"], domain=MICROSOFT)
    assert stand_ins(node)[0] is node


def test_sizes_after_an_operator_without_one_are_known_all_the_same() -> None:
    g = Graph()
    g.domains[MICROSOFT] = 1
    y = fused(g, "FusedMatMul", g.input(2, 3, 8, 5), g.weight(2, 3, 8, 7), transA=1)
    pooled = g.add("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    g.output(pooled)
    assert [size(axis) for axis in trace(Model(g.model())).tensors[pooled].axes or ()] == [2, 3, 2, 3]


def test_a_node_without_what_its_operator_needs_has_none() -> None:
    node = onnx.helper.make_node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", bits=4)
    assert stand_ins(node) == [node]
