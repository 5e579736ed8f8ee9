"""Float32 twins of half-precision models."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from networks import plain, values
from onnx import TensorProto, helper, numpy_helper

from onnxprune.model import Model
from onnxprune.precision import as_float32, is_half
from onnxprune.runtime import run


def half() -> onnx.ModelProto:
    """A float16 network with a Constant node, a Cast, and a float32 output."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT16, [2, 4])
    shift = numpy_helper.from_array(np.full(4, 0.5, np.float16))
    weight = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float16)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Constant", [], ["shift"], value=shift),
        helper.make_node("Add", ["product", "shift"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["y"], ["z"], to=TensorProto.FLOAT16),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y, z], [numpy_helper.from_array(weight, "w")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_half_precision_is_seen_in_weights_and_in_inputs() -> None:
    bare = half()
    del bare.graph.initializer[:]
    assert is_half(Model(half())) and is_half(Model(bare)) and not is_half(Model(plain()))


def test_the_twin_is_float32_throughout() -> None:
    twin = as_float32(Model(half()))
    onnx.checker.check_model(twin.proto, full_check=True)
    assert {tensor.data_type for tensor in twin.tensors()} == {TensorProto.FLOAT}
    assert {info.type.tensor_type.elem_type for info in (*twin.proto.graph.input, *twin.proto.graph.output)} == {1}
    assert not is_half(twin)


def test_the_twin_computes_what_the_model_computes() -> None:
    x = np.random.default_rng(1).normal(size=(2, 3)).astype(np.float16)
    expected = run(Model(half()), {"x": x})[0]
    np.testing.assert_allclose(run(as_float32(Model(half())), {"x": x.astype(np.float32)})[0], expected, atol=5e-3)


def test_weights_keep_their_values() -> None:
    twin = values(as_float32(Model(half())).proto)["w"]
    np.testing.assert_array_equal(twin, values(half())["w"].astype(np.float32), strict=True)


@pytest.mark.parametrize("network", [half, plain])
def test_the_model_itself_is_left_alone(network: object) -> None:
    assert callable(network)
    proto = network()
    as_float32(Model(proto))
    assert proto == network()
