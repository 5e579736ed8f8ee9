"""Which stored constants can have zeros, where their input channels are, and why others stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import branchy, plain, traced
from onnx import TensorProto, helper, numpy_helper

from onnxprune.granularity import ELEMENTS, Blocks, Granularity, Pattern
from onnxprune.options import Options
from onnxprune.sparsify.products import CONVOLUTIONS, GEMMS, PRODUCTS, RECURRENT
from onnxprune.sparsify.weights import Weight, Weights, find_weights

PATTERN = Pattern(2, 4)


def weights(proto: onnx.ModelProto, granularity: Granularity = ELEMENTS, **options: Any) -> Weights:
    return find_weights(traced(proto), granularity, Options(granularity=str(granularity), **options))


def only(g: Graph, output: str) -> Weight:
    g.output(output)
    (found,) = weights(g.model()).found
    return found


def conv(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 8, 3, 3))


def grouped(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 4, 3, 3), group=2)


def transposed_conv(g: Graph) -> str:
    return g.add("ConvTranspose", g.image(8), g.weight(8, 12, 3, 3))


def gemm(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(8, 12))


def gemm_turned(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(12, 8), transB=1)


def gemm_from_the_left(g: Graph) -> str:
    return g.add("Gemm", g.weight(12, 8), g.input(8, 2))


def matmul(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.weight(8, 12))


def matmul_from_the_left(g: Graph) -> str:
    return g.add("MatMul", g.weight(12, 8), g.input(8, 2))


def stacked(g: Graph) -> str:
    return g.add("MatMul", g.input(3, 2, 8), g.weight(3, 8, 12))


def behind_a_transpose(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.transpose(g.weight(12, 8), 1, 0))


def in_a_constant(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.constant(g.random(8, 12)))


AXES: dict[Callable[[Graph], str], tuple[int, int]] = {
    conv: (1, 0),
    grouped: (1, 0),
    transposed_conv: (0, 1),
    gemm: (0, 1),
    gemm_turned: (1, 0),
    gemm_from_the_left: (1, 0),
    matmul: (0, 1),
    matmul_from_the_left: (1, 0),
    stacked: (1, 2),
    behind_a_transpose: (1, 0),
    in_a_constant: (0, 1),
}


@pytest.mark.parametrize("make", AXES, ids=lambda make: make.__name__)
def test_the_axes_of_inputs_and_outputs_are_those_of_the_product(make: Callable[[Graph], str]) -> None:
    g = Graph()
    weight = only(g, make(g))
    assert (weight.inputs, weight.outs) == AXES[make]


@pytest.mark.parametrize("make", AXES, ids=lambda make: make.__name__)
def test_a_weight_is_a_matrix_of_input_channels_by_outputs(make: Callable[[Graph], str]) -> None:
    g = Graph()
    weight = only(g, make(g))
    values = np.arange(weight.size).reshape(weight.shape)
    matrix = weight.matrix(values)
    assert weight.inputs is not None and weight.outs is not None
    assert matrix.shape == (1, weight.size // weight.shape[weight.outs], weight.shape[weight.outs])
    np.testing.assert_array_equal(weight.stored(matrix), values)
    # Neighbours in a column of the matrix are neighbouring input channels.
    step = np.moveaxis(values, (weight.inputs, weight.outs), (-2, -1))
    np.testing.assert_array_equal(matrix[0, : step.shape[-2]], step.reshape(-1, *step.shape[-2:])[0])


def test_every_product_is_one_whose_weight_is_found() -> None:
    """The table of operators: each is one that runtimes and the rules know."""
    from onnxprune.rules import RULES

    known = {op for _, op in RULES}
    assert known >= {*CONVOLUTIONS, *GEMMS, *PRODUCTS, *RECURRENT} - {"FusedConv", "FusedGemm"}


def test_recurrent_layers_have_two_weights_without_a_pattern() -> None:
    g = Graph()
    x = g.input(5, 2, 8)
    y, *_ = g.nodes_of("LSTM", [x, g.weight(1, 16, 8), g.weight(1, 16, 4)], 3, hidden_size=4)
    g.output(y)
    found = weights(g.model())
    assert [weight.shape for weight in found.found] == [(1, 16, 8), (1, 16, 4)]
    assert set(weights(g.model(), PATTERN).left.values()) == {"N:M patterns are for Conv, Gemm and MatMul"}


def test_biases_norms_and_tables_have_no_zeros() -> None:
    g = Graph()
    table, ids = g.weight(20, 8), g.input(2, 3, dtype=TensorProto.INT64)
    x = g.add("Add", g.add("Gather", table, ids), g.weight(3, 8))
    x = g.add("LayerNormalization", x, g.positive(8), g.weight(8))
    g.output(g.add("Add", g.add("MatMul", x, g.weight(8, 12)), g.weight(12)))
    found = weights(g.model())
    assert [weight.shape for weight in found.found] == [(8, 12)]
    assert "Gather reads it" in found.left[table]


def test_a_weight_that_is_looked_up_as_well_stays_whole() -> None:
    g = Graph()
    table, ids = g.weight(20, 8), g.input(2, 3, dtype=TensorProto.INT64)
    g.output(g.add("MatMul", g.add("Gather", table, ids), g.transpose(table, 1, 0)))
    found = weights(g.model())
    assert not found.found and "Gather reads it" in found.left[table]


def test_a_weight_that_the_graph_returns_stays_whole() -> None:
    g = Graph()
    w = g.weight(8, 12)
    g.output(g.add("MatMul", g.input(2, 8), w), g.add("Identity", w))
    assert weights(g.model()).left[w] == "the graph returns it"


def test_axes_that_two_products_take_differently_have_no_pattern() -> None:
    g = Graph()
    w = g.weight(8, 8)
    g.output(g.add("MatMul", g.input(2, 8), w), g.add("MatMul", g.input(2, 8), g.transpose(w, 1, 0)))
    assert len(weights(g.model()).found) == 1
    assert "not one axis" in weights(g.model(), PATTERN).left[w]


def test_a_weight_behind_a_reshape_has_zeros_but_no_pattern() -> None:
    g = Graph()
    w = g.weight(4, 2, 12)
    g.output(g.add("MatMul", g.input(2, 8), g.reshape(w, 8, 12)))
    assert [weight.shape for weight in weights(g.model()).found] == [(4, 2, 12)]
    assert "not one axis" in weights(g.model(), PATTERN).left[w]


def test_a_first_layer_of_three_channels_has_no_pattern() -> None:
    found = weights(plain(), PATTERN)
    assert [weight.name for weight in found.found] == ["conv2.weight", "fc.weight"]
    assert "3 input channels are not a multiple of 4" in found.left["conv1.weight"]


def test_blocks_need_multiples_of_their_sides_in_every_group() -> None:
    g = Graph()
    g.output(grouped(g))
    assert len(weights(g.model(), Blocks(outs=3, channels=4)).found) == 1
    (reason,) = weights(g.model(), Blocks(outs=4, channels=1)).left.values()
    assert "6 outputs are not a multiple of 4" in reason


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"exclude": ("conv*",)}, {"fc.weight"}),
        ({"include": ("fc",)}, {"fc.weight"}),
        ({"exclude": ("fc.weight",)}, {"conv1.weight", "conv2.weight"}),
    ],
)
def test_globs_name_weights_or_their_nodes(options: dict[str, Any], kept: set[str]) -> None:
    found = weights(plain(), **options)
    assert {weight.name for weight in found.found} == kept
    assert {name for name, reason in found.left.items() if "clude" in reason} == {
        "conv1.weight",
        "conv2.weight",
        "fc.weight",
    } - kept


def quantized(zero: Any, axis: int, dtype: Any) -> onnx.ModelProto:
    g = Graph()
    numbers = g.store(g.rng.integers(0, 20, (8, 12)), dtype)
    scale = g.positive(*np.shape(zero))
    w = g.add("DequantizeLinear", numbers, scale, g.store(zero, dtype), axis=axis)
    g.output(g.add("MatMul", g.input(2, 8), w))
    return g.model()


def test_the_zero_of_a_quantized_weight_is_its_zero_point() -> None:
    (one,) = weights(quantized(3, 1, np.uint8)).found
    assert one.quantized and one.zero == 3
    (each,) = weights(quantized(np.arange(12), 1, np.uint8)).found
    assert each.zero.shape == (1, 12) and each.zero[0, 5] == 5


def test_a_weight_inside_a_body_is_found() -> None:
    g = Graph()
    x, condition = g.input(2, 8), g.input(dtype=TensorProto.BOOL)
    branches = []
    for name in ("yes", "no"):
        stored = numpy_helper.from_array(g.random(8, 12), f"{name}.weight")
        node = helper.make_node("MatMul", [x, stored.name], [f"{name}.out"], name=f"{name}.matmul")
        out = helper.make_tensor_value_info(f"{name}.out", TensorProto.FLOAT, [2, 12])
        branches.append(helper.make_graph([node], name, [], [out], [stored]))
    g.output(g.add("If", condition, then_branch=branches[0], else_branch=branches[1]))
    found = weights(g.model(), PATTERN).found
    assert sorted(weight.key[1] for weight in found) == ["no.weight", "yes.weight"]
    assert all(weight.inputs == 0 for weight in found)


def test_every_large_constant_is_found_or_has_a_reason() -> None:
    for proto in (plain(), branchy()):
        found = weights(proto, PATTERN)
        named = {weight.name for weight in found.found} | set(found.left)
        assert {t.name for t in proto.graph.initializer if sum(n > 1 for n in t.dims) > 1} <= named
