"""Concrete inputs: usual sizes for what a model leaves open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from networks import Net, plain
from onnx import TensorProto, helper

from onnxprune.errors import ModelError
from onnxprune.inputs import ATTEMPTS, concrete_inputs, usual_inputs
from onnxprune.model import Model


def with_inputs(*shapes: Sequence[int | str | None]) -> Model:
    """A model with inputs x0, x1, ... of these shapes."""
    infos = [helper.make_tensor_value_info(f"x{n}", TensorProto.FLOAT, shape) for n, shape in enumerate(shapes)]
    nodes = [helper.make_node("Identity", [info.name], [f"y{n}"]) for n, info in enumerate(infos)]
    outputs = [helper.make_tensor_value_info(f"y{n}", TensorProto.FLOAT, shape) for n, shape in enumerate(shapes)]
    return Model(helper.make_model(helper.make_graph(nodes, "g", infos, outputs)))


def with_input(*shape: int | str | None) -> Model:
    return with_inputs(shape)


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
    assert concrete_inputs(with_input(*shape)) == {"x0": expected}


def test_further_attempts_try_other_values() -> None:
    model = with_input("N", 3, "H", "W")
    tried = {concrete_inputs(model, attempt=attempt)["x0"] for attempt in range(ATTEMPTS)}
    assert (1, 3, 224, 224) in tried and (1, 3, 48, 320) in tried and len(tried) > 2


def test_given_shapes_win() -> None:
    assert concrete_inputs(with_input("N", "L"), {"x0": (3, 7)}) == {"x0": (3, 7)}


def test_weights_that_are_listed_as_inputs_are_not_inputs() -> None:
    proto = plain()
    tensor = proto.graph.initializer[0]
    proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    assert set(concrete_inputs(Model(proto))) == {"x"}


def test_usual_inputs_are_the_first_at_which_the_model_is_consistent() -> None:
    net = Net(side=48, batch="N")
    net.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])
    net.node("Concat", ["x", net.store("row", np.zeros((1, 3, 1, 320), np.float32))], "y", axis=2)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, "P", 320])
    graph = helper.make_graph(net.nodes, "g", [net.input], [y], net.stored)
    model = Model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    assert usual_inputs(model) == {"x": (1, 3, 48, 320)}


def test_a_name_has_one_size_in_all_inputs() -> None:
    shapes = concrete_inputs(with_inputs(("N", "L"), ("N", "L", 64), ("N", "M")))
    assert shapes["x0"] == shapes["x1"][:2]


def test_a_fixed_batch_of_one_is_the_batch() -> None:
    assert concrete_inputs(with_input(1, "L"))["x0"] == (1, 16)


def test_an_image_without_a_batch_is_an_image() -> None:
    assert concrete_inputs(with_input(3, "H", "W"))["x0"] == (3, 224, 224)


def test_inputs_that_no_memory_holds_are_refused() -> None:
    proto = plain()
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 2**40
    with pytest.raises(ModelError, match="'x' of the shape 2x3x1099511627776x5 is too large"):
        concrete_inputs(Model(proto))
