"""Where a correction to the bias goes, and that it gets to the layer's output from there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from networks import Net, values
from onnx import TensorProto, helper, numpy_helper

from onnxprune.linear import Layer, layers
from onnxprune.model import Model
from onnxprune.recover.rooms import Room, make_room
from onnxprune.runtime import run

Make = Callable[[], onnx.ModelProto]
SIDE = 5


def finished(net: Net, *outputs: str) -> onnx.ModelProto:
    """A network whose outputs have any shape."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph(net.nodes, "net", [net.input], infos, net.stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def copied(proto: onnx.ModelProto) -> Model:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return Model(copy)


def only_layer(model: Model, name: str = "layer") -> Layer:
    return next(layer for layer in layers(model) if layer.name == name)


def rooms_of(model: Model) -> tuple[dict[str, Room], list[str]]:
    """The room of `layer` alone."""
    return make_room(model, [only_layer(model)])


def own_bias() -> onnx.ModelProto:
    net = Net()
    return finished(net, net.relu(net.conv("layer", "x", 4)))


def no_bias() -> onnx.ModelProto:
    net = Net()
    return finished(net, net.relu(net.conv("layer", "x", 4, bias=False)))


def running_mean() -> onnx.ModelProto:
    net = Net()
    return finished(net, net.relu(net.bn("bn", net.conv("layer", "x", 4, bias=False))))


def added_behind() -> onnx.ModelProto:
    """An Add of one number for each channel, with the constant first."""
    net = Net()
    x = net.conv("layer", "x", 4, bias=False)
    return finished(net, net.node("Add", [net.weight("shift", 4, 1, 1), x], "sum", 4))


def product_and_sum() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, 4)], "layer")
    return finished(net, net.node("Add", [x, net.weight("shift", 4)], "sum"))


def product_on_the_left() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", [net.weight("layer.weight", 4, SIDE), "x"], "layer", 3)
    return finished(net, net.node("Add", [x, net.weight("shift", 4, 1)], "sum", 3))


def shared_bias() -> onnx.ModelProto:
    """Two layers, of which only one is corrected, read one bias."""
    net = Net()
    x = net.conv("layer", "x", 4)
    y = net.node("Conv", ["x", net.weight("other.weight", 4, 3, 1, 1), "layer.bias"], "other", 4)
    return finished(net, net.relu(x), net.relu(y))


def shared_mean() -> onnx.ModelProto:
    net = Net()
    x, y = net.conv("layer", "x", 4, bias=False), net.conv("other", "x", 4, bias=False)
    x = net.bn("bn", x)
    parts = [f"bn.{part}" for part in ("scale", "bias", "mean", "var")]
    return finished(net, net.relu(x), net.node("BatchNormalization", [y, *parts], "bn2", 4))


def behind_an_identity() -> onnx.ModelProto:
    net = Net()
    net.store("real.bias", np.ones(4, np.float32))
    net.node("Identity", ["real.bias"], "alias", 4)
    w = net.weight("layer.weight", 4, 3, 1, 1)
    return finished(net, net.relu(net.node("Conv", ["x", w, "alias"], "layer", 4)))


def in_a_constant_node() -> onnx.ModelProto:
    proto = own_bias()
    bias = next(tensor for tensor in proto.graph.initializer if tensor.name == "layer.bias")
    node = helper.make_node("Constant", [], ["layer.bias"], value=bias)
    kept = [tensor for tensor in proto.graph.initializer if tensor is not bias]
    nodes = [node, *proto.graph.node]
    del proto.graph.initializer[:], proto.graph.node[:]
    proto.graph.initializer.extend(kept)
    proto.graph.node.extend(nodes)
    return proto


def in_a_list_of_numbers() -> onnx.ModelProto:
    """A Constant node that holds numbers and no tensor."""
    proto = own_bias()
    numbers = numpy_helper.to_array(proto.graph.initializer[1]).tolist()
    del proto.graph.initializer[1]
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["layer.bias"], value_floats=numbers))
    return proto


def gemm_without() -> onnx.ModelProto:
    net = Net()
    x = net.node("Flatten", ["x"], "flat", 3 * SIDE * SIDE)
    return finished(net, net.node("Gemm", [x, net.weight("layer.weight", 4, 3 * SIDE * SIDE)], "layer", 4, transB=1))


def taken_name() -> onnx.ModelProto:
    net = Net()
    x = net.conv("layer", "x", 4, bias=False)
    return finished(net, net.node("Identity", [net.relu(x)], "layer_bias", 4))


