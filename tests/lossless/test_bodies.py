"""The bodies of control flow keep what the main graph keeps."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from decorated import decorated, with_unknown_fields
from leveled import assert_only_planned
from onnx import TensorProto, helper, numpy_helper

import onnxprune

RNG = np.random.default_rng(0)


def weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(RNG.standard_normal(shape).astype(np.float32), name)


def branch(name: str, op_type: str) -> onnx.GraphProto:
    """One layer with a weight of its own, a bias in a Constant, and an input from outside."""
    nodes = [
        helper.make_node("MatMul", ["h", f"{name}_w"], [f"{name}_m"]),
        helper.make_node("Constant", [], [f"{name}_b"], value=weight("its own name", 6)),
        helper.make_node("Add", [f"{name}_m", f"{name}_b"], [f"{name}_s"]),
        helper.make_node(op_type, [f"{name}_s"], [f"{name}_y"]),
    ]
    y = helper.make_tensor_value_info(f"{name}_y", TensorProto.FLOAT, ["rows", 6])
    return helper.make_graph(nodes, name, [], [y], [weight(f"{name}_w", 5, 6)])


def choice() -> onnx.ModelProto:
    branches = {"then_branch": branch("a", "Tanh"), "else_branch": branch("b", "Relu")}
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"], "first"),
        helper.make_node("If", ["flag"], ["y"], "choice", **branches),
        helper.make_node("MatMul", ["y", "w2"], ["z"], "last"),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3]),
        helper.make_tensor_value_info("flag", TensorProto.BOOL, []),
    ]
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 2])
    graph = helper.make_graph(nodes, "flow", inputs, [z], [weight("w1", 3, 5), weight("w2", 6, 2)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("options", [{"round_to": "none"}, {"granularity": "element"}], ids=["channels", "zeros"])
def test_bodies_keep_all_that_the_plan_does_not_list(options: dict) -> None:
    dense = with_unknown_fields(decorated(choice()))
    result = onnxprune.prune(dense, 0.4, calibration="none", **options)
    assert_only_planned(dense, result.model, result.plan)
    assert any("/" in name for name in getattr(result.plan, "keep", None) or result.plan.zeros)
