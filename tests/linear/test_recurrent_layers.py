"""What recurrent layers make of their input as a matrix product, held against the node itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import check_bias_change, check_equation, feeds_of, in_constant_nodes, model_of, only_layer, stored
from onnx import TensorProto, helper, numpy_helper

from onnxprune.linear import Layer, layers
from onnxprune.model import Model
from onnxprune.runtime import run

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
HIDDEN = 2


def recurrent(op_type: str, directions: int = 1, layout: int = 0, bias: bool = True, seed: int = 0) -> Graph:
    g = Graph(seed=seed)
    outs = GATES[op_type] * HIDDEN
    weights = [g.weight(directions, outs, 5), g.weight(directions, outs, HIDDEN)]
    if bias:
        weights.append(g.weight(directions, 2 * outs))
    way = {1: "forward", 2: "bidirectional"}[directions]
    g.add(op_type, g.input(3, 4, 5), *weights, hidden_size=HIDDEN, direction=way, layout=layout)
    return g


def fed_with_sums(layer: Layer, sums: Any) -> Model:
    """The same node, given the sums [steps, batch, directions*outs]; its weight picks those of each direction."""
    proto = onnx.ModelProto()
    proto.CopyFrom(layer.model.proto)
    directions, _, outs = layer.matrix_shape
    weight = np.eye(directions * outs, dtype=np.float32).reshape(directions, outs, directions * outs)
    for tensor in proto.graph.initializer:
        if tensor.name == layer.weight[1]:
            tensor.CopyFrom(numpy_helper.from_array(weight, tensor.name))
        elif layer.bias is not None and tensor.name == layer.bias[1]:
            values = numpy_helper.to_array(tensor).copy()
            values[:, :outs] = 0
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info(layer.x, TensorProto.FLOAT, sums.shape))
    return Model(proto)


def check_against_the_node(layer: Layer) -> None:
    """The node makes the same of the sums as of its input."""
    feeds = feeds_of(layer.model)
    x = feeds[layer.x]
    outputs = layer.outputs(x, np.arange(layer.rows(x)))
    sums = np.moveaxis(outputs, 0, 1).reshape(*x.shape[:2], -1)
    whole, from_sums = run(layer.model, feeds), run(fed_with_sums(layer, sums), {layer.x: sums})
    np.testing.assert_allclose(from_sums[0], whole[0], rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(GATES)), st.integers(1, 2), st.booleans(), st.integers(0, 99))
def test_input_weights(op_type: str, directions: int, bias: bool, seed: int) -> None:
    layer = only_layer(recurrent(op_type, directions, 0, bias, seed))
    assert layer.matrix_shape == (directions, 5, GATES[op_type] * HIDDEN)
    check_equation(layer)
    check_against_the_node(layer)
    if bias:
        check_bias_change(layer)


def test_batches_may_come_first() -> None:
    """Onnxruntime runs layout 0 alone: rows are numbered by their place in the input, whatever its axes mean."""
    layer = only_layer(recurrent("GRU", layout=1))
    x = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    assert np.array_equal(layer.inputs(x, np.array([5])), x[1, 1].reshape(1, 1, 5))
    check_equation(layer)


def test_a_node_without_its_first_output_has_a_name_all_the_same() -> None:
    g = Graph()
    x = g.input(3, 4, 5)
    for hidden in ("first", "second"):
        weights = [g.weight(1, HIDDEN, 5), g.weight(1, HIDDEN, HIDDEN)]
        g.nodes.append(helper.make_node("RNN", [x, *weights], ["", hidden], hidden_size=HIDDEN))
    g.output("first", "second")
    found = list(layers(model_of(g)))
    assert [layer.output for layer in found] == [layer.name for layer in found] == ["first", "second"]


@pytest.mark.parametrize("op_type", sorted(GATES))
def test_weights_may_sit_in_constant_nodes(op_type: str) -> None:
    [layer] = layers(in_constant_nodes(model_of(recurrent(op_type, 2))))
    assert stored(layer, layer.weight).shape[0] == 2
    check_equation(layer)
