"""Convolutions: values of the result times input channels of a group times taps, padding included."""

from __future__ import annotations

from mac_cases.case import ONES, TOOL, MacGraph, costs, fused


@costs("Conv", 2 * 7 * 6 * 3 * 3, ONES, TOOL)
def conv_one_dimension(g: MacGraph) -> None:
    """Batch 2, 9 - 2 positions, 6 of 3 channels, 3 taps."""
    g.output(g.add("Conv", g.input(2, 3, 9), g.ones(6, 3, 3)))


@costs("Conv", 2 * 3 * 4 * 6 * 3 * 9, ONES, TOOL)
def conv_two_dimensions(g: MacGraph) -> None:
    """Batch 2, 3 x 4 positions, 6 of 3 channels, 9 taps."""
    g.output(g.add("Conv", g.input(2, 3, 5, 6), g.ones(6, 3, 3, 3)))


@costs("Conv", 2 * 2 * 3 * 4 * 6 * 3 * 8, ONES, TOOL)
def conv_three_dimensions(g: MacGraph) -> None:
    """Batch 2, 2 x 3 x 4 positions, 6 of 3 channels, 8 taps."""
    g.output(g.add("Conv", g.input(2, 3, 3, 4, 5), g.ones(6, 3, 2, 2, 2)))


@costs("Conv", 2 * 25 * 12 * 2 * 9, TOOL)
def conv_with_bias_and_padding_in_groups(g: MacGraph) -> None:
    """Batch 2, 25 positions, 12 of 8 / 4 channels, 9 taps: a bias costs nothing, padding what its positions cost."""
    weight = [g.ones(12, 2, 3, 3), g.ones(12)]
    g.output(g.add("Conv", g.input(2, 8, 5, 5), *weight, pads=[1] * 4, group=4))


@costs("Conv", 2 * 4 * 8 * 1 * 9, ONES, TOOL)
def conv_depthwise_with_stride(g: MacGraph) -> None:
    """Batch 2, 2 x 2 positions, 8 of 1 channel, 9 taps."""
    g.output(g.add("Conv", g.input(2, 8, 5, 5), g.ones(8, 1, 3, 3), strides=[2, 2], group=8))


@costs("Conv", 2 * 2 * 3 * 6 * 3 * 9, TOOL)
def conv_with_dilation(g: MacGraph) -> None:
    """Batch 2, 2 x 3 positions, 6 of 3 channels, 9 taps."""
    attributes = {"strides": [3, 2], "dilations": [2, 2], "pads": [0, 1, 1, 0]}
    g.output(g.add("Conv", g.input(2, 3, 7, 8), g.ones(6, 3, 3, 3), **attributes))


@costs("Conv", 2 * 9 * 6 * 3 * 9, TOOL)
def conv_with_auto_pad(g: MacGraph) -> None:
    """Batch 2, ceil(5 / 2) squared positions, 6 of 3 channels, 9 taps."""
    g.output(g.add("Conv", g.input(2, 3, 5, 5), g.ones(6, 3, 3, 3), auto_pad="SAME_UPPER", strides=[2, 2]))


@costs("ConvTranspose", 2 * 5 * 4 * 6 * 3, ONES)
def conv_transpose_one_dimension(g: MacGraph) -> None:
    """Batch 2, 5 positions of the input, 4 to 6 channels, 3 taps."""
    g.output(g.add("ConvTranspose", g.input(2, 4, 5), g.ones(4, 6, 3)))


@costs("ConvTranspose", 2 * 25 * 4 * 6 * 4, ONES)
def conv_transpose_with_stride(g: MacGraph) -> None:
    """Batch 2, 25 positions of the input, 4 to 6 channels, 4 taps."""
    attributes = {"strides": [2, 2], "output_padding": [1, 1]}
    g.output(g.add("ConvTranspose", g.input(2, 4, 5, 5), g.ones(4, 6, 2, 2), **attributes))


@costs("ConvTranspose", 2 * 25 * 8 * 3 * 9, ONES)
def conv_transpose_in_groups(g: MacGraph) -> None:
    """Batch 2, 25 positions of the input, 8 channels to 12 / 4 each, 9 taps."""
    g.output(g.add("ConvTranspose", g.input(2, 8, 5, 5), g.ones(8, 3, 3, 3), group=4))


@costs("ConvTranspose", 2 * 25 * 4 * 6 * 9)
def conv_transpose_with_bias_and_a_rim_that_is_cut_off(g: MacGraph) -> None:
    """Batch 2, 25 positions of the input, 4 to 6 channels, 9 taps."""
    weight = [g.ones(4, 6, 3, 3), g.ones(6)]
    g.output(g.add("ConvTranspose", g.input(2, 4, 5, 5), *weight, pads=[1] * 4))


@fused("FusedConv", 2 * 9 * 6 * 2 * 9, ONES)
def fused_conv(g: MacGraph) -> None:
    """Batch 2, 9 positions, 6 of 4 / 2 channels, 9 taps; the residual costs nothing."""
    given = [g.input(2, 4, 5, 5), g.ones(6, 2, 3, 3), g.zeros(6), g.zeros(2, 6, 3, 3)]
    g.output(g.declare(g.contrib("FusedConv", *given, group=2, activation="Relu"), "float32", 2, 6, 3, 3))
