"""Cases of operators that pick, place or make elements by index."""

from __future__ import annotations

import numpy as np
from graphs import Graph
from onnx import TensorProto, numpy_helper

from rule_cases.case import case


def hidden(g: Graph, channels: int = 6, side: int = 4) -> str:
    return g.conv(g.image(side=side), channels)


@case(2, 3)
def gather_of_one_channel(g: Graph) -> None:
    """Channel 2 of 6 stays, what lies before and behind may shrink."""
    x = hidden(g)
    g.output(g.add("Add", g.conv(x, 4), g.add("Gather", x, g.ints(2), axis=1)))


@case(2, 3)
def gather_of_one_channel_counted_from_the_back(g: Graph) -> None:
    x = hidden(g)
    last_but_three = g.add("Gather", x, g.store(-4, np.int64), axis=1)
    g.output(g.add("Add", g.conv(x, 4), g.add("Unsqueeze", last_but_three, g.ints(1))))


@case(2, 2, 5)
def gather_of_several_channels(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.ints(0, 2, 3), axis=1), hidden=5)


@case(2, 2, 5)
def gather_of_several_channels_counted_from_the_back(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.ints(-6, 2, -3), axis=1), hidden=5)


@case(2, 2, 5)
def gather_of_several_channels_by_a_node_of_integers(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.add("Constant", value_ints=[0, 2, 3]), axis=1), hidden=5)


@case(5, frozen="it is indexed by data")
def gather_of_a_table_of_channels(g: Graph) -> None:
    table = g.store([[0, 3], [1, 2]], np.int64)
    g.finish(g.reshape(g.add("Gather", hidden(g), table, axis=1), 2, 4, 4, 4), hidden=5)


@case(2, 4, 5)
def gather_of_the_last_channels_first(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.ints(4, 5, 0, 1, 2, 3), axis=1), hidden=5)


@case(6, 5)
def gather_of_the_channels_as_they_are(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.ints(*range(6)), axis=1), hidden=5)


@case(6)
def gather_of_positions(g: Graph) -> None:
    g.finish(g.add("Gather", hidden(g), g.ints(3, 0), axis=-1))


@case(6)
def gather_of_the_class_token(g: Graph) -> None:
    x = g.linear(g.input(2, 5, 3), 6)
    g.finish(g.add("Gather", x, g.store(0, np.int64), axis=1))


@case(6)
def embedding(g: Graph) -> None:
    tokens = g.input(2, 5, dtype=TensorProto.INT64)
    g.output(g.linear(g.add("Gather", g.weight(10, 6), tokens), 3))


@case(6)
def gather_elements_of_one_branch(g: Graph) -> None:
    """Shuffling the positions of another tensor leaves the channels of the first free."""
    image = g.image(side=4)
    order = g.store(g.rng.integers(0, 4, (2, 3, 4, 4)), np.int64)
    g.finish(g.conv(g.add("GatherElements", image, order, axis=2), 6))


@case(5, frozen="it is indexed by data")
def gather_elements_of_channels(g: Graph) -> None:
    order = g.store(g.rng.integers(0, 6, (2, 6, 4, 4)), np.int64)
    g.finish(g.add("GatherElements", hidden(g), order, axis=1), hidden=5)


@case(6)
def gather_nd_of_rows(g: Graph) -> None:
    x = g.linear(g.input(4, 5, 3), 6)
    g.output(g.linear(g.add("GatherND", x, g.store([[0, 1], [3, 4], [2, 2]], np.int64)), 2))


@case(6)
def gather_nd_with_batch_dims(g: Graph) -> None:
    x = g.linear(g.input(2, 5, 3), 6)
    g.output(g.linear(g.add("GatherND", x, g.store([[4], [1]], np.int64), batch_dims=1), 2))


@case(6)
def scatter_nd_of_rows(g: Graph) -> None:
    x = g.linear(g.input(5, 3), 6)
    y = g.linear(g.input(2, 3), 6)
    g.output(g.linear(g.add("ScatterND", x, g.store([[3], [1]], np.int64), y), 2))


