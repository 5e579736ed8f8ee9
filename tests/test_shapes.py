"""Shapes: inferred on a graph without weights, at symbolic and at concrete sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from models import CLASSES, Net, plain
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
    shapes = infer(Model(plain()))
    assert shapes["x"] == (2, 3, 5, 5) and shapes["conv1"] == (2, 8, 5, 5)
    assert shapes["flat"] == (2, 12) and shapes["fc"] == (2, CLASSES)


def test_symbols_keep_their_names_through_the_graph() -> None:
    shapes = infer(Model(plain(batch="N")))
    assert shapes["conv2"] == ("N", 12, 5, 5) and shapes["fc"] == ("N", CLASSES)


def test_an_axis_without_a_name_stays_open() -> None:
    assert infer(with_input(None, 3))["x"] == (None, 3)


def test_a_wrong_declaration_is_not_believed() -> None:
    proto = plain()
    proto.graph.value_info.append(helper.make_tensor_value_info("conv1", TensorProto.FLOAT, [2, 99, 5, 5]))
    assert infer(Model(proto))["conv1"] == (2, 8, 5, 5)


def test_what_inference_cannot_know_is_taken_from_the_declaration() -> None:
    net = Net()
    net.nodes.append(helper.make_node("Mystery", ["x"], ["m"], domain="acme"))
    net.node("Relu", ["m"], "y", 3)
    graph = helper.make_graph(
        net.nodes, "g", [net.input], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 6])]
    )
    graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [2, 6]))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)])
    shapes = infer(Model(proto))
    assert shapes["m"] == (2, 6) and shapes["y"] == (2, 6)


def test_shapes_that_constants_hold_are_followed() -> None:
    net = Net()
    net.node("Reshape", ["x", net.store("shape", np.array([2, 5, -1], np.int64))], "y", 5)
    assert infer(Model(net.model("y", [2, 5, 15])))["y"] == (2, 5, 15)


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
    assert infer(Model(net.model("y", [2, 2000, 5, 5])))["y"] == (2, 2000, 5, 5)


def test_external_weights_give_shapes(tmp_path: Path) -> None:
    proto = plain()
    external_data_helper.convert_model_to_external_data(proto, location="w.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "net.onnx")
    assert infer(Model.load(tmp_path / "net.onnx"))["conv1"] == (2, 8, 5, 5)


def test_inference_leaves_the_model_alone() -> None:
    proto = plain()
    infer(Model(proto))
    assert proto == plain()


def test_concrete_shapes_say_whether_they_are_consistent() -> None:
    net = Net(batch="N")
    net.node("Reshape", ["x", net.store("shape", np.array([4, 75], np.int64))], "y")
    model = Model(net.model("y", [4, 75]))
    assert shapes_at(model, {"x": (4, 3, 5, 5)}) == ({**shapes_at(model, {"x": (4, 3, 5, 5)})[0], "y": (4, 75)}, True)
    assert shapes_at(Model(plain()), {"x": (2, 4, 5, 5)})[1] is False
