"""Cases of sizes, places and numbers that only the running model knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from graphs import Graph
from onnx import TensorProto, helper, numpy_helper

from rule_cases.case import case


def hidden(g: Graph, channels: int = 6) -> str:
    return g.conv(g.image(side=4), channels)


def not_followed(g: Graph, *numbers: int) -> str:
    """Integers out of a computation that nobody follows."""
    return g.add("Cast", g.add("Floor", g.store(numbers, np.float32)), to=TensorProto.INT64)


def declare(g: Graph, name: str, shape: Sequence[int | str]) -> str:
    """Say what shape a tensor has, where nobody can infer it."""
    g.declared.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return name


def used_as_numbers(g: Graph, integers: str) -> None:
    """Let integers come out as real numbers, whatever their shape."""
    g.output(g.add("ReduceSum", g.add("Cast", integers, to=TensorProto.FLOAT), keepdims=0))


# --- Axes of open size ------------------------------------------------------------------------------------------------


@case(6, frozen="joined axes of unknown sizes")
def concat_of_positions_with_an_open_number(g: Graph) -> None:
    x = g.conv(g.input(2, 3, "height", 4), 6)
    y = g.conv(g.input(2, 3, 5, 4), 6)
    g.finish(g.add("Concat", x, y, axis=2))


@case(5, frozen="it is joined with an axis whose size is known only at run time")
def concat_of_channels_with_an_open_number_of_others(g: Graph) -> None:
    x, others = g.conv(g.input(1, 3, 16), 6), g.input(1, "others", 16)
    g.output(g.linear(g.linear(g.add("Concat", x, others, axis=1), 5), 2))


@case(5, frozen="it may be broadcast at run time")
def sum_with_an_axis_that_may_be_broadcast(g: Graph) -> None:
    """Nobody knows whether there are as many of the others or just one."""
    others = g.add("Reshape", g.input(1, 16), not_followed(g, 1, 1, 16))
    both = g.add("Add", g.conv(g.input(1, 3, 16), 6), others)
    g.finish(declare(g, both, [1, 6, 16]), hidden=5)


@case(6)
def squeeze_of_named_axes_beside_an_open_one(g: Graph) -> None:
    x = declare(g, g.add("Squeeze", g.conv(g.input(1, 3, 1, "width"), 6), g.ints(2)), [1, 6, "width"])
    g.output(g.add("MatMul", g.weight(2, 6), x))


@case(5, frozen="which axes vanish is known only at run time")
def squeeze_of_every_axis_of_one_beside_an_open_one(g: Graph) -> None:
    x = declare(g, g.add("Squeeze", g.conv(g.input(1, 3, 1, "width"), 6)), [6, "width"])
    g.output(g.add("MatMul", g.weight(2, 5), g.add("MatMul", g.weight(5, 6), x)))


def batch_times_channels(g: Graph, swap: bool) -> None:
    """As exported for `x.view(x.size(0) * 6, -1)`: the number follows the channels."""
    x = g.conv(g.input("batch", 3, 4, 4), 6)
    operands = [g.size_of(x, 0), g.ints(6)]
    rows = g.add("Mul", *(reversed(operands) if swap else operands))
    flat = g.add("Reshape", x, g.add("Concat", rows, g.ints(16), axis=0))
    flat = declare(g, g.add("Relu", declare(g, flat, ["rows", 16])), ["rows", 16])
    g.finish(declare(g, g.add("Reshape", flat, g.ints(-1, 6, 16)), ["batch", 6, 16]))


@case(6)
def reshape_to_the_open_batch_times_the_channels(g: Graph) -> None:
    batch_times_channels(g, swap=False)


@case(6)
def reshape_to_the_channels_times_the_open_batch(g: Graph) -> None:
    batch_times_channels(g, swap=True)


@case(6)
def constant_of_the_shape_of_an_open_tensor(g: Graph) -> None:
    x = g.conv(g.input(1, 3, 4, "width"), 6)
    ones = g.add("ConstantOfShape", g.add("Shape", x), value=numpy_helper.from_array(np.array([0.5], np.float32)))
    g.finish(g.add("Add", x, ones))


# --- Numbers known only at run time -----------------------------------------------------------------------------------


@case(5, frozen="it is cut at a place known only at run time")
def slice_up_to_a_computed_place(g: Graph) -> None:
    cut = g.add("Slice", hidden(g), g.ints(0), not_followed(g, 4), g.ints(1))
    g.finish(declare(g, cut, [2, 4, 4, 4]), hidden=5)


@case(5, frozen="it is reshaped together with sizes known only at run time")
def reshape_to_a_size_joined_with_others_that_are_not_followed(g: Graph) -> None:
    x = hidden(g)
    target = g.add("Concat", g.size_of(x, 0), not_followed(g, 96), axis=0)
    g.finish(declare(g, g.add("Reshape", x, target), [2, 96]), hidden=5)


@case(6)
def reshape_of_positions_to_what_is_not_followed(g: Graph) -> None:
    """Batch and channels are told; how the positions are taken apart is not."""
    x = hidden(g)
    target = g.add("Concat", g.ints(0, 0), not_followed(g, 2, 8), axis=0)
    g.finish(declare(g, g.add("Reshape", x, target), [2, 6, 2, 8]))


@case(6)
def slice_of_positions_up_to_a_computed_place(g: Graph) -> None:
    cut = g.add("Slice", hidden(g), g.ints(0), not_followed(g, 3), g.ints(2))
    g.finish(declare(g, cut, [2, 6, 3, 4]))


@case(5, frozen="its target shape is known only at run time")
def expand_to_a_shape_that_is_not_followed(g: Graph) -> None:
    wide = g.add("Expand", g.add("GlobalAveragePool", hidden(g)), not_followed(g, 2, 6, 4, 4))
    g.finish(declare(g, wide, [2, 6, 4, 4]), hidden=5)


@case(6)
def expand_of_positions_to_an_open_number(g: Graph) -> None:
    """As wide as another image, whose width is open."""
    x, other = g.conv(g.image(side=1), 6), g.input(2, 3, 1, "width")
    target = g.add("Concat", g.ints(2, 6, 1), g.size_of(other, 3), axis=0)
    g.finish(declare(g, g.add("Expand", x, target), [2, 6, 1, "width"]))


@case(6)
def expand_of_positions_by_a_part_that_is_not_followed(g: Graph) -> None:
    target = g.add("Concat", g.ints(1, 1), not_followed(g, 4, 4), axis=0)
    g.finish(declare(g, g.add("Expand", g.add("GlobalAveragePool", hidden(g)), target), [2, 6, 4, 4]))


@case(5, frozen="its shape is known only at run time")
def constant_of_a_shape_that_is_not_followed(g: Graph) -> None:
    ones = g.add("ConstantOfShape", not_followed(g, 1, 6, 1, 1))
    g.finish(g.add("Add", hidden(g), declare(g, ones, [1, 6, 1, 1])), hidden=5)


@case(3, 5, frozen="a constant is as long as this size")
def constant_of_half_of_a_computed_size(g: Graph) -> None:
    x = hidden(g)
    half = g.add("Div", g.size_of(x, 1), g.ints(2))
    zeros = g.add("ConstantOfShape", g.add("Concat", g.ints(2), half, g.ints(4, 4), axis=0))
    g.finish(g.add("Add", g.conv(x, 3), zeros), hidden=5)


@case(5, frozen="its size cannot be rewritten")
def resize_to_sizes_that_are_not_followed(g: Graph) -> None:
    larger = g.add("Resize", hidden(g), "", "", not_followed(g, 2, 6, 8, 8), mode="nearest")
    g.finish(declare(g, larger, [2, 6, 8, 8]), hidden=5)


@case(5, frozen="it is resized")
def resize_by_computed_scales_of_unknown_effect(g: Graph) -> None:
    scales = g.add("Div", g.store([3, 3, 6, 6], np.float32), g.store([3, 3, 3, 3], np.float32))
    larger = g.add("Resize", hidden(g), "", scales, mode="nearest")
    g.finish(declare(g, g.add("Conv", larger, g.weight(5, 6, 1, 1)), [2, 5, 8, 8]))


@case(5, 5)
def computed_size_that_picks_a_position(g: Graph) -> None:
    """The last channel stays, at what its number minus one comes to be."""
    x = hidden(g)
    last = g.add("Sub", g.size_of(x, 1), g.ints(1))
    g.finish(g.add("Gather", x, last, axis=1), hidden=5)


@case(5, 6, frozen="its size is used as a value")
def shape_indexed_by_what_is_not_followed(g: Graph) -> None:
    x = hidden(g)
    used_as_numbers(g, g.add("Gather", g.add("Shape", x), not_followed(g, 1)))
    g.finish(g.conv(g.conv(x, 5), 6))


@case(5, 7, frozen="its size is mixed with numbers known only at run time")
def sizes_joined_with_an_unknown_number_of_others(g: Graph) -> None:
    x = hidden(g)
    found = g.reshape(g.add("NonZero", g.ints(3, 0, 5)), -1)
    used_as_numbers(g, g.add("Concat", g.size_of(x, 1), found, axis=0))
    g.finish(g.conv(g.conv(x, 5), 7))


@case(5, frozen="it is indexed by data")
def gather_nd_by_computed_places(g: Graph) -> None:
    x = g.gemm(g.input(4, 3), 6)
    rows = g.add("GatherND", x, g.store([[0], [2]], np.int64))
    g.finish(g.gemm(g.add("GatherND", g.add("Transpose", rows, perm=[1, 0]), g.store([[1], [4]], np.int64)), 5))


@case(5, frozen="it is indexed by data")
def many_channels_picked_apart(g: Graph) -> None:
    x = g.conv(g.image(side=2), 140)
    g.finish(g.add("Gather", x, g.ints(*range(0, 140, 2), 1), axis=1), hidden=5)


@case(5, 7, frozen="its size becomes a real number")
def open_number_of_elements_as_a_real_number(g: Graph) -> None:
    """It depends on the channels and on an open width."""
    x = g.conv(g.input(2, 3, 4, "width"), 6)
    g.output(g.add("Cast", g.add("Size", x), to=TensorProto.FLOAT))
    g.finish(g.conv(g.conv(x, 5), 7))
