"""Cases of Concat, Split, Slice and Pad."""

from __future__ import annotations

import numpy as np
from graphs import Graph

from rule_cases.case import case

TO_THE_END = np.iinfo(np.int64).max


def branches(g: Graph, *channels: int) -> list[str]:
    image = g.image()
    return [g.conv(image, c) for c in channels]


def used_apart(g: Graph, parts: list[str]) -> None:
    """Consume each part by a layer of its own."""
    results = [g.conv(part, 2) for part in parts]
    g.output(g.add("Sum", *results))


@case(4, 6)
def concat_of_channels(g: Graph) -> None:
    g.finish(g.add("Concat", *branches(g, 4, 6), axis=1))


@case(4, 6)
def concat_counted_from_the_back(g: Graph) -> None:
    g.finish(g.add("Concat", *branches(g, 4, 6), axis=-3))


@case(6)
def concat_of_positions_ties_channels(g: Graph) -> None:
    g.finish(g.add("Concat", *branches(g, 6, 6), axis=2))


@case(6)
def concat_of_a_tensor_with_itself(g: Graph) -> None:
    (x,) = branches(g, 6)
    g.finish(g.add("Concat", x, x, axis=1))


@case(6)
def concat_with_the_input(g: Graph) -> None:
    image = g.image()
    g.finish(g.add("Concat", image, g.conv(image, 6), image, axis=1))


@case(4, 5, 6)
def dense_block(g: Graph) -> None:
    x = g.conv(g.image(), 4)
    for growth in (5, 6):
        x = g.add("Concat", x, g.conv(g.add("Relu", g.batch_norm(x)), growth, kernel=3), axis=1)
    g.finish(x)


@case(4, 6)
def residual_between_two_concats(g: Graph) -> None:
    image = g.image()
    first = g.add("Concat", g.conv(image, 4), g.conv(image, 6), axis=1)
    second = g.add("Concat", g.conv(image, 4), g.conv(image, 6), axis=1)
    g.finish(g.add("Add", first, second))


@case(2, 4, 4)
def concat_cut_elsewhere_by_split(g: Graph) -> None:
    """6 + 4 is cut into 4 + 6."""
    joined = g.add("Concat", *branches(g, 6, 4), axis=1)
    used_apart(g, g.split(joined, 4, 6))


@case(2, 4, 4)
def residual_between_misaligned_concats(g: Graph) -> None:
    image = g.image()
    first = g.add("Concat", g.conv(image, 6), g.conv(image, 4), axis=1)
    second = g.add("Concat", g.conv(image, 4), g.conv(image, 6), axis=1)
    g.finish(g.add("Add", first, second))


@case(3, 5, opsets=[7, 11])
def split_with_attribute(g: Graph) -> None:
    used_apart(g, g.nodes_of("Split", [g.conv(g.image(), 8)], 2, axis=1, split=[3, 5]))


@case(3, 5, opsets=[13, 18])
def split_with_input(g: Graph) -> None:
    used_apart(g, g.split(g.conv(g.image(), 8), 3, 5))


@case(4, 4, opsets=[11, 12, 13])
def split_into_equal_parts(g: Graph) -> None:
    used_apart(g, g.nodes_of("Split", [g.conv(g.image(), 8)], 2, axis=1))


@case(4, 4, opset=18)
def split_into_a_number_of_parts(g: Graph) -> None:
    used_apart(g, g.nodes_of("Split", [g.conv(g.image(), 8)], 2, axis=1, num_outputs=2))


@case(2, 4, 4, opset=18)
def split_into_a_number_of_uneven_parts(g: Graph) -> None:
    used_apart(g, g.nodes_of("Split", [g.conv(g.image(), 10)], 3, axis=1, num_outputs=3))


@case(4, opset=13)
def gated_halves(g: Graph) -> None:
    first, second = g.nodes_of("Split", [g.conv(g.image(), 8)], 2, axis=1)
    g.finish(g.add("Mul", first, g.add("Sigmoid", second)))


@case(6)
def split_of_positions(g: Graph) -> None:
    used_apart(g, g.split(g.conv(g.image(side=6), 6), 3, 3, axis=2))


@case(2, 6)
def split_with_one_part_unused(g: Graph) -> None:
    g.finish(g.split(g.conv(g.image(), 8), 6, 2)[0])


@case(3, 5, opset=9)
def slice_with_attributes(g: Graph) -> None:
    x = g.conv(g.image(), 8)
    first = g.add("Slice", x, axes=[1], starts=[0], ends=[3])
    used_apart(g, [first, g.add("Slice", x, axes=[1], starts=[3], ends=[TO_THE_END])])


