"""Operators that onnxruntime's optimizer writes: products, activations and normalizations in one node."""

from __future__ import annotations

import pytest
from graphs import Graph
from onnx import TensorProto
from proof import prove, traced

from onnxprune.axes import Fixed, reasons

MICROSOFT = "com.microsoft"


def graph() -> Graph:
    g = Graph()
    g.domains[MICROSOFT] = 1
    return g


def fused(g: Graph, op_type: str, *given: str, **attributes: object) -> str:
    return g.nodes_of(op_type, given, 1, domain=MICROSOFT, **attributes)[0]


def last(g: Graph, x: str, given: int) -> None:
    g.output(g.add("MatMul", x, g.weight(given, 2, fan_in=given)))


@pytest.mark.parametrize("trans_b", [0, 1])
@pytest.mark.parametrize("trans_a", [0, 1])
def test_matmul_with_transposed_operands(trans_a: int, trans_b: int) -> None:
    g = graph()
    a, b = g.linear(g.input(2, 5, 3), 4), g.linear(g.input(2, 5, 3), 6)
    if not trans_a:
        a = g.transpose(a, 0, 2, 1)
    if trans_b:
        b = g.transpose(b, 0, 2, 1)
    last(g, fused(g, "FusedMatMul", a, b, transA=trans_a, transB=trans_b, alpha=0.5), 6)
    g.output(
        fused(g, "FusedMatMul", g.linear(g.input(2, 3), 7), g.weight(*((2, 7) if trans_b else (7, 2))), transB=trans_b)
    )
    prove(g.model(), [6, 7], check=False)


@pytest.mark.parametrize("trans_a", [0, 1])
def test_matmul_with_the_batch_behind_the_rows(trans_a: int) -> None:
    g = graph()
    a, b = g.linear(g.input(5, 2, 3), 4), g.linear(g.input(2, 5, 3), 6)
    if not trans_a:
        b = g.linear(g.transpose(b, 0, 2, 1), 4)
        b = g.transpose(b, 0, 2, 1)
    last(g, fused(g, "FusedMatMul", a, b, transBatchA=1, transA=trans_a), 6)
    prove(g.model(), [6] if trans_a else [4, 6], check=False)


def test_convolution_with_activation_and_residual() -> None:
    g = graph()
    x = g.conv(g.image(), 6)
    y = fused(g, "FusedConv", x, g.weight(6, 6, 3, 3, fan_in=54), g.weight(6), x, pads=[1] * 4, activation="Relu")
    g.output(g.add("Conv", y, g.weight(2, 6, 1, 1)))
    prove(g.model(), [6], check=False)


def test_gemm_with_activation() -> None:
    g = graph()
    x = fused(g, "FusedGemm", g.input(2, 3), g.weight(6, 3), g.weight(6), transB=1, activation="Relu")
    last(g, x, 6)
    prove(g.model(), [6], check=False)


@pytest.mark.parametrize("op_type", ["Gelu", "QuickGelu", "FastGelu", "BiasGelu", "FastGelu with a bias"])
def test_activations(op_type: str) -> None:
    g = graph()
    name, _, bias = op_type.partition(" ")
    given = [g.weight(6)] if bias or name == "BiasGelu" else []
    last(g, fused(g, name, g.linear(g.input(2, 5, 3), 6), *given), 6)
    prove(g.model(), [6], check=False)


@pytest.mark.parametrize("op_type", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_skip_normalization_keeps_the_width_and_passes_the_sum(op_type: str) -> None:
    g = graph()
    x, skip = g.linear(g.linear(g.input(2, 5, 3), 7), 6), g.linear(g.input(2, 5, 3), 6)
    parameters = [g.weight(6), g.weight(6)] if op_type == "SkipLayerNormalization" else [g.weight(6)]
    y, *_, total = g.nodes_of(op_type, [x, skip, *parameters], 4, domain=MICROSOFT)
    g.nodes[-1].output[1] = g.nodes[-1].output[2] = ""
    last(g, y, 6)
    last(g, total, 6)
    prove(g.model(), [7], check=False)


def test_embeddings_and_normalization_are_frozen() -> None:
    g = graph()
    ids, segments = g.input(2, 5, dtype=TensorProto.INT32), g.input(2, 5, dtype=TensorProto.INT32)
    tables = [g.weight(rows, 6) for rows in (9, 5, 2)]
    given = [ids, segments, *tables, g.weight(6), g.weight(6)]
    y, places = g.nodes_of("EmbedLayerNormalization", given, 2, domain=MICROSOFT)
    hidden = g.add("Relu", g.add("MatMul", y, g.weight(6, 7)))
    last(g, hidden, 7)
    prove(g.model(), [7], check=False)
    tensor = traced(g.model(), [7]).tensor("", places)
    assert tensor is not None and tensor.axes == (Fixed(2),)


@pytest.mark.parametrize("domain", ["", MICROSOFT])
@pytest.mark.parametrize("op_type", ["SimplifiedLayerNormalization", "LayerNormalization"])
def test_normalization_over_the_last_axis(op_type: str, domain: str) -> None:
    g = graph()
    x = g.linear(g.linear(g.input(2, 5, 3), 7), 6)
    last(g, g.nodes_of(op_type, [x, g.weight(6)], 1, domain=domain)[0], 6)
    if domain:
        traced(g.model(), [7])
    else:
        prove(g.model(), [7], check=False)


# Operators for which onnxruntime has no kernel on a CPU.


def test_bias_and_residual() -> None:
    g = graph()
    x, skip = g.linear(g.input(2, 5, 3), 6), g.linear(g.input(2, 5, 3), 6)
    last(g, fused(g, "BiasAdd", x, g.weight(6), skip), 6)
    traced(g.model(), [6])


def test_gated_activation_ties_both_halves() -> None:
    g = graph()
    last(g, fused(g, "BiasSplitGelu", g.linear(g.input(2, 5, 3), 12), g.weight(12)), 6)
    found = traced(g.model(), [6])
    (dim,) = found.dims
    assert len(found.members[dim]) == 3


def test_softmax_of_scores_with_a_bias_passes_the_heads() -> None:
    g = graph()
    x = g.add("MatMul", g.weight(4, 5, 3), g.input(2, 1, 3, 5))
    y = fused(g, "BiasSoftmax", x, g.weight(2, 4, 1, 5), axis=3, is_inner_broadcast=0)
    g.output(g.add("Conv", y, g.weight(2, 4, 1, 1)))
    traced(g.model(), [4])


def test_softmax_with_a_bias_of_another_rank_freezes_with_that_reason() -> None:
    g = graph()
    g.output(fused(g, "BiasSoftmax", g.linear(g.input(2, 5, 3), 6), g.weight(6), axis=2))
    found = traced(g.model(), [])
    every = {reason for use in found.uses for axis in use.axes for reason in reasons(axis)}
    assert any("a bias of another rank" in reason for reason in every)
