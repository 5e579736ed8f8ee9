"""Wanda, APoZ and variance: what a unit sends, as its consumers see it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, edit, plain, traced, values
from scored import column, scores, statistics

from onnxprune.criteria import score

DEAD = np.arange(8) == 3


def with_a_dead_channel() -> onnx.ModelProto:
    """`plain`, where unit 3 of the first dim is never above zero before its Relu."""
    return edit(plain(), "bn1.bias", lambda bias: np.where(DEAD, np.float32(-100), bias))


@pytest.mark.parametrize("name", ["wanda", "apoz", "variance"])
def test_a_channel_that_is_always_zero_is_worth_nothing(name: str) -> None:
    first, _ = scores(with_a_dead_channel(), name)
    assert first[3] == 0 and (first[~DEAD] > 0).all()


def test_wanda_is_the_weight_times_the_norm_of_what_it_multiplies() -> None:
    found = traced(plain())
    seen = statistics(found)
    norms = np.sqrt(seen["conv2"].square[0])
    products = norms * np.abs(values(plain())["conv2.weight"]).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(score(found, "wanda", 0, seen)[found.dims[0]], products / products.mean(), rtol=1e-6)


def test_wanda_does_not_change_when_a_layer_is_scaled_and_its_consumer_scaled_back() -> None:
    scale = np.arange(1, 9, dtype=np.float32)
    net = Net()
    proto = net.model(net.head(net.relu(net.conv("conv1", "x", 8, bias=False))))
    moved = edit(proto, "conv1.weight", lambda w: w * column(scale))
    moved = edit(moved, "fc.weight", lambda w: w / scale)
    np.testing.assert_allclose(scores(proto, "wanda")[0], scores(moved, "wanda")[0], rtol=1e-5)


def test_wanda_without_a_consumer_is_l1() -> None:
    found = traced(queries_and_keys())
    seen = statistics(found)
    np.testing.assert_array_equal(score(found, "wanda", 0, seen)[found.dims[0]], score(found, "l1", 0)[found.dims[0]])


def queries_and_keys() -> onnx.ModelProto:
    """A dim of 4 that two activations are multiplied along."""
    g = Graph()
    x = g.input(2, 5, 3)
    g.output(g.add("MatMul", g.linear(x, 4), g.transpose(g.linear(x, 4), 0, 2, 1)))
    return g.model()


def test_apoz_counts_how_often_a_unit_is_not_zero() -> None:
    found = traced(with_a_dead_channel())
    seen = statistics(found)
    active = 1 - seen["conv2"].zero_share[0]
    np.testing.assert_allclose(score(found, "apoz", 0, seen)[found.dims[0]], active / active.mean(), rtol=1e-6)


def test_apoz_does_not_see_the_zeros_of_padding() -> None:
    """Whether the consumer pads or not, channels that are always or never above zero stand as 1 to 0."""
    bias = np.where(np.arange(8) % 2, np.float32(100), np.float32(-100))
    for kernel in (1, 3):
        net = Net()
        hidden = net.relu(net.conv("conv1", "x", 8))
        proto = edit(net.model(net.head(net.conv("conv2", hidden, 5, kernel))), "conv1.bias", lambda b: bias)
        np.testing.assert_allclose(scores(proto, "apoz")[0], [0, 2] * 4)


def test_apoz_without_a_rectifier_is_l2() -> None:
    net = Net()
    hidden = net.node("Tanh", [net.conv("conv1", "x", 8, 3)], "tanh")
    proto = net.model(net.head(net.conv("conv2", hidden, 5, 3)))
    np.testing.assert_array_equal(scores(proto, "apoz")[0], scores(proto, "l2")[0])


def test_variance_is_the_share_of_the_output_that_goes_with_a_unit() -> None:
    found = traced(plain())
    seen = statistics(found)
    energies = seen["conv2"].variance[0] * np.square(values(plain())["conv2.weight"]).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(score(found, "variance", 0, seen)[found.dims[0]], energies / energies.sum(), rtol=1e-6)


def test_a_unit_that_is_constant_varies_nothing_although_it_weighs() -> None:
    """What it sends can be put into the bias of its consumer."""
    net = Net()
    proto = net.model(net.head(net.relu(net.conv("conv1", "x", 8))))
    proto = edit(proto, "conv1.weight", lambda w: w * column(~DEAD).astype(np.float32))
    proto = edit(proto, "conv1.bias", lambda b: np.where(DEAD, np.float32(4), b))
    assert scores(proto, "variance")[0][3] < 1e-6 < scores(proto, "wanda")[0][3]


def test_variance_adds_up_over_the_consumers() -> None:
    """Two branches that read the same dim, and nothing but it, have one share each to give."""
    net = Net()
    hidden = net.relu(net.conv("conv1", "x", 8))
    branches = [net.conv("left", hidden, 5, 3), net.conv("right", hidden, 5)]
    first = scores(net.model(net.head(net.node("Add", branches, "sum"))), "variance")[0]
    assert first.sum() == pytest.approx(2)


def test_variance_without_a_consumer_is_the_share_of_the_squared_weights() -> None:
    proto = queries_and_keys()
    queries, keys = values(proto).values()
    squares = np.square(queries).sum(axis=0) + np.square(keys).sum(axis=0)
    np.testing.assert_allclose(scores(proto, "variance")[0], squares / squares.sum(), rtol=1e-6)


@pytest.mark.parametrize("name", ["wanda", "apoz", "variance"])
def test_whole_groups_that_are_convolved_apart_are_seen_where_their_outputs_are_read(name: str) -> None:
    """The second of two groups is dead behind its convolution."""
    g = Graph()
    x = g.conv(g.image(), 6)
    bias = g.store(np.where(np.arange(8) < 4, 10, -100), np.float32)
    g.finish(g.add("Relu", g.add("Conv", x, g.weight(8, 3, 1, 1, fan_in=3), bias, group=2)))
    found = traced(g.model())
    saliency = score(found, name, 0, statistics(found))
    whole = next(dim for dim in found.dims if dim.size == 2)
    assert saliency[whole][1] == 0 < saliency[whole][0]