@case(3, 5, opsets=[10, 13])
def slice_with_inputs(g: Graph) -> None:
    x = g.conv(g.image(), 8)
    used_apart(g, [g.slice(x, 0, 3), g.slice(x, 3, TO_THE_END)])


@case(3, 5)
def slice_counted_from_the_back(g: Graph) -> None:
    x = g.conv(g.image(), 8)
    used_apart(g, [g.slice(x, 0, -5, axis=-3), g.slice(x, -5, 8, axis=-3)])


@case(2, 2, 4)
def slices_that_overlap(g: Graph) -> None:
    x = g.conv(g.image(), 8)
    used_apart(g, [g.slice(x, 0, 6), g.slice(x, 2, 8)])


@case(2, 2, 4)
def slice_of_the_middle(g: Graph) -> None:
    g.finish(g.slice(g.conv(g.image(), 8), 2, 6))


@case(8)
def slice_of_positions_with_default_axes(g: Graph) -> None:
    x = g.conv(g.image(), 8)
    g.finish(g.add("Slice", x, g.ints(0, 0, 1), g.ints(2, 8, 5)))


@case(8)
def slice_of_positions_with_a_step(g: Graph) -> None:
    g.finish(g.slice(g.conv(g.image(), 8), 0, 6, axis=2, step=2))


@case(8)
def slice_of_positions_backwards(g: Graph) -> None:
    g.finish(g.slice(g.conv(g.image(), 8), -1, -TO_THE_END, axis=2, step=-1))


@case(4)
def slice_of_every_other_channel(g: Graph) -> None:
    """Pairs of channels: one of each pair is taken, so both go together."""
    g.finish(g.slice(g.conv(g.image(), 8), 0, 8, step=2))


@case(5, frozen="it is cut with a step of -1")
def slice_of_channels_backwards(g: Graph) -> None:
    g.finish(g.slice(g.conv(g.image(), 8), -1, -TO_THE_END, step=-1), hidden=5)


@case(6, opset=7)
def pad_with_attributes_of_positions(g: Graph) -> None:
    g.finish(g.add("Pad", g.conv(g.image(), 6), pads=[0, 0, 1, 1, 0, 0, 1, 1]))


@case(6, opset=10)
def pad_with_attributes_of_channels(g: Graph) -> None:
    x = g.add("Pad", g.conv(g.image(), 6), pads=[0, 2, 0, 0, 0, 3, 0, 0], value=0.5)
    g.finish(x)


@case(6, opsets=[11, 13])
def pad_with_inputs(g: Graph) -> None:
    pads = g.ints(0, 2, 1, 0, 0, 1, 0, 1)
    g.finish(g.add("Pad", g.conv(g.image(), 6), pads, g.store(0.5, np.float32)))


@case(6, opset=18)
def pad_of_named_axes(g: Graph) -> None:
    g.finish(g.add("Pad", g.conv(g.image(), 6), g.ints(1, 2, 0, 3), "", g.ints(-1, 1)))


@case(6)
def pad_with_reflections_of_positions(g: Graph) -> None:
    g.finish(g.add("Pad", g.conv(g.image(), 6), g.ints(0, 0, 1, 1, 0, 0, 1, 1), mode="reflect"))


@case(5, frozen="it is padded with copies of itself")
def pad_with_edges_of_channels(g: Graph) -> None:
    g.finish(g.add("Pad", g.conv(g.image(), 6), g.ints(0, 1, 0, 0, 0, 1, 0, 0), mode="edge"), hidden=5)


@case(6)
def pad_that_cuts_positions(g: Graph) -> None:
    g.finish(g.add("Pad", g.conv(g.image(), 6), g.ints(0, 0, -1, 1, 0, 0, -1, 0)))


@case(6, 9)
def shortcut_padded_with_zero_channels(g: Graph) -> None:
    """Option A of the ResNet paper: every other position, and zeros for the channels that are new."""
    x = g.conv(g.image(), 6)
    shortcut = g.slice(g.slice(x, 0, TO_THE_END, axis=2, step=2), 0, TO_THE_END, axis=3, step=2)
    shortcut = g.add("Pad", shortcut, g.ints(0, 3, 0, 0, 0, 3, 0, 0))
    y = g.conv(g.add("Relu", g.conv(x, 9, kernel=3, strides=[2, 2])), 12, kernel=3)
    g.finish(g.add("Relu", g.add("Add", y, shortcut)))
