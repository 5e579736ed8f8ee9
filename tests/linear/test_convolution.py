"""Convolutions as matrix products: any rank, strides, dilations, padding and groups."""

from __future__ import annotations

from typing import Any

import pytest
from graphs import Graph
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from laws import check_bias_change, check_equation, feeds_of, in_constant_nodes, model_of, only_layer

from onnxprune.linear import layers

GROUPS = st.sampled_from([(1, 1, 1), (1, 3, 2), (2, 3, 2), (3, 1, 1), (3, 1, 2), (4, 2, 1)])
"""Groups, and the channels of each that come in and go out; with one that comes in it is depthwise."""


def numbers(low: int, high: int, count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=count, max_size=count)


@st.composite
def convolutions(draw: Any) -> Graph:
    """A convolution of an input that may be just as long as the kernel."""
    rank = draw(st.integers(1, 3))
    group, given_channels, channels = draw(GROUPS)
    taps, strides = draw(numbers(1, 3, rank)), draw(numbers(1, 3, rank))
    auto = draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    dilations = [1] * rank if auto.startswith("SAME") else draw(numbers(1, 3, rank))
    spans = [(tap - 1) * dilation + 1 for tap, dilation in zip(taps, dilations, strict=True)]
    sides = [span + more for span, more in zip(spans, draw(numbers(0, 4, rank)), strict=True)]
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": group, "auto_pad": auto}
    if auto == "NOTSET":
        attributes["pads"] = draw(numbers(0, 2, 2 * rank))
    g = Graph(seed=draw(st.integers(0, 99)))
    bias = [g.weight(group * channels)] if draw(st.booleans()) else []
    weight = g.weight(group * channels, given_channels, *taps)
    g.add("Conv", g.input(draw(st.integers(1, 2)), group * given_channels, *sides), weight, *bias, **attributes)
    return g


@settings(deadline=None, max_examples=60)
@given(convolutions())
def test_conv(g: Graph) -> None:
    check_equation(only_layer(g))


@st.composite
def transposed(draw: Any) -> Graph:
    """A transposed convolution whose output has at least one pixel."""
    rank = draw(st.integers(1, 3))
    group, given_channels, channels = draw(GROUPS)
    taps, strides, dilations = (draw(numbers(1, 3, rank)) for _ in range(3))
    sides = draw(numbers(1, 4, rank))
    extra = [draw(st.integers(0, stride - 1)) for stride in strides]
    auto = draw(st.sampled_from(["NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"]))
    attributes: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": group, "output_padding": extra}
    whole = [
        (side - 1) * stride + (tap - 1) * dilation + 1 + more
        for side, stride, tap, dilation, more in zip(sides, strides, taps, dilations, extra, strict=True)
    ]
    if draw(st.booleans()):
        attributes["output_shape"] = [draw(st.integers(max(1, length - 3), length)) for length in whole]
    elif auto == "NOTSET":
        pads = draw(numbers(0, 2, 2 * rank))
        assume(all(length > sum(pads[axis::rank]) for axis, length in enumerate(whole)))
        attributes["pads"] = pads
    g = Graph(seed=draw(st.integers(0, 99)))
    bias = [g.weight(group * channels)] if draw(st.booleans()) else []
    weight = g.weight(group * given_channels, channels, *taps)
    x = g.input(draw(st.integers(1, 2)), group * given_channels, *sides)
    g.add("ConvTranspose", x, weight, *bias, auto_pad=auto, **attributes)
    return g


@settings(deadline=None, max_examples=60)
@given(transposed())
def test_conv_transpose(g: Graph) -> None:
    check_equation(only_layer(g))


@pytest.mark.parametrize(("op_type", "weight"), [("Conv", (4, 3, 3)), ("ConvTranspose", (6, 2, 3))])
def test_a_bias_can_be_changed(op_type: str, weight: tuple[int, ...]) -> None:
    g = Graph()
    g.add(op_type, g.input(1, 6, 5), g.weight(*weight), g.weight(4), group=2)
    check_bias_change(only_layer(g))


def test_sides_may_differ_from_run_to_run() -> None:
    g = Graph()
    g.add("Conv", g.input("n", 2, "h", "w"), g.weight(4, 2, 3, 2), strides=[2, 1], pads=[1, 0, 1, 1])
    layer = only_layer(g)
    for lengths in ({"n": 1, "h": 5, "w": 7}, {"n": 3, "h": 8, "w": 4}):
        check_equation(layer, feeds_of(layer.model, **lengths))


def test_weights_may_sit_in_constant_nodes() -> None:
    g = Graph()
    g.conv(g.image(), 4, kernel=3)
    model = model_of(g)
    [layer] = layers(in_constant_nodes(model))
    assert layer.weight == ("", g.nodes[0].input[1])
    check_equation(layer)
