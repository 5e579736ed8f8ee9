"""Which nodes are linear layers, where their bias is, and in which order they come."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from graphs import Graph
from laws import check_equation, model_of, only_layer
from onnx import TensorProto

from onnxprune.linear import Layer, by_depth, layers
from onnxprune.linear.registry import MAKERS, linear
from onnxprune.model import Model


def names(groups: list[list[Layer]]) -> list[list[str]]:
    return [[layer.name for layer in group] for group in groups]


# Which


def test_layers_come_in_node_order() -> None:
    assert [layer.name for layer in layers(Model(networks.plain()))] == ["conv1", "conv2", "fc"]


def test_a_weight_that_is_computed_is_none() -> None:
    g = Graph()
    g.add("MatMul", g.input(2, 5), g.transpose(g.weight(4, 5), 1, 0))
    assert not list(layers(model_of(g)))


def test_a_weight_in_integers_is_none() -> None:
    g = Graph()
    g.add("MatMul", g.input(2, 5, dtype=TensorProto.INT32), g.store(np.ones((5, 4)), np.int32))
    assert not list(layers(model_of(g)))


def test_operators_of_other_domains_are_none() -> None:
    g = Graph()
    g.domains["acme"] = 1
    g.output(g.add("MatMul", g.input(2, 5), g.weight(5, 4), domain="acme"))
    assert not list(layers(Model(g.model())))


def test_two_kinds_of_layer_for_one_operator_are_refused() -> None:
    with pytest.raises(ValueError, match="two kinds of linear layer for Conv"):
        linear("Conv")(MAKERS["Conv"])


# Biases


def test_a_bias_is_found_behind_an_identity() -> None:
    g = Graph()
    bias = g.weight(4)
    g.add("Gemm", g.input(2, 5), g.weight(5, 4), g.add("Identity", g.add("Identity", bias)))
    layer = only_layer(g)
    assert layer.bias == ("", bias)
    check_equation(layer)


@pytest.mark.parametrize("op_type", ["Conv", "ConvTranspose"])
def test_a_layer_whose_bias_is_computed_is_none(op_type: str) -> None:
    g = Graph()
    g.add(op_type, g.input(1, 4, 5), g.weight(4, 4, 3), g.input(4))
    assert not list(layers(model_of(g)))


def test_an_empty_name_is_no_bias() -> None:
    g = Graph()
    g.add("Conv", g.input(1, 4, 5), g.weight(4, 4, 3), "")
    assert only_layer(g).bias is None


# Depth


def test_layers_of_one_depth_do_not_depend_on_each_other() -> None:
    model = Model(networks.branchy())
    expected = [
        ["conv1"],
        ["conv2", "side"],
        ["depthwise"],
        ["mix"],
        ["from_left", "from_right"],
        ["fc"],
    ]
    assert names(by_depth(model, layers(model))) == expected


def test_only_the_given_layers_count() -> None:
    model = Model(networks.plain())
    chosen = [layer for layer in layers(model) if layer.name != "conv2"]
    assert names(by_depth(model, chosen)) == [["conv1"], ["fc"]]
    assert by_depth(model, []) == []


def test_a_nameless_output_stands_for_nothing() -> None:
    g = Graph()
    x = g.input(3, 4, 5)
    weights = [g.weight(1, 2, 5), g.weight(1, 2, 2)]
    hidden = g.nodes_of("RNN", [x, *weights], 2, hidden_size=2)[1]
    g.nodes[-1].output[0] = ""
    g.nodes[-1].name = "rnn"
    other = g.linear(x, 3)
    g.output(hidden, other)
    model = model_of(g)
    assert names(by_depth(model, layers(model))) == [["rnn", other]]
