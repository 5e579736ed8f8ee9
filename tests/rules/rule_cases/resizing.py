"""Cases of interpolation."""

from __future__ import annotations

import numpy as np
from graphs import Graph

from rule_cases.case import case

SCALES = [1.0, 1.0, 2.0, 2.0]
SIZES = (2, 6, 12, 12)


def hidden(g: Graph) -> str:
    return g.conv(g.image(side=6), 6)


@case(6, opset=7)
def upsample_with_attribute(g: Graph) -> None:
    g.finish(g.add("Upsample", hidden(g), scales=SCALES, mode="nearest"))


@case(6, opset=9)
def upsample_with_input(g: Graph) -> None:
    g.finish(g.add("Upsample", hidden(g), g.store(SCALES, np.float32)))


@case(6, opset=10)
def resize_of_opset_10(g: Graph) -> None:
    g.finish(g.add("Resize", hidden(g), g.constant(SCALES), mode="nearest"))


@case(6, opset=11)
def resize_of_opset_11_with_region(g: Graph) -> None:
    x, region, scales = hidden(g), g.store([0, 0, 0, 0, 1, 1, 1, 1], np.float32), g.store(SCALES, np.float32)
    g.finish(g.add("Resize", x, region, scales, mode="linear", coordinate_transformation_mode="tf_crop_and_resize"))


@case(6, opset=11)
def resize_of_opset_11_with_sizes(g: Graph) -> None:
    empty = g.store([], np.float32)
    g.finish(g.add("Resize", hidden(g), empty, empty, g.ints(*SIZES), mode="nearest"))


@case(6, opsets=[13, 18, 19])
def resize_with_scales(g: Graph) -> None:
    g.finish(g.add("Resize", hidden(g), "", g.store(SCALES, np.float32), mode="nearest"))


@case(6, opsets=[13, 18])
def resize_with_sizes(g: Graph) -> None:
    g.finish(g.add("Resize", hidden(g), "", "", g.ints(*SIZES), mode="linear"))


@case(6, opset=18)
def resize_of_named_axes(g: Graph) -> None:
    g.finish(g.add("Resize", hidden(g), "", "", g.ints(9, 9), axes=[2, 3], mode="nearest"))


@case(6, opset=18)
def resize_of_named_axes_with_scales(g: Graph) -> None:
    g.finish(g.add("Resize", hidden(g), "", g.store([2.0], np.float32), axes=[-1], mode="nearest"))


@case(6, opset=13)
def resize_to_the_computed_size_of_another(g: Graph) -> None:
    """U-Net as exported: Concat(Shape(x)[:2], Shape(skip)[2:]) as sizes."""
    skip = g.image(side=9)
    x = hidden(g)
    front = g.add("Slice", g.add("Shape", x), g.ints(0), g.ints(2), g.ints(0))
    back = g.add("Slice", g.add("Shape", skip), g.ints(2), g.ints(4), g.ints(0))
    g.finish(g.add("Resize", x, "", "", g.add("Concat", front, back, axis=0), mode="nearest"))


@case(5, frozen="it is resized")
def resize_of_the_channels(g: Graph) -> None:
    x = g.add("Resize", hidden(g), "", g.store([1, 2, 1, 1], np.float32), mode="nearest")
    g.finish(x, hidden=5)
