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
from onnxprune.shapes import ATTEMPTS, concrete_inputs, infer_shapes, shapes_at, symbol_values, usual_shapes


def with_input(*shape: int | str | None, dtype: int = TensorProto.FLOAT) -> Model:
    """A model that passes one input on."""
    x = helper.make_tensor_value_info("x", dtype, shape)
    y = helper.make_tensor_value_info("y", dtype, shape)
    node = helper.make_node("Identity", ["x"], ["y"])
    opset = [helper.make_opsetid("", 17)]
    return Model(helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opset))


def test_every_tensor_gets_a_shape() -> None:
    shapes = infer_shapes(Model(plain()))
    assert shapes["x"] == (2, 3, 5, 5) and shapes["conv1"] == (2, 8, 5, 5)
    assert shapes["flat"] == (2, 12) and shapes["fc"] == (2, CLASSES)


def test_symbols_keep_their_names_through_the_graph() -> None:
    shapes = infer_shapes(Model(plain(batch="N")))
    assert shapes["conv2"] == ("N", 12, 5, 5) and shapes["fc"] == ("N", CLASSES)


def test_an_axis_without_a_name_stays_open() -> None:
    assert infer_shapes(with_input(None, 3))["x"] == (None, 3)


def test_a_wrong_declaration_is_not_believed() -> None:
    proto = plain()
    proto.graph.value_info.append(helper.make_tensor_value_info("conv1", TensorProto.FLOAT, [2, 99, 5, 5]))
    assert infer_shapes(Model(proto))["conv1"] == (2, 8, 5, 5)


def test_what_inference_cannot_know_is_taken_from_the_declaration() -> None:
    net = Net()
    net.nodes.append(helper.make_node("Mystery", ["x"], ["m"], domain="acme"))
    net.node("Relu", ["m"], "y", 3)
    graph = helper.make_graph(
        net.nodes, "g", [net.input], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 6])]
    )
    graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [2, 6]))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)])
    shapes = infer_shapes(Model(proto))
    assert shapes["m"] == (2, 6) and shapes["y"] == (2, 6)


def test_shapes_that_constants_hold_are_followed() -> None:
    net = Net()
    net.node("Reshape", ["x", net.store("shape", np.array([2, 5, -1], np.int64))], "y", 5)
    assert infer_shapes(Model(net.model("y", [2, 5, 15])))["y"] == (2, 5, 15)


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
    assert infer_shapes(Model(net.model("y", [2, 2000, 5, 5])))["y"] == (2, 2000, 5, 5)


def test_external_weights_give_shapes(tmp_path: Path) -> None:
    proto = plain()
    external_data_helper.convert_model_to_external_data(proto, location="w.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "net.onnx")
    assert infer_shapes(Model.load(tmp_path / "net.onnx"))["conv1"] == (2, 8, 5, 5)


def test_inference_leaves_the_model_alone() -> None:
    proto = plain()
    infer_shapes(Model(proto))
    assert proto == plain()


def test_concrete_shapes_say_whether_they_are_consistent() -> None:
    net = Net(batch="N")
    net.node("Reshape", ["x", net.store("shape", np.array([4, 75], np.int64))], "y")
    model = Model(net.model("y", [4, 75]))
    assert shapes_at(model, {"x": (4, 3, 5, 5)}) == ({**shapes_at(model, {"x": (4, 3, 5, 5)})[0], "y": (4, 75)}, True)
    assert shapes_at(Model(plain()), {"x": (2, 4, 5, 5)})[1] is False


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 3, 5, 5), (2, 3, 5, 5)),
        (("N", 3, 32, 32), (1, 3, 32, 32)),
        ((None, 3, None, None), (1, 3, 224, 224)),
        (("N", 3, "H", "W"), (1, 3, 224, 224)),
        (("N", 3, 48, "W"), (1, 3, 48, 320)),
        (("N", "L"), (1, 16)),
        (("N", "L", 80), (1, 16, 80)),
    ],
)
def test_open_sizes_get_usual_values(shape: Sequence[int | str | None], expected: tuple[int, ...]) -> None:
    assert concrete_inputs(with_input(*shape)) == {"x": expected}


def test_further_attempts_try_other_values() -> None:
    model = with_input("N", 3, "H", "W")
    tried = {concrete_inputs(model, attempt=attempt)["x"] for attempt in range(ATTEMPTS)}
    assert (1, 3, 224, 224) in tried and (1, 3, 48, 320) in tried and len(tried) > 2


def test_given_shapes_win() -> None:
    assert concrete_inputs(with_input("N", "L"), {"x": (3, 7)}) == {"x": (3, 7)}


def test_weights_that_are_listed_as_inputs_are_not_inputs() -> None:
    proto = plain()
    tensor = proto.graph.initializer[0]
    proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    assert set(concrete_inputs(Model(proto))) == {"x"}


def test_usual_shapes_are_the_first_at_which_the_model_is_consistent() -> None:
    net = Net(side=48, batch="N")
    net.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])
    net.node("Concat", ["x", net.store("row", np.zeros((1, 3, 1, 320), np.float32))], "y", axis=2)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, "P", 320])
    graph = helper.make_graph(net.nodes, "g", [net.input], [y], net.stored)
    model = Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    assert usual_shapes(model)["y"] == (1, 3, 49, 320)


def test_symbols_get_the_sizes_of_a_concrete_run() -> None:
    values = symbol_values({"x": ("N", 3, None)}, {"x": (2, 3, 7), "hidden": (5,)})
    assert values == {"N": 2, "x[0]": 2, "x[1]": 3, "x[2]": 7, "hidden[0]": 5}
