"""Shapes: inferred on a graph without weights, at symbolic and at concrete sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import CLASSES, Net, plain
from onnx import TensorProto, external_data_helper, helper

from onnxprune.model import Model
from onnxprune.shapes import Known, infer, infer_outputs


def with_input(*shape: int | str | None, dtype: int = TensorProto.FLOAT) -> Model:
    """A model that passes one input on."""
    x = helper.make_tensor_value_info("x", dtype, shape)
    y = helper.make_tensor_value_info("y", dtype, shape)
    node = helper.make_node("Identity", ["x"], ["y"])
    opset = [helper.make_opsetid("", 17)]
    return Model(helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opset))


def test_every_tensor_gets_a_shape() -> None:
    shapes = infer(Model(plain())).shapes
    assert shapes["x"] == (2, 3, 5, 5) and shapes["conv1"] == (2, 8, 5, 5)
    assert shapes["flat"] == (2, 12) and shapes["fc"] == (2, CLASSES)


def test_symbols_keep_their_names_through_the_graph() -> None:
    shapes = infer(Model(plain(batch="N"))).shapes
    assert shapes["conv2"] == ("N", 12, 5, 5) and shapes["fc"] == ("N", CLASSES)


def test_an_axis_without_a_name_stays_open() -> None:
    assert infer(with_input(None, 3)).shapes["x"] == (None, 3)


def test_a_wrong_declaration_is_not_believed() -> None:
    proto = plain()
    proto.graph.value_info.append(helper.make_tensor_value_info("conv1", TensorProto.FLOAT, [2, 99, 5, 5]))
    assert infer(Model(proto)).shapes["conv1"] == (2, 8, 5, 5)


def test_what_inference_cannot_know_is_taken_from_the_declaration() -> None:
    net = Net()
    net.nodes.append(helper.make_node("Mystery", ["x"], ["m"], domain="acme"))
    net.node("Relu", ["m"], "y", 3)
    graph = helper.make_graph(
        net.nodes, "g", [net.input], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 6])]
    )
    graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [2, 6]))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)])
    shapes = infer(Model(proto)).shapes
    assert shapes["m"] == (2, 6) and shapes["y"] == (2, 6)


def test_shapes_that_constants_hold_are_followed() -> None:
    net = Net()
    net.node("Reshape", ["x", net.store("shape", np.array([2, 5, -1], np.int64))], "y", 5)
    assert infer(Model(net.model("y", [2, 5, 15]))).shapes["y"] == (2, 5, 15)


@pytest.mark.parametrize("constant_node", [False, True])
def test_large_weights_give_shapes_without_being_read(constant_node: bool) -> None:
    net = Net()
    weight = np.zeros((2000, 3, 1, 1), np.float32)
    if constant_node:
        tensor = onnx.numpy_helper.from_array(weight)
        net.nodes.append(helper.make_node("Constant", [], ["w"], value=tensor))
    else:
        net.store("w", weight)
    net.node("Conv", ["x", "w"], "y", 2000)
    assert infer(Model(net.model("y", [2, 2000, 5, 5]))).shapes["y"] == (2, 2000, 5, 5)


def test_external_weights_give_shapes(tmp_path: Path) -> None:
    proto = plain()
    external_data_helper.convert_model_to_external_data(proto, location="w.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "net.onnx")
    assert infer(Model.load(tmp_path / "net.onnx")).shapes["conv1"] == (2, 8, 5, 5)


def test_inference_leaves_the_model_alone() -> None:
    proto = plain()
    infer(Model(proto))
    assert proto == plain()


def test_concrete_shapes_say_whether_they_are_consistent() -> None:
    net = Net(batch="N")
    net.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])
    net.node("Concat", ["x", net.store("row", np.zeros((1, 3, 1, 7), np.float32))], "y", axis=2)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, "P", 7])
    graph = helper.make_graph(net.nodes, "g", [net.input], [y], net.stored)
    model = Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    found = infer(model, {"x": (1, 3, 4, 7)})
    assert found.consistent and found.shapes["y"] == (1, 3, 5, 7)
    assert not infer(model, {"x": (1, 3, 4, 8)}).consistent


def test_once_inputs_are_fixed_no_declaration_is_believed() -> None:
    proto = plain(batch="N")
    proto.graph.value_info.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [9, 12]))
    assert infer(Model(proto), {"x": (3, 3, 5, 5)}).shapes["flat"] == (3, 12)


def test_element_types_are_inferred_too() -> None:
    types = infer(Model(plain())).types
    assert types["conv1"] == types["conv1.weight"] == TensorProto.FLOAT


def test_the_outputs_of_a_single_node_follow_from_what_is_known_of_its_inputs() -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    known = {
        "x": Known(TensorProto.FLOAT, (2, 12), None),
        "shape": Known(TensorProto.INT64, (3,), np.array([2, 3, -1])),
    }
    assert infer_outputs(node, {"": 17}, known) == {"y": (2, 3, 4)}


def test_an_operator_that_onnx_does_not_know_has_no_outputs_to_infer() -> None:
    known = {"x": Known(TensorProto.FLOAT, (2, 12), None)}
    assert infer_outputs(helper.make_node("Mystery", ["x"], ["y"]), {"": 17}, known) == {}
    assert infer_outputs(helper.make_node("Relu", ["x"], ["y"], domain="acme"), {"": 17}, known) == {}
