"""What counts as a parameter: weights, biases, normalization; not bounds, shapes, scales of an image, tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from networks import Net, plain, shared_scale, traced
from onnx import TensorProto, helper, numpy_helper

from onnxprune.parameters import parameter_uses


def parameters(proto: onnx.ModelProto) -> set[str]:
    return {use.constant[1] for use in parameter_uses(traced(proto))}


def with_operand(op: str, operand: Any) -> onnx.ModelProto:
    """A convolution followed by `op` with a constant `operand`."""
    net = Net()
    x = net.conv("conv", "x", 8)
    net.node(op, [x, net.store("operand", operand)], "y")
    return net.model("y", [2, 8, 5, 5])


def reals(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_weights_biases_and_normalization_are_parameters() -> None:
    expected = {f"{layer}.{part}" for layer in ("conv1", "conv2", "fc") for part in ("weight", "bias")}
    assert parameters(plain()) == expected | {f"bn1.{part}" for part in ("scale", "bias", "mean", "var")}


def test_every_use_of_a_shared_parameter_is_yielded() -> None:
    uses = [use for use in parameter_uses(traced(shared_scale())) if use.constant[1] == "ones"]
    assert [use.slot[1] for use in uses] == [1, 1]


@pytest.mark.parametrize("op", ["Add", "Mul", "Sub", "Div"])
@pytest.mark.parametrize("shape", [(1, 8, 1, 1), (8, 5, 5), (5, 5)])
def test_real_operands_of_arithmetic_are_parameters(op: str, shape: tuple[int, ...]) -> None:
    assert "operand" in parameters(with_operand(op, reals(*shape)))


@pytest.mark.parametrize(
    "table",
    [np.indices((5, 5))[0] + 0.5, np.triu(np.full((5, 5), -1e9)), np.arange(25.0).reshape(5, 5)],
    ids=["anchors", "mask", "grid"],
)
def test_tables_are_not_parameters(table: Any) -> None:
    assert "operand" not in parameters(with_operand("Add", table.astype(np.float32)))


def test_a_single_number_is_not_a_parameter() -> None:
    assert "operand" not in parameters(with_operand("Mul", np.float32(0.125)))
    assert "operand" not in parameters(with_operand("Mul", np.array([0.125], np.float32)))


@pytest.mark.parametrize("op", ["Pow", "Greater", "Where"])
def test_settings_of_an_operator_are_not_parameters(op: str) -> None:
    net = Net()
    x = net.conv("conv", "x", 8)
    net.store("operand", reals(8, 1, 1))
    if op == "Where":
        net.node("Where", [net.node("Greater", [x, "operand"], "condition"), x, "operand"], "y")
    else:
        net.node(op, [x, "operand"], "y")
    shape = helper.make_tensor_value_info("y", TensorProto.BOOL if op == "Greater" else TensorProto.FLOAT, [2, 8, 5, 5])
    graph = helper.make_graph(net.nodes, "g", [net.input], [shape], net.stored)
    assert "operand" not in parameters(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


def test_shapes_and_indices_are_not_parameters() -> None:
    net = Net()
    shape = net.store("shape", np.array([2, -1], np.int64))
    net.node("Reshape", [net.conv("conv", "x", 8), shape], "y")
    assert parameters(net.model("y", [2, 200])) == {"conv.weight", "conv.bias"}


def test_weights_in_constant_nodes_are_parameters() -> None:
    net = Net()
    tensor = numpy_helper.from_array(reals(8, 3, 1, 1))
    net.nodes.append(helper.make_node("Constant", [], ["kernel"], value=tensor))
    net.node("Conv", ["x", "kernel"], "y", 8)
    assert parameters(net.model("y", [2, 8, 5, 5])) == {"kernel"}


def test_half_precision_weights_are_parameters() -> None:
    net = Net()
    net.input.type.tensor_type.elem_type = TensorProto.FLOAT16
    net.node("Conv", ["x", net.store("kernel", reals(8, 3, 1, 1).astype(np.float16))], "y", 8)
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT16, [2, 8, 5, 5])
    graph = helper.make_graph(net.nodes, "g", [net.input], [out], net.stored)
    assert parameters(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])) == {"kernel"}
