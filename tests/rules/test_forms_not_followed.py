"""Forms of operators that no rule follows: what they read is frozen, and the reason says which form it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from graphs import Graph
from onnx import TensorProto
from pruning import frozen_reasons
from quantized_graphs import MICROSOFT, QuantizedGraph
from rule_cases.open_sizes import declare, not_followed

from onnxprune.model import Model
from onnxprune.tracing import trace

Build = Callable[[QuantizedGraph], None]

FORMS: dict[str, Build] = {}


def form(reason: str) -> Callable[[Build], Build]:
    """Register a graph by the reason that it must give. All it prunes otherwise are 5 units behind the node."""

    def register(build: Build) -> Build:
        FORMS[reason] = build
        return build

    return register


def image(g: Graph) -> str:
    return g.conv(g.image(side=4), 6)


def sequence(g: Graph, width: int = 6) -> str:
    return g.linear(g.input(2, 4, 3), width)


def contributed(g: QuantizedGraph, op_type: str, given: list[str], **attributes: object) -> None:
    g.nodes_of(op_type, given, 1, domain=MICROSOFT, **attributes)


def queries(g: Graph, query: int, kv: int) -> list[str]:
    """Queries, keys and values of heads of 8, no past, and lengths."""
    x = g.input(2, 4, 3)
    lengths = [g.store([3, 3], np.int32), g.store([4], np.int32)]
    return [*(g.linear(x, 8 * heads) for heads in (query, kv, kv)), "", "", *lengths]


@form("5 query heads do not share 3 key-value heads evenly")
def uneven_heads(g: QuantizedGraph) -> None:
    contributed(g, "GroupQueryAttention", queries(g, 5, 3), num_heads=5, kv_num_heads=3)


@form("a quantized cache is not followed")
def quantized_cache(g: QuantizedGraph) -> None:
    scales = [""] * 5 + [g.store(0.1, np.float32)]
    contributed(g, "GroupQueryAttention", [*queries(g, 6, 3), *scales], num_heads=6, kv_num_heads=3)


@form("input 1 packs queries, keys or values in 5 axes")
def keys_in_blocks(g: QuantizedGraph) -> None:
    keys = g.reshape(sequence(g, 48), 2, 4, 3, 2, 8)
    contributed(g, "MultiHeadAttention", [sequence(g, 24), keys, keys], num_heads=3)


@form("input 1 packs queries, keys or values in 2 axes")
def keys_without_a_batch(g: QuantizedGraph) -> None:
    keys = g.linear(g.input(4, 3), 24)
    g.add("Attention", sequence(g, 24), keys, sequence(g, 24), q_num_heads=3, kv_num_heads=3)


@form("its weight is not in blocks")
def packed_weight_of_two_axes(g: QuantizedGraph) -> None:
    stored = [g.store(np.ones((6, 24)), np.uint8), g.store(np.ones(18), np.float32)]
    contributed(g, "MatMulNBits", [sequence(g, 48), *stored], K=48, N=6, bits=4, block_size=16)


def lstm(g: QuantizedGraph, *zeros: str) -> None:
    w, w_scale, _ = g.integers(1, 6, 32, axis=0, symmetric=True)
    r, r_scale, _ = g.integers(1, 8, 32, axis=0, symmetric=True)
    given = [sequence(g), w, r, "", "", "", "", "", w_scale, zeros[0], r_scale, zeros[1]]
    contributed(g, "DynamicQuantizeLSTM", given, hidden_size=8)


@form("its zero points are not one number")
def lstm_with_several_zero_points(g: QuantizedGraph) -> None:
    lstm(g, *(g.store(np.arange(32).reshape(1, 32), np.int8) for _ in range(2)))


@form("its zero points are known only at run time")
def lstm_with_computed_zero_points(g: QuantizedGraph) -> None:
    lstm(g, *(g.add("Cast", g.input(1, dtype=TensorProto.FLOAT), to=TensorProto.INT8) for _ in range(2)))


@form("its scale and zero point must be one number for the whole tensor")
def sum_with_a_scale_per_channel(g: QuantizedGraph) -> None:
    x, unit = g.quantize(sequence(g)), g.unit()
    scales = [g.store(np.ones(6), np.float32), unit[1]]
    contributed(g, "QLinearAdd", [x, *scales, x, *unit, *unit])


@form("it joins axes of sizes known only at run time")
def join_of_open_axes(g: QuantizedGraph) -> None:
    unit = g.unit()
    parts = [g.quantize(g.linear(g.input(1, "positions", 3), 6)) for _ in range(2)]
    contributed(g, "QLinearConcat", [*unit, parts[0], *unit, parts[1], *unit], axis=1)


@form("axis 4 of a tensor of rank 4")
def softmax_beyond_the_last_axis(g: QuantizedGraph) -> None:
    g.add("Softmax", image(g), axis=4)


@form("axis -5 of a tensor of rank 4")
def softmax_before_the_first_axis(g: QuantizedGraph) -> None:
    g.add("Softmax", image(g), axis=-5)


@form("a scalar cannot be multiplied as a matrix")
def product_with_a_scalar(g: QuantizedGraph) -> None:
    g.add("MatMul", sequence(g), g.store(2.0, np.float32))


@form("input 1 is missing")
def product_with_nothing(g: QuantizedGraph) -> None:
    g.add("MatMul", sequence(g), "")


@form("the length of its index tuples is known only at run time")
def gather_by_tuples_of_an_open_length(g: QuantizedGraph) -> None:
    g.add("GatherND", sequence(g), g.input(4, "depth", dtype=TensorProto.INT64))


@form("the values of input 3 are known only at run time")
def slice_of_computed_axes(g: QuantizedGraph) -> None:
    g.add("Slice", image(g), g.ints(0), g.ints(2), not_followed(g, 1))


@form("its target shape is known only at run time")
def reshape_to_nobody_knows_what(g: QuantizedGraph) -> None:
    g.add("Reshape", image(g), g.input("rank", dtype=TensorProto.INT64))


@form("it is in training mode")
def normalization_in_training(g: QuantizedGraph) -> None:
    parameters = [g.positive(6), g.weight(6), g.weight(6), g.positive(6)]
    g.nodes_of("BatchNormalization", [image(g), *parameters], 3, training_mode=1)


@pytest.mark.parametrize("reason", FORMS)
def test_what_it_reads_is_frozen_with_the_reason(reason: str) -> None:
    g = QuantizedGraph()
    FORMS[reason](g)
    g.finish(g.image(side=4), hidden=5)
    found = trace(Model(g.model()))
    assert reason in frozen_reasons(found)
    assert [dim.size for dim in found.dims] == [5]


def test_scatter_by_tuples_of_an_open_length_freezes_all_that_it_reads() -> None:
    g = QuantizedGraph()
    places = g.input(4, "depth", dtype=TensorProto.INT64)
    g.add("ScatterND", sequence(g), places, sequence(g, 7))
    found = trace(Model(g.model()))
    assert "the length of its index tuples is known only at run time" in frozen_reasons(found)
    assert found.dims == ()


def test_numbers_that_are_computed_from_sizes_freeze_those() -> None:
    """How often positions are repeated depends on a number of channels."""
    g = Graph()
    x = image(g)
    times = g.add("Div", g.size_of(x, 1), g.ints(3))
    target = g.add("Concat", g.ints(1, 1), times, g.ints(1), axis=0)
    g.finish(declare(g, g.add("Tile", g.conv(g.image(side=4), 4), target), [2, 4, 8, 4]))
    g.finish(x)
    found = trace(Model(g.model()))
    assert "read as a number" in frozen_reasons(found)
    assert [dim.size for dim in found.dims] == [4]