@case(5, frozen="it is indexed by data")
def scatter_elements(g: Graph) -> None:
    x = g.gemm(g.input(4, 3), 6)
    places = g.store([[1, 0], [2, 5]], np.int64)
    g.finish(g.add("ScatterElements", x, places, g.weight(2, 2), axis=1), hidden=5)


@case(6)
def one_hot_of_tokens(g: Graph) -> None:
    tokens = g.input(2, 5, dtype=TensorProto.INT64)
    x = g.add("OneHot", tokens, g.store(4, np.int64), g.store([0, 1], np.float32))
    g.output(g.linear(g.linear(x, 6), 2))


@case(6, frozen="its size is used as a value")
def non_zero(g: Graph) -> None:
    x = hidden(g, 5)
    g.output(g.add("NonZero", g.add("Relu", x)))
    g.finish(g.conv(x, 6))


@case(5, 7, frozen="its size is used as a value")
def range_over_the_channels(g: Graph) -> None:
    """Positions of channels, as `torch.arange(x.size(1))`: baked at their number."""
    x = hidden(g, 6)
    count = g.add("Squeeze", g.size_of(x, 1), g.ints(0))
    numbers = g.add("Range", g.store(0, np.int64), count, g.store(1, np.int64))
    numbers = g.reshape(g.add("Cast", numbers, to=TensorProto.FLOAT), 6, 1, 1)
    g.finish(g.conv(g.conv(g.add("Add", x, numbers), 5), 7))


@case(6)
def random_noise_is_fixed(g: Graph) -> None:
    """Noise as wide as the positions; drawn with a seed, so that both models draw the same."""
    x = g.conv(g.image(side=4), 6)
    noise = g.add("RandomNormal", shape=[1, 1, 4, 4], seed=1.0, dtype=1)
    more = g.add("RandomUniform", shape=[4], seed=2.0, dtype=1)
    g.finish(g.add("Add", g.add("Add", x, noise), more))


@case(5, frozen="generated values")
def random_noise_for_channels_freezes_them(g: Graph) -> None:
    noise = g.add("RandomNormal", shape=[1, 6, 1, 1], seed=1.0, dtype=1)
    g.finish(g.add("Add", hidden(g), noise), hidden=5)


@case(2, 6, frozen="generated values")
def unit_matrix(g: Graph) -> None:
    x = g.gemm(g.input(4, 3), 5)
    unit = g.add("EyeLike", g.add("MatMul", g.weight(5, 2), g.weight(2, 5)), dtype=1)
    g.finish(g.gemm(g.add("MatMul", x, unit), 6))


@case(6)
def constant_of_the_shape_of_another(g: Graph) -> None:
    x = hidden(g)
    ones = g.add("ConstantOfShape", g.add("Shape", x), value=numpy_helper.from_array(np.array([0.5], np.float32)))
    g.finish(g.add("Mul", x, ones))


@case(6)
def constant_of_a_stored_shape(g: Graph) -> None:
    zeros = g.add("ConstantOfShape", g.ints(1, 6, 1, 1), value=numpy_helper.from_array(np.array([0.5], np.float32)))
    g.finish(g.add("Sub", hidden(g), zeros))


@case(6, opset=15)
def part_of_a_shape(g: Graph) -> None:
    x = hidden(g)
    front = g.add("Shape", x, start=0, end=-2)
    g.finish(g.add("Reshape", x, g.add("Concat", front, g.ints(-1), axis=0)))


@case(6)
def number_of_elements(g: Graph) -> None:
    x = g.conv(g.image(side=4, batch=1), 6)
    total = g.add("Unsqueeze", g.add("Size", x), g.ints(0))
    flat = g.add("Reshape", x, g.add("Concat", g.ints(1), total, axis=0))
    g.output(g.add("Gemm", flat, g.weight(96, 2)))


@case(6, 7)
def size_that_becomes_a_real_number(g: Graph) -> None:
    """Scaled attention divides by the square root of a width, which stays at its dense value."""
    x = hidden(g)
    width = g.add("Cast", g.size_of(x, 1), to=TensorProto.FLOAT)
    y = g.add("Div", x, g.add("Sqrt", width))
    g.finish(g.conv(y, 7))
