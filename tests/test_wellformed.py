"""The gate: what is refused when a model is read, with the place in the message, and what is none of its business."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import plain, write
from onnx import AttributeProto, TensorProto, helper, numpy_helper, parser

from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.wellformed import check_form
from onnxprune.wellformed.lists import MOST
from onnxprune.wellformed.tensors import LARGE, stored_bytes

Change = Callable[[onnx.ModelProto], object]

BRANCHES = """<ir_version: 8, opset_import: ["" : 17]>
g (float[4] x, bool c) => (float[4] y) {
    y = If (c) <
        then_branch = yes () => (float[4] a) { a = Relu (x) },
        else_branch = no () => (float[4] b) { b = Sin (x) }
    >
}
"""


def node(proto: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in proto.graph.node if node.name == name)


def weight(proto: onnx.ModelProto, name: str = "fc.weight") -> TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == name)


def attribute(proto: onnx.ModelProto, of: str, name: str) -> AttributeProto:
    return next(attribute for attribute in node(proto, of).attribute if attribute.name == name)


def then_branch(proto: onnx.ModelProto) -> onnx.GraphProto:
    return proto.graph.node[0].attribute[0].g


HOSTILE: dict[str, tuple[Change, str]] = {
    "a name that leads nowhere": (
        lambda p: node(p, "conv2").input.__setitem__(0, "nowhere"),
        "Conv 'conv2': it reads 'nowhere', which no node before it gives",
    ),
    "an output of nothing": (lambda p: setattr(p.graph.output[0], "name", "z"), "its output 'z'"),
    "an output twice": (lambda p: node(p, "conv2").output.append("conv1"), "Conv 'conv2': it has 2 outputs"),
    "two nodes that give the same": (
        lambda p: node(p, "conv2").output.__setitem__(0, "conv1"),
        "Conv 'conv2': two tensors of one graph are called 'conv1'",
    ),
    "an input without a name": (lambda p: setattr(p.graph.input[0], "name", ""), "a tensor has no name"),
    "a node without an operator": (lambda p: setattr(node(p, "conv2"), "op_type", ""), "it has no operator"),
    "too few inputs": (lambda p: node(p, "conv2").input.__delitem__(slice(1, None)), "it has 1 inputs"),
    "a needed input left out": (lambda p: node(p, "conv2").input.__setitem__(1, ""), "its input 'W' is missing"),
    "a needed attribute left out": (
        lambda p: p.graph.node.insert(0, helper.make_node("Cast", ["x"], ["cast"], "cast")),
        "Cast 'cast': its attribute 'to' is missing",
    ),
    "an attribute twice": (
        lambda p: node(p, "conv2").attribute.append(attribute(p, "conv2", "pads")),
        "Conv 'conv2': attribute 'pads': the node has it twice",
    ),
    "an attribute without a type": (
        lambda p: attribute(p, "conv2", "pads").ClearField("type"),
        "'pads': it does not say of which type it is",
    ),
    "an attribute with a value of another type": (
        lambda p: attribute(p, "conv2", "pads").t.CopyFrom(TensorProto()),
        "'pads': its value is of another type than it says",
    ),
    "a stride of 0": (
        lambda p: node(p, "conv2").attribute.append(helper.make_attribute("strides", [1, 0])),
        r"'strides': it cannot be \[1, 0\]",
    ),
    "an element type that there is not": (lambda p: setattr(weight(p), "data_type", 99), "'fc.weight': its element"),
    "a negative size": (lambda p: weight(p).dims.__setitem__(0, -4), r"can have the shape \[-4, 12\]"),
    "values in two fields": (lambda p: weight(p).float_data.extend([1]), "values in two fields"),
    "values in the field of another type": (
        lambda p: weight(p).CopyFrom(TensorProto(name="fc.weight", data_type=1, dims=[1], int32_data=[1])),
        "values of the type FLOAT cannot be in int32_data",
    ),
    "fewer values than the shape takes": (
        lambda p: weight(p).CopyFrom(TensorProto(name="fc.weight", data_type=1, dims=[2], float_data=[1])),
        "takes 2 values, and it has 1",
    ),
    "values that are not there": (
        lambda p: p.graph.initializer.append(TensorProto(name="w", data_type=1, dims=[2**40])),
        "takes 4,398,046,511,104 bytes, and it has 0",
    ),
    "a tensor outside that also has values": (
        lambda p: setattr(weight(p), "data_location", TensorProto.EXTERNAL),
        "it has values in the model and says that they lie outside",
    ),
    "versions that contradict each other": (
        lambda p: p.opset_import.add(domain="ai.onnx", version=11),
        "two versions of the operators",
    ),
    "version 0 of the operators": (lambda p: setattr(p.opset_import[0], "version", 0), "no version 0"),
    "an input of a type that there is not": (
        lambda p: setattr(p.graph.input[0].type.tensor_type, "elem_type", 99),
        "value 'x': its element type 99",
    ),
    "a sparse tensor without values": (
        lambda p: p.graph.sparse_initializer.add(dims=[4]),
        "sparse tensor '': it has no values",
    ),
}


@pytest.mark.parametrize(("change", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_not_well_formed_is_refused_with_the_place(change: Change, said: str) -> None:
    proto = plain()
    change(proto)
    with pytest.raises(ModelError, match=said):
        Model(proto).check()


BODIES: dict[str, tuple[Change, str]] = {
    "a name that leads nowhere": (
        lambda p: then_branch(p).node[0].input.__setitem__(0, "b"),
        "If 'y': Relu 'a': it reads 'b'",
    ),
    "an output that it does not give": (
        lambda p: setattr(then_branch(p).output[0], "name", "x"),
        "If 'y': nothing in the graph gives its output 'x'",
    ),
    "a weight cut short": (
        lambda p: then_branch(p).initializer.add(name="w", data_type=1, dims=[3]),
        "If 'y': tensor 'w': its shape",
    ),
    "no graph": (lambda p: p.graph.node[0].attribute[0].ClearField("g"), "'then_branch': it has no value"),
}


@pytest.mark.parametrize(("change", "said"), BODIES.values(), ids=BODIES.keys())
def test_bodies_are_looked_into(change: Change, said: str) -> None:
    proto = parser.parse_model(BRANCHES)
    change(proto)
    with pytest.raises(ModelError, match=said):
        check_form(proto)


OUTER = helper.make_node("Relu", ["outer"], ["inner"])

WELL_FORMED: dict[str, Change] = {
    "as it is": lambda p: None,
    "an operator that nobody knows": lambda p: setattr(node(p, "conv2"), "domain", "nobody.knows"),
    "an operator of a later version": lambda p: setattr(p.opset_import[0], "version", 9999),
    "no versions at all": lambda p: p.opset_import.__delitem__(slice(None)),
    "an unknown version of the format": lambda p: setattr(p, "ir_version", 999),
    "an attribute that the operator does not have": lambda p: node(p, "conv2").attribute.append(
        helper.make_attribute("note", "text")
    ),
    "a number that was left out for being 0": lambda p: attribute(p, "fc", "transB").ClearField("i"),
    "nodes without names": lambda p: [node.ClearField("name") for node in p.graph.node],
    "two nodes of one name": lambda p: [setattr(node, "name", "same") for node in p.graph.node],
    "a weight that is an input as well": lambda p: p.graph.input.append(
        helper.make_tensor_value_info("fc.weight", TensorProto.FLOAT, [4, 12])
    ),
    "an output without a type": lambda p: p.graph.output[0].ClearField("type"),
    "names of every sign that can be seen": lambda p: setattr(p.graph.node[0], "name", "名/é:0;x [y] \u202e"),
    "16 bits in the field for 32": lambda p: p.graph.initializer.append(
        TensorProto(name="half", data_type=TensorProto.FLOAT16, dims=[2], int32_data=[1, 2])
    ),
    "two numbers to a byte": lambda p: p.graph.initializer.append(
        TensorProto(name="nibbles", data_type=TensorProto.INT4, dims=[3], raw_data=b"\1\2")
    ),
    "two numbers to a byte, one byte a value": lambda p: p.graph.initializer.append(
        TensorProto(name="nibbles", data_type=TensorProto.INT4, dims=[3], int32_data=[1, 2])
    ),
    "no values for no elements": lambda p: p.graph.initializer.append(TensorProto(name="none", data_type=1, dims=[0])),
    "a body for an operator that nobody knows, which may give it anything": lambda p: p.graph.node.append(
        helper.make_node("Strange", ["x"], ["z"], domain="nobody.knows", body=onnx.GraphProto(node=[OUTER]))
    ),
    "long lists, each of its own": lambda p: (
        [p.graph.initializer.append(numpy_helper.from_array(np.zeros(MOST, np.int64), name)) for name in ("l1", "l2")]
        and p.graph.node.append(helper.make_node("Concat", ["l1", "l2"], ["l"], axis=0))
    ),
}


@pytest.mark.parametrize("change", WELL_FORMED.values(), ids=WELL_FORMED.keys())
def test_models_that_bend_the_rules_are_let_through(change: Change) -> None:
    proto = plain()
    change(proto)
    check_form(proto)


def test_the_length_of_a_large_tensor_is_seen_when_it_is_read() -> None:
    proto = plain()
    tensor = proto.graph.initializer.add(name="large", data_type=1, dims=[LARGE], raw_data=b"\0" * 8)
    check_form(proto)
    with pytest.raises(ModelError, match="'large': its values are not those of its type and shape"):
        Model(proto).array(tensor)


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    proto = plain()
    proto.graph.initializer.add(name="large", data_type=1, dims=[LARGE], raw_data=b"\0" * 8)
    with pytest.raises(ModelError, match="its tensors take 67,110,528 bytes, more than the file has"):
        Model.load(write(proto, tmp_path / "net.onnx"))


def test_bytes_are_counted_as_they_are_stored() -> None:
    sizes = {TensorProto.FLOAT: 28, TensorProto.INT4: 4, TensorProto.BOOL: 7, TensorProto.COMPLEX128: 112}
    assert {kind: stored_bytes(TensorProto(data_type=kind, dims=[7])) for kind in sizes} == sizes


def test_functions_are_looked_into() -> None:
    call = helper.make_node("layer", ["x"], ["y"], domain="own")
    body = helper.make_node("Relu", ["nowhere"], ["b"])
    function = helper.make_function("own", "layer", ["a"], ["b"], [body], [helper.make_opsetid("", 17)])
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([call], "g", infos[:1], infos[1:])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    proto = helper.make_model(graph, functions=[function], opset_imports=imports)
    with pytest.raises(ModelError, match="function 'layer': Relu 'b': it reads 'nowhere'"):
        check_form(proto)