PLACES: dict[Make, tuple[Room, list[str]]] = {
    own_bias: (Room("layer.bias", 1, True), []),
    no_bias: (Room("layer_bias", 1, True), ["layer_bias"]),
    running_mean: (Room("bn.mean", -1, False), []),
    added_behind: (Room("shift", 1, False), []),
    product_and_sum: (Room("shift", 1, False), []),
    product_on_the_left: (Room("shift", 1, False), []),
    shared_bias: (Room("layer.bias_2", 1, True), ["layer.bias_2"]),
    shared_mean: (Room("bn.mean_2", -1, False), ["bn.mean_2"]),
    behind_an_identity: (Room("real.bias_2", 1, True), ["real.bias_2"]),
    in_a_constant_node: (Room("layer.bias", 1, True), []),
    in_a_list_of_numbers: (Room("layer.bias_2", 1, True), ["layer.bias_2"]),
    gemm_without: (Room("layer_bias", 1, True), ["layer_bias"]),
    taken_name: (Room("layer_bias_2", 1, True), ["layer_bias_2"]),
}


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_the_room_is_where_it_is_and_what_was_added_is_named(make: Make) -> None:
    model = copied(make())
    rooms, added = rooms_of(model)
    assert (rooms, added) == ({"layer": PLACES[make][0]}, PLACES[make][1])
    before, after = values(make()), values(model.proto)
    assert after.keys() - before.keys() == set(added)


def inputs() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(0).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)}


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_making_room_changes_no_output(make: Make) -> None:
    model = copied(make())
    rooms_of(model)
    for expected, found in zip(run(Model(make()), inputs()), run(model, inputs()), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_a_correction_moves_the_outputs_of_the_layer_by_just_that_and_nothing_else(make: Make) -> None:
    model = copied(make())
    room = rooms_of(model)[0]["layer"]
    edited = Model(model.proto)
    layer = only_layer(edited)
    change = np.random.default_rng(1).normal(size=layer.matrix_shape[::2]).astype(np.float32)
    tensor = edited.constants["", room.constant]
    tensor.CopyFrom(numpy_helper.from_array(layer.biased(edited.array(tensor), room.sign * change), tensor.name))
    for expected, found in zip(run(shifted(make(), layer, change), inputs()), run(edited, inputs()), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def shifted(proto: onnx.ModelProto, layer: Layer, change: np.ndarray) -> Model:
    """The model with an Add right behind the layer that does what the correction is meant to do."""
    along = [1] * (1 - layer.channel_axis)
    along[layer.channel_axis] = -1
    proto.graph.initializer.append(numpy_helper.from_array(change.reshape(along), "change"))
    place, node = next((p, node) for p, node in enumerate(proto.graph.node) if node.name == "layer")
    node.output[0] = "as_before"
    proto.graph.node.insert(place + 1, helper.make_node("Add", ["as_before", "change"], ["layer"]))
    return Model(proto)


# Layers without room


def product_alone() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, 4)], "layer")
    return finished(net, net.relu(x))


def sum_of_rows() -> onnx.ModelProto:
    """What is added has a number for each row, not for each channel."""
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, SIDE)], "layer")
    return finished(net, net.node("Add", [x, net.weight("shift", SIDE, 1)], "sum"))


def sum_of_every_position() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, 4)], "layer")
    return finished(net, net.node("Add", [x, net.weight("shift", SIDE, 4)], "sum"))


def sum_of_one_number() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, 4)], "layer")
    return finished(net, net.node("Add", [x, net.weight("shift", 1)], "sum"))


def read_twice() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, 4)], "layer")
    return finished(net, net.node("Add", [x, net.weight("shift", 4)], "sum"), net.relu(x))


def output_too() -> onnx.ModelProto:
    proto = product_and_sum()
    proto.graph.output.append(helper.make_tensor_value_info("layer", TensorProto.FLOAT, None))
    return proto


def sum_with_an_activation() -> onnx.ModelProto:
    net = Net()
    x = net.node("MatMul", ["x", net.weight("layer.weight", SIDE, SIDE)], "layer")
    return finished(net, net.node("Add", [x, "x"], "sum"))


@pytest.mark.parametrize(
    "make",
    [
        product_alone,
        sum_of_rows,
        sum_of_every_position,
        sum_of_one_number,
        read_twice,
        output_too,
        sum_with_an_activation,
    ],
)
def test_where_no_constant_goes_with_the_channels_of_this_layer_alone_there_is_no_room(make: Make) -> None:
    model = copied(make())
    assert rooms_of(model) == ({}, [])
    assert model.proto == make()


def test_a_bias_that_is_added_has_the_type_of_the_weight() -> None:
    proto = no_bias()
    weight = proto.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))
    model = copied(proto)
    rooms_of(model)
    assert values(model.proto)["layer_bias"].dtype == np.float16


def test_a_recurrent_layer_gets_its_bias_behind_inputs_that_are_left_out() -> None:
    net = Net()
    x = net.node("Reshape", ["x", net.store("shape", np.array([SIDE, 6, SIDE]))], "steps")
    w, r = net.weight("w", 1, 8, SIDE), net.weight("r", 1, 8, 2)
    net.nodes.append(helper.make_node("LSTM", [x, w, r], ["layer"], "layer", hidden_size=2))
    proto = finished(net, "layer")
    model = copied(proto)
    assert rooms_of(model) == ({"layer": Room("layer_bias", 1, True)}, ["layer_bias"])
    assert values(model.proto)["layer_bias"].shape == (1, 16)
    np.testing.assert_array_equal(run(model, inputs())[0], run(Model(proto), inputs())[0])
