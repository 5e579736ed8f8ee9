"""How a tensor is stored: raw or typed, in a Constant of any form, beside the model, in an attribute."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from decorated import decorated, with_unknown_fields
from differences import assert_same
from graphs import Graph
from leveled import assert_only_planned
from networks import Net, branchy, plain
from onnx import AttributeProto, TensorProto, external_data_helper, helper, numpy_helper

import onnxprune

CHANNELS = {"amount": 0.3, "round_to": "none", "calibration": "none"}


def typed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every initializer has its numbers in the field for its type."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for tensor in copy.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, tensor.data_type, values.shape, values.ravel()))
    return copy


def raw(proto: onnx.ModelProto) -> dict[str, bool]:
    return {tensor.name: tensor.HasField("raw_data") for tensor in proto.graph.initializer}


@pytest.mark.parametrize("granularity", ["channel", "element"])
def test_typed_numbers_stay_typed_and_come_to_the_same(granularity: str) -> None:
    options = {"amount": 0.3, "granularity": granularity, "calibration": "none"}
    expected = onnxprune.prune(branchy(), **options).model
    result = onnxprune.prune(typed(branchy()), **options)
    assert not any(raw(result.model).values()) and all(raw(expected).values())
    assert_only_planned(typed(branchy()), result.model, result.plan)
    for ours, theirs in zip(result.model.graph.initializer, expected.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs), strict=True)


def half(width: int = 8) -> onnx.ModelProto:
    """Two layers in half precision, whose typed form are the bits in a field for integers."""
    net = Net()
    x = net.node("Cast", ["x"], "cast", to=TensorProto.FLOAT16)
    first = net.relu(net.conv("conv1", x, width))
    proto = net.node("Cast", [net.head(first)], "back", to=TensorProto.FLOAT)
    for tensor in net.stored:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    return net.model(proto)


def test_typed_half_precision_stays_typed() -> None:
    result = onnxprune.prune(typed(half()), **CHANNELS)
    assert result.plan.keep and not any(raw(result.model).values())
    assert_only_planned(typed(half()), result.model, result.plan)
    expected = onnxprune.prune(half(), **CHANNELS).model
    for ours, theirs in zip(result.model.graph.initializer, expected.graph.initializer, strict=True):
        np.testing.assert_array_equal(numpy_helper.to_array(ours), numpy_helper.to_array(theirs), strict=True)


def constants() -> onnx.ModelProto:
    """Weights and sizes in Constant nodes of every form that can hold them."""
    g = Graph()
    x = g.conv(g.image(), 8, bias=False)
    x = g.add("Add", x, g.add("Constant", value_floats=g.random(6).tolist()))
    lengths = g.add("Constant", value_ints=[5, 3])
    left, right = g.nodes_of("Split", [x, lengths], 2, axis=1)
    x = g.add("Reshape", g.add("Concat", left, right, axis=1), g.add("Constant", value_ints=[2, 8 * 36]))
    weight = g.constant(g.random(8 * 36, 4, fan_in=288))
    g.output(g.add("MatMul", x, weight))
    proto = g.model()
    next(node for node in proto.graph.node if node.output[0] == weight).attribute[0].t.name = "a name of its own"
    return proto


def test_constants_keep_their_form_and_what_is_noted_with_them() -> None:
    dense = with_unknown_fields(decorated(constants()))
    result = onnxprune.prune(dense, **CHANNELS)
    numbers = {node.output[0] for node in dense.graph.node if node.attribute and node.attribute[0].name == "value_ints"}
    assert numbers == {size["where"].split("[")[0] for size in result.plan.sizes}
    assert_only_planned(dense, result.model, result.plan)


def test_a_constant_of_numbers_that_is_sliced_becomes_a_tensor_and_keeps_its_doc() -> None:
    g = Graph()
    x = g.add("MatMul", g.input(2, 3), g.weight(3, 8))
    bias = g.add("Constant", value_floats=np.arange(1, 9, dtype=np.float32).tolist())
    g.output(g.add("MatMul", g.add("Add", x, bias), g.weight(8, 4)))
    result = onnxprune.prune(decorated(g.model()), **CHANNELS)
    node = next(node for node in result.model.graph.node if node.output[0] == bias)
    kept = result.plan.keep[bias]["0"]
    (attribute,) = node.attribute
    assert attribute.type == AttributeProto.TENSOR and attribute.doc_string and not attribute.floats
    np.testing.assert_array_equal(numpy_helper.to_array(attribute.t), np.arange(1, 9, dtype=np.float32)[kept])


@pytest.mark.parametrize("options", [CHANNELS, {"amount": 0.4, "granularity": "element"}], ids=["channels", "zeros"])
def test_external_data_is_read_back_as_it_was(options: dict, tmp_path: Path) -> None:
    dense = with_unknown_fields(decorated(branchy()))
    stored = onnx.ModelProto()
    stored.CopyFrom(dense)
    external_data_helper.convert_model_to_external_data(stored, location="net.bin", size_threshold=0)
    onnx.save(stored, tmp_path / "net.onnx")
    result = onnxprune.prune(tmp_path / "net.onnx", **options)
    result.save(tmp_path / "out.onnx")
    loaded = onnx.load(tmp_path / "out.onnx")
    for tensor in loaded.graph.initializer:
        tensor.ClearField("data_location")  # which reading sets
    assert_only_planned(dense, loaded, result.plan)


def island() -> onnx.ModelProto:
    """A network beside a node that nobody knows, with an attribute of every type."""
    proto = plain()
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2])
    indices = helper.make_tensor("i", TensorProto.INT64, [2], [0, 3])
    sparse = helper.make_sparse_tensor(tensor, indices, [5])
    info = helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["n", None])
    body = helper.make_graph([helper.make_node("Strange", ["outer"], ["inner"], domain="acme")], "body", [], [info])
    kind = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 3])
    attributes = {
        "f": 0.1, "i": -(2**62), "s": b"\xff\x00", "t": tensor, "g": body, "sp": sparse, "tp": kind,
        "floats": [0.1, -0.0], "ints": [2**62], "strings": ["a", "b"], "tensors": [tensor, indices],
        "graphs": [body, body], "sps": [sparse], "tps": [kind, kind],
    }  # fmt: skip
    node = helper.make_node("Frobnicate", ["other", "", "other"], ["made", ""], "frob", domain="acme", **attributes)
    proto.graph.node.insert(1, node)
    proto.graph.input.append(helper.make_tensor_value_info("other", TensorProto.FLOAT, ["anything", None, 3]))
    proto.graph.output.append(helper.make_tensor_sequence_value_info("made", TensorProto.FLOAT, ["?"]))
    proto.opset_import.append(helper.make_opsetid("acme", 7))
    return proto


@pytest.mark.parametrize("options", [CHANNELS, {"amount": 0.4, "granularity": "element"}], ids=["channels", "zeros"])
def test_a_node_that_nobody_knows_keeps_attributes_of_every_type(options: dict, tmp_path: Path) -> None:
    dense = with_unknown_fields(decorated(island()))
    result = onnxprune.prune(dense, check=False, **options)
    assert_only_planned(dense, result.model, result.plan)
    result.save(tmp_path / "out.onnx")
    assert_same(result.model, onnx.load(tmp_path / "out.onnx"))
