"""Cases of operators that move elements without changing them."""

from __future__ import annotations

from graphs import Graph

from rule_cases.case import case


def hidden(g: Graph, channels: int = 6, side: int = 4) -> str:
    return g.conv(g.image(side=side), channels)


@case(6)
def transpose_to_channels_last(g: Graph) -> None:
    g.output(g.linear(g.transpose(hidden(g), 0, 2, 3, 1), 2))


@case(6)
def transpose_by_default(g: Graph) -> None:
    x = g.add("Transpose", g.gemm(g.input(4, 3), 6))
    g.output(g.add("MatMul", g.weight(2, 6), x))


@case(6)
def flatten_before_a_classifier(g: Graph) -> None:
    g.finish(g.add("Flatten", hidden(g)))


@case(6)
def flatten_at_an_axis_counted_from_the_back(g: Graph) -> None:
    g.finish(g.add("Flatten", hidden(g), axis=-3))


@case(6)
def flatten_behind_the_channels(g: Graph) -> None:
    """[2 * 6, 16]: back to channels before they are consumed."""
    g.finish(g.reshape(g.add("Flatten", hidden(g), axis=2), 2, 6, 4, 4))


@case(6)
def flatten_everything(g: Graph) -> None:
    x = g.conv(g.image(side=4, batch=1), 6)
    g.finish(g.add("Flatten", x, axis=0))


@case(6)
def reshape_to_minus_one(g: Graph) -> None:
    g.finish(g.reshape(hidden(g), 2, -1))


@case(6)
def reshape_with_zero_and_minus_one(g: Graph) -> None:
    g.finish(g.reshape(hidden(g), 0, 0, -1))


@case(6)
def reshape_to_numbers(g: Graph) -> None:
    g.finish(g.reshape(hidden(g), 2, 96))


@case(6)
def reshape_to_numbers_and_back(g: Graph) -> None:
    g.finish(g.reshape(g.add("Relu", g.reshape(hidden(g), 2, 96)), 2, 6, 4, 4))


@case(6)
def reshape_whose_channels_are_minus_one(g: Graph) -> None:
    g.finish(g.reshape(hidden(g), 2, -1, 16))


@case(3)
def reshape_that_splits_channels(g: Graph) -> None:
    x = g.transpose(g.reshape(hidden(g), 2, 2, 3, 16), 0, 1, 3, 2)
    g.output(g.linear(g.add("Relu", x), 2))
    g.finish(g.reshape(g.transpose(x, 0, 1, 3, 2), 2, 6, 16))


@case(6)
def reshape_to_add_axes_of_one(g: Graph) -> None:
    pooled = g.add("Flatten", g.add("GlobalAveragePool", hidden(g)))
    g.finish(g.reshape(pooled, 2, 6, 1, 1))


@case(6)
def reshape_that_keeps_zero_sizes(g: Graph) -> None:
    g.finish(g.add("Reshape", hidden(g), g.ints(2, 6, 16), allowzero=1))


@case(6)
def reshape_to_a_computed_size(g: Graph) -> None:
    """As exported for `x.view(x.size(0), -1)`."""
    x = hidden(g)
    g.finish(g.add("Reshape", x, g.add("Concat", g.size_of(x, 0), g.ints(-1), axis=0)))


@case(6)
def reshape_to_all_computed_sizes(g: Graph) -> None:
    x = hidden(g)
    positions = g.add("Mul", g.size_of(x, 2), g.size_of(x, 3))
    target = g.add("Concat", g.size_of(x, 0), g.size_of(x, 1), positions, axis=0)
    g.finish(g.add("Reshape", x, target))


@case(2, 3)
def reshape_to_half_of_a_computed_size(g: Graph) -> None:
    """A shuffle of two groups whose width is `x.size(1) // 2`."""
    x = hidden(g)
    half = g.add("Div", g.size_of(x, 1), g.ints(2))
    y = g.add("Reshape", x, g.add("Concat", g.ints(2, 2), half, g.ints(-1), axis=0))
    y = g.transpose(y, 0, 2, 1, 3)
    g.finish(g.add("Reshape", y, g.add("Concat", g.ints(2), g.size_of(x, 1), g.ints(4, 4), axis=0)))


@case(5, 7, frozen="its size cannot be rewritten")
def reshape_to_sizes_known_only_at_run_time(g: Graph) -> None:
    pooled = g.add("Flatten", g.add("GlobalAveragePool", hidden(g)))
    wanted = g.add("Cast", g.add("Cast", g.ints(2, 6), to=1), to=7)
    g.finish(g.gemm(g.gemm(g.add("Reshape", pooled, wanted), 7), 5))


@case(6, opset=11)
def squeeze_and_unsqueeze_with_attributes(g: Graph) -> None:
    pooled = g.add("GlobalAveragePool", hidden(g))
    vector = g.add("Squeeze", pooled, axes=[2, -1])
    g.finish(g.add("Unsqueeze", vector, axes=[2, 3]))


@case(6, opset=13)
def squeeze_and_unsqueeze_with_inputs(g: Graph) -> None:
    pooled = g.add("GlobalAveragePool", hidden(g))
    vector = g.add("Squeeze", pooled, g.ints(-2, 3))
    g.finish(g.add("Unsqueeze", vector, g.ints(-1, 2)))


@case(6, opsets=[11, 13])
def squeeze_of_every_axis_of_one(g: Graph) -> None:
    """The channels must keep two units, or they would be squeezed as well."""
    g.finish(g.add("Squeeze", g.add("GlobalAveragePool", hidden(g))))


@case(6)
def depth_to_space_with_blocks_first(g: Graph) -> None:
    g.finish(g.add("DepthToSpace", hidden(g, 24), blocksize=2))


@case(6)
def depth_to_space_with_channels_first(g: Graph) -> None:
    g.finish(g.add("DepthToSpace", hidden(g, 24), blocksize=2, mode="CRD"))


@case(6)
def space_to_depth(g: Graph) -> None:
    g.finish(g.add("SpaceToDepth", hidden(g), blocksize=2))


@case(6)
def space_to_depth_and_back(g: Graph) -> None:
    x = g.add("SpaceToDepth", hidden(g), blocksize=2)
    g.finish(g.add("DepthToSpace", x, blocksize=2))


@case(6)
def expand_of_pooled_channels(g: Graph) -> None:
    x = hidden(g)
    g.finish(g.add("Expand", g.add("GlobalAveragePool", x), g.ints(2, 6, 4, 4)))


@case(6)
def expand_to_a_computed_shape(g: Graph) -> None:
    x = hidden(g)
    g.finish(g.add("Add", x, g.add("Expand", g.add("ReduceMax", x, axes=[2, 3]), g.add("Shape", x))))


@case(6)
def expand_of_one_channel_to_many(g: Graph) -> None:
    x = g.conv(g.image(side=4), 1)
    g.finish(g.add("Mul", hidden(g), g.add("Expand", x, g.ints(1, 6, 1, 1))))


@case(6)
def expand_of_one_channel_to_a_computed_number(g: Graph) -> None:
    x = hidden(g)
    one = g.conv(g.image(side=4), 1)
    target = g.add("Concat", g.ints(1), g.size_of(x, 1), g.ints(1, 1), axis=0)
    g.finish(g.add("Mul", x, g.add("Expand", one, target)))


@case(6)
def tile_of_positions(g: Graph) -> None:
    g.finish(g.add("Tile", hidden(g), g.ints(1, 1, 2, 1)))


@case(6)
def tile_of_channels(g: Graph) -> None:
    g.finish(g.add("Tile", hidden(g), g.ints(1, 3, 1, 1)))
