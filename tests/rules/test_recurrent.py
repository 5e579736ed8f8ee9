"""Recurrent layers: every direction, optional input and layout, alone and stacked as exporters write them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from proof import prove, prove_by_reference, traced

STEPS, BATCH, WIDTH, HIDDEN = 5, 2, 4, 6
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def layer(g: Graph, op_type: str, x: str, hidden: int = HIDDEN, given: int = WIDTH, both: bool = False, **more):
    """Add one recurrent node; `more` holds optional inputs by name, then attributes. Returns its outputs."""
    rows, dirs = GATES[op_type] * hidden, 2 if both else 1
    bias = g.weight(dirs, 2 * rows) if more.pop("bias", True) else ""
    optional = [more.pop(name, "") for name in ("lengths", "h", "c", "p")]
    inputs = [
        x,
        g.weight(dirs, rows, given, fan_in=given),
        g.weight(dirs, rows, hidden, fan_in=hidden),
        bias,
        *optional,
    ]
    if op_type != "LSTM":
        inputs = inputs[:6]
    if both:
        more["direction"] = "bidirectional"
    return g.nodes_of(op_type, inputs, 3 if op_type == "LSTM" else 2, hidden_size=hidden, **more)


def sequence(g: Graph, channels: int = WIDTH) -> str:
    """A prunable sequence [steps, batch, channels]."""
    return g.linear(g.input(STEPS, BATCH, 3), channels)


def head(g: Graph, y: str, width: int, both: bool = False) -> None:
    """Y [steps, dirs, batch, hidden] -> [steps, batch, dirs*hidden] -> a last layer."""
    flat = g.reshape(g.transpose(y, 0, 2, 1, 3), 0, 0, -1)
    g.output(g.add("MatMul", flat, g.weight(2 * width if both else width, 2)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
def test_directions(op_type: str, direction: str, bias: bool) -> None:
    g, both = Graph(), direction == "bidirectional"
    more = {} if both else {"direction": direction}
    if op_type == "RNN":
        more["activations"] = ["Tanh", "Relu"] if both else ["Relu"]
    y = layer(g, op_type, sequence(g), both=both, bias=bias, **more)[0]
    head(g, y, HIDDEN, both)
    for pruned in prove(g.model(), [WIDTH, HIDDEN]):
        node = next(node for node in pruned.graph.node if node.op_type == op_type)
        size = next(attribute.i for attribute in node.attribute if attribute.name == "hidden_size")
        recurrent = next(tensor for tensor in pruned.graph.initializer if tensor.name == node.input[2])
        assert recurrent.dims[2] == size < HIDDEN


@pytest.mark.parametrize("linear_before_reset", [0, 1])
def test_gru_resets_before_or_after_the_product(linear_before_reset: int) -> None:
    g = Graph()
    head(g, layer(g, "GRU", sequence(g), linear_before_reset=linear_before_reset, clip=2.0)[0], HIDDEN)
    prove(g.model(), [WIDTH, HIDDEN])


@pytest.mark.parametrize("both", [False, True])
def test_lstm_with_every_optional_input(both: bool) -> None:
    g, dirs = Graph(), 2 if both else 1
    h, c, p = g.weight(dirs, BATCH, HIDDEN), g.weight(dirs, BATCH, HIDDEN), g.weight(dirs, 3 * HIDDEN)
    lengths = g.store([STEPS, 3], np.int32)
    outputs = layer(g, "LSTM", sequence(g), both=both, lengths=lengths, h=h, c=c, p=p, input_forget=1)
    head(g, outputs[0], HIDDEN, both)
    prove(g.model(), [WIDTH, HIDDEN])


def test_initial_state_that_is_an_input_of_the_model_keeps_the_hidden_units() -> None:
    g = Graph()
    head(g, layer(g, "GRU", sequence(g), h=g.input(1, BATCH, HIDDEN))[0], HIDDEN)
    prove(g.model(), [WIDTH])


def test_last_states_are_consumed() -> None:
    g = Graph()
    _, h, c = layer(g, "LSTM", sequence(g), both=True)
    joined = g.reshape(g.transpose(g.add("Add", h, c), 1, 0, 2), BATCH, 2 * HIDDEN)
    g.output(g.gemm(joined, 2))
    prove(g.model(), [WIDTH, HIDDEN])


def zeros(g: Graph, like: str, layers: int, hidden: int) -> str:
    """An initial state for all layers, of the batch size of `like`, as exporters compute it."""
    shape = g.add("Concat", g.ints(layers), g.size_of(like, 1), g.ints(hidden), axis=0)
    return g.add("ConstantOfShape", shape)


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
def test_stacked_layers_with_slices_of_one_state_of_zeros_stay_apart(op_type: str) -> None:
    g = Graph()
    x = sequence(g)
    state = zeros(g, x, 2, HIDDEN)
    for place, given in enumerate((WIDTH, HIDDEN)):
        part = g.slice(state, place, place + 1, axis=0)
        more = {"c": part} if op_type == "LSTM" else {}
        y = layer(g, op_type, x, given=given, h=part, **more)[0]
        x = g.add("Squeeze", y, g.ints(1))
    g.output(g.add("MatMul", x, g.weight(HIDDEN, 2)))
    for pruned in prove(g.model(), [WIDTH, HIDDEN, HIDDEN]):
        assert not {"ConstantOfShape", "Slice", "Shape"} & {node.op_type for node in pruned.graph.node}


def test_state_of_zeros_that_something_else_reads_stays() -> None:
    g = Graph()
    x = sequence(g)
    state = zeros(g, x, 1, HIDDEN)
    y = layer(g, "GRU", x, h=state)[0]
    head(g, y, HIDDEN)
    g.output(g.add("Add", state, g.weight(HIDDEN)))
    for pruned in prove(g.model(), [WIDTH, HIDDEN]):
        assert "ConstantOfShape" in {node.op_type for node in pruned.graph.node}


def test_state_of_ones_follows_the_hidden_units() -> None:
    g = Graph()
    state = g.add("Expand", g.store([[[1.0]]], np.float32), g.ints(1, BATCH, HIDDEN))
    head(g, layer(g, "GRU", sequence(g), h=state)[0], HIDDEN)
    prove(g.model(), [WIDTH, HIDDEN])


def test_stored_zeros_that_two_layers_share_are_copied() -> None:
    g = Graph()
    state = g.store(np.zeros((1, BATCH, HIDDEN), np.float32))
    first = g.add("Squeeze", layer(g, "LSTM", sequence(g), h=state, c=state)[0], g.ints(1))
    head(g, layer(g, "LSTM", first, given=HIDDEN, h=state, c=state)[0], HIDDEN)
    prove(g.model(), [WIDTH, HIDDEN, HIDDEN])


def test_stacked_in_both_directions() -> None:
    g = Graph()
    x = sequence(g)
    for given in (WIDTH, 2 * HIDDEN):
        y = layer(g, "LSTM", x, given=given, both=True)[0]
        x = g.reshape(g.transpose(y, 0, 2, 1, 3), 0, 0, 2 * HIDDEN)
    g.output(g.add("MatMul", x, g.weight(2 * HIDDEN, 2)))
    prove(g.model(), [WIDTH, HIDDEN, HIDDEN])


def test_weights_whose_gates_are_put_in_order_in_the_graph() -> None:
    g = Graph()
    weights = []
    for given in (WIDTH, HIDDEN):
        w = g.weight(3 * HIDDEN, given, fan_in=given)
        gates = [g.slice(w, place * HIDDEN, (place + 1) * HIDDEN, axis=0) for place in (1, 0, 2)]
        weights.append(g.add("Unsqueeze", g.add("Concat", *gates, axis=0), g.ints(0)))
    y = g.add("GRU", sequence(g), *weights, hidden_size=HIDDEN)
    head(g, y, HIDDEN)
    prove(g.model(), [WIDTH, HIDDEN])


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
def test_batch_first_layout(op_type: str) -> None:
    g = Graph()
    x = g.linear(g.input(BATCH, STEPS, 3), WIDTH)
    y, *_ = layer(g, op_type, x, layout=1, h=g.weight(BATCH, 1, HIDDEN))
    g.output(g.add("MatMul", y, g.weight(HIDDEN, 2)))
    prove_by_reference(g.model(), [WIDTH, HIDDEN])


def test_work_counts_input_and_feedback() -> None:
    g = Graph()
    head(g, layer(g, "LSTM", sequence(g), both=True)[0], HIDDEN, both=True)
    found = traced(g.model(), [WIDTH, HIDDEN])
    node = next(index for index, node in enumerate(found.model.proto.graph.node) if node.op_type == "LSTM")
    per_step = 4 * HIDDEN * (WIDTH + HIDDEN)
    total = sum(np.prod([n for axis in w.axes if (n := _size(axis))]) for w in found.work if w.node.index == node)
    assert total == STEPS * BATCH * 2 * per_step


def _size(axis) -> int:
    from onnxprune.axes import size

    return size(axis) or 0


def branch(g: Graph, x: str, name: str) -> onnx.GraphProto:
    """A body that runs a layer over the captured `x` from a state of zeros that it makes itself."""
    inner = Graph(seed=len(g.nodes))
    inner._count = 100 * (1 + len(g.nodes))
    state = inner.add("ConstantOfShape", inner.ints(1, BATCH, HIDDEN))
    y = layer(inner, "GRU", x, h=state)[0]
    out = inner.add("MatMul", y, inner.weight(HIDDEN, 2))
    info = onnx.helper.make_tensor_value_info(out, onnx.TensorProto.FLOAT, [STEPS, 1, BATCH, 2])
    return onnx.helper.make_graph(inner.nodes, name, [], [info], initializer=inner.stored)


def test_layers_in_the_branches_of_an_if() -> None:
    g = Graph()
    x, condition = sequence(g), g.store(True)
    then = branch(g, x, "then")
    otherwise = branch(g, g.add("Relu", x), "else")
    g.output(g.add("If", condition, then_branch=then, else_branch=otherwise))
    for pruned in prove(g.model(), [WIDTH, HIDDEN, HIDDEN]):
        bodies = [attribute.g for node in pruned.graph.node for attribute in node.attribute if attribute.HasField("g")]
        assert all("ConstantOfShape" not in {node.op_type for node in body.node} for body in bodies)


@pytest.mark.parametrize("op_type", ["LSTM", "GRU"])
def test_a_width_that_is_not_written_is_not_needed_before_and_right_after(op_type: str) -> None:
    g = Graph()
    y = layer(g, op_type, sequence(g))[0]
    del g.nodes[-1].attribute[:]
    head(g, y, HIDDEN)
    prove_by_reference(g.model(), [WIDTH, HIDDEN])
