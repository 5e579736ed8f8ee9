"""What changed between two models: tensors of all graphs, nodes, and what models say of themselves."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import edit, plain, shared_scale, values, write
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

import onnxprune
from onnxprune import external, sparse_storage
from onnxprune.diff import Diff, diff_models
from onnxprune.diff import values as streams
from onnxprune.diff.change import Change
from onnxprune.diff.tensors import TensorDiff
from onnxprune.errors import ModelError
from onnxprune.model import Model


def between(folder: Path, before: onnx.ModelProto, after: onnx.ModelProto) -> Diff:
    return diff_models(write(before, folder / "before.onnx"), write(after, folder / "after.onnx"))


def changed(found: Diff) -> dict[str, TensorDiff]:
    """The tensors that are others, by place and name."""
    return {tensor.place + tensor.name: tensor for tensor in found.tensors if tensor.status != "same"}


def edited(change: Callable[[onnx.ModelProto], Any]) -> onnx.ModelProto:
    proto = plain()
    change(proto)
    return proto


def test_a_model_and_itself_are_not_different(tmp_path: Path) -> None:
    found = between(tmp_path, plain(), plain())
    assert found.is_empty and found.same_file and not found.touched
    assert {tensor.name for tensor in found.tensors} == values(plain()).keys()
    assert all(tensor.apart is not None and tensor.apart.relative == 0 for tensor in found.tensors)


def test_removed_channels_are_told_with_all_that_follows_from_them(tmp_path: Path) -> None:
    source = write(plain(), tmp_path / "net.onnx")
    result = onnxprune.prune(source, 0.3, round_to="none", calibration="none", check=False)
    result.save(tmp_path / "pruned.onnx")
    found = diff_models(source, tmp_path / "pruned.onnx")
    before, after = values(plain()), values(result.model)
    shapes = {name: (before[name].shape, after[name].shape) for name in before}
    told = {
        name: (tensor.before.shape, tensor.after.shape)
        for name, tensor in changed(found).items()
        if tensor.before and tensor.after and "shape" in tensor.changed
    }
    assert told == {name: sides for name, sides in shapes.items() if sides[0] != sides[1]} and told
    assert all(tensor.apart is None for tensor in changed(found).values() if "shape" in tensor.changed)
    assert not found.nodes and {"conv1", "bn1", "conv2"} <= set(found.touched)


def test_the_group_of_a_depthwise_convolution_is_told_from_what_to_what(tmp_path: Path) -> None:
    before = Graph()
    x = before.add("Relu", before.conv(before.image(), 8, kernel=3))
    before.output(before.conv(before.conv(x, 8, kernel=3, group=8), 4))
    after = before.model()
    (node,) = (node for node in after.graph.node if any(a.name == "group" for a in node.attribute))
    next(a for a in node.attribute if a.name == "group").i = 4
    (told,) = between(tmp_path, before.model(), after).nodes
    assert (told.name, told.status, told.attributes, told.others) == (
        node.name,
        "changed",
        {"group": Change(8, 4)},
        {},
    )


def test_zeros_in_place_are_told_as_shares_and_as_a_relative_change(tmp_path: Path) -> None:
    weight = values(plain())["conv1.weight"]

    def half(w: Any) -> Any:
        return np.where(np.arange(w.size).reshape(w.shape) % 4 < 2, 0, w)

    (tensor,) = changed(between(tmp_path, plain(), edit(plain(), "conv1.weight", half))).values()
    assert tensor.changed == ("values",) and tensor.nodes == ("conv1",)
    assert tensor.before and tensor.before.share_of_zeros == 0 and tensor.after and tensor.after.share_of_zeros == 0.5
    assert tensor.apart and tensor.apart.elements == weight.size // 2
    wanted = np.linalg.norm(half(weight) - weight) / np.linalg.norm(weight)
    assert tensor.apart.relative == pytest.approx(wanted, rel=1e-6)


def test_a_2_4_pattern_is_half_of_zeros_in_the_same_shapes(tmp_path: Path) -> None:
    source = write(plain(), tmp_path / "net.onnx")
    onnxprune.prune(source, granularity="2:4", calibration="none").save(tmp_path / "zeros.onnx")
    tensors = changed(diff_models(source, tmp_path / "zeros.onnx"))
    weight = tensors["conv2.weight"]
    assert weight.after and weight.after.share_of_zeros == 0.5 and weight.apart
    assert all(tensor.changed == ("values",) for tensor in tensors.values())


def test_quantized_weights_are_new_tensors_of_another_type(tmp_path: Path) -> None:
    source, quantized = write(plain(), tmp_path / "net.onnx"), tmp_path / "quantized.onnx"
    quantize_dynamic(source, quantized, weight_type=QuantType.QUInt8)
    found = diff_models(source, quantized)
    tensors = changed(found)
    assert tensors["conv1.weight"].status == "removed"
    new = tensors["conv1.weight_quantized"]
    assert new.status == "added" and new.after and (new.after.dtype, new.after.shape) == ("uint8", (8, 3, 3, 3))
    assert {node.operator for node in found.nodes if node.status == "added"} >= {"DynamicQuantizeLinear", "ConvInteger"}
    assert {"producer_name", "producer_version"} <= found.model.keys()


def test_external_data_is_compared_in_parts_and_no_tensor_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: Model, tensor: onnx.TensorProto) -> None:
        raise AssertionError(f"{tensor.name} is read whole")

    monkeypatch.setattr(external, "WINDOW", 32)
    monkeypatch.setattr(streams, "BLOCK", 5)
    paths = []
    for name, proto in (("a", plain()), ("b", edit(plain(), "conv2.weight", lambda w: w * 2))):
        external_data_helper.convert_model_to_external_data(proto, location=f"{name}.bin", size_threshold=0)
        onnx.save(proto, tmp_path / f"{name}.onnx")
        paths.append(tmp_path / f"{name}.onnx")
    inside = write(plain(), tmp_path / "inside.onnx")
    assert not changed(diff_models(inside, paths[0]))
    monkeypatch.setattr(Model, "array", refuse)
    (tensor,) = changed(diff_models(*paths)).values()
    assert tensor.name == "conv2.weight" and tensor.apart and tensor.apart.elements == 96
    assert tensor.apart.relative == pytest.approx(1)


@pytest.mark.parametrize(
    ("before", "after", "elements", "relative"),
    [
        ([0.0, 1.0], [-0.0, 1.0], 0, 0.0),
        ([math.nan, 1.0], [math.nan, 1.0], 0, 0.0),
        ([math.nan, 1.0], [2.0, 1.0], 1, math.inf),
        ([math.inf, 2.0], [math.inf, 3.0], 1, 0.5),
        ([0.0, 0.0], [0.0, 1.0], 1, math.inf),
        ([3.0, 4.0], [3.0, 9.0], 1, 1.0),
    ],
)
def test_what_counts_as_a_change_of_values(
    tmp_path: Path, before: list[float], after: list[float], elements: int, relative: float
) -> None:
    sides = [plain(), plain()]
    for proto, numbers in zip(sides, (before, after), strict=True):
        proto.graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.float32), "numbers"))
    found = {tensor.name: tensor for tensor in between(tmp_path, *sides).tensors}["numbers"]
    assert found.apart and (found.apart.elements, found.apart.relative) == (elements, relative)


def test_half_precision_is_compared_with_single_and_integers_are_not(tmp_path: Path) -> None:
    for dtype, comparable in ((np.float16, True), (np.int8, False)):
        (tensor,) = changed(
            between(tmp_path, plain(), edit(plain(), "conv1.weight", lambda w, d=dtype: w.astype(d)))
        ).values()
        assert "dtype" in tensor.changed and tensor.after and tensor.after.dtype == np.dtype(dtype).name
        assert (tensor.apart is not None) is comparable
        if tensor.apart is not None:
            assert 0 < (tensor.apart.relative or 0) < 1e-3


@pytest.mark.parametrize("dtype", [TensorProto.BFLOAT16, TensorProto.INT4, TensorProto.BOOL, TensorProto.STRING])
def test_element_types_that_numpy_lacks_are_compared(tmp_path: Path, dtype: int) -> None:
    before, after = ([b"a", b"b"], [b"a", b"c"]) if dtype == TensorProto.STRING else ([0, 1], [0, 0])
    sides = [plain(), plain()]
    for proto, content in zip(sides, (before, after), strict=True):
        proto.graph.initializer.append(helper.make_tensor("odd", dtype, [2], content))
    (tensor,) = changed(between(tmp_path, *sides)).values()
    assert tensor.name == "odd" and tensor.apart and tensor.apart.elements == 1
    zeros = None if dtype == TensorProto.STRING else 1
    assert tensor.after and tensor.after.zeros == (None if zeros is None else 2)


def test_few_values_are_told_one_by_one(tmp_path: Path) -> None:
    (tensor,) = changed(between(tmp_path, plain(), edit(plain(), "fc.bias", np.zeros_like))).values()
    assert tensor.values == Change(values(plain())["fc.bias"].tolist(), [0.0] * 4)


def test_a_shared_tensor_names_all_that_read_it(tmp_path: Path) -> None:
    (tensor,) = changed(between(tmp_path, shared_scale(), edit(shared_scale(), "ones", lambda w: w * 2))).values()
    assert tensor.nodes == ("bn1", "bn2")


def test_constants_and_sparse_tensors_are_tensors_in_another_form(tmp_path: Path) -> None:
    def constant(proto: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == "fc.weight")
        proto.graph.node.insert(0, helper.make_node("Constant", [], ["fc.weight"], value=tensor))
        proto.graph.initializer.remove(tensor)

    found = between(tmp_path, plain(), edited(constant))
    (tensor,) = changed(found).values()
    assert (tensor.name, tensor.changed) == ("fc.weight", ("form",)) and not found.nodes
    assert tensor.after and tensor.after.form == "Constant"
    dense = edit(plain(), "conv1.weight", lambda w: w * (np.arange(w.size).reshape(w.shape) % 8 == 0))
    sparse = sparse_storage.to_sparse(Model(dense)).model.proto
    (tensor,) = changed(between(tmp_path, dense, sparse)).values()
    assert tensor.changed == ("form",) and tensor.after and tensor.after.form == "sparse initializer"


def branching(scale: float, extra: bool) -> onnx.ModelProto:
    """An If whose branches scale x by a constant of their own; `extra` puts a node in front of it."""

    def branch(factor: float) -> onnx.GraphProto:
        node = helper.make_node("Mul", ["x", "factor"], ["scaled"], name="scale")
        out = helper.make_tensor_value_info("scaled", TensorProto.FLOAT, [2])
        return helper.make_graph([node], "branch", [], [out], [numpy_helper.from_array(np.float32(factor), "factor")])

    nodes = [helper.make_node("Abs", ["x"], ["unused"], name="new")] if extra else []
    nodes.append(
        helper.make_node("If", ["c"], ["y"], name="choice", then_branch=branch(scale), else_branch=branch(3.0))
    )
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    c = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    graph = helper.make_graph(nodes, "net", [x, c], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_bodies_are_compared_also_where_nodes_in_front_of_them_are_new(tmp_path: Path) -> None:
    found = between(tmp_path, branching(1.0, False), branching(2.0, True))
    (tensor,) = changed(found).values()
    assert (tensor.place, tensor.name) == ("choice.then_branch/", "factor")
    assert tensor.values == Change([1.0], [2.0]) and tensor.nodes == ("choice.then_branch/scale",)
    assert [(node.name, node.status) for node in found.nodes] == [("new", "added")]
    assert found.touched == ("new", "choice.then_branch/scale")


def test_nodes_without_names_go_by_what_they_compute(tmp_path: Path) -> None:
    def unnamed(proto: onnx.ModelProto) -> None:
        for node in proto.graph.node:
            node.ClearField("name")

    assert between(tmp_path, plain(), edited(unnamed)).nodes == ()
    before, after = edited(unnamed), edited(unnamed)
    del after.graph.node[2]
    after.graph.node[2].input[0] = "bn1"
    told = {node.name: (node.status, node.others) for node in between(tmp_path, before, after).nodes}
    relu, conv = before.graph.node[2].output[0], before.graph.node[3]
    assert told == {
        relu: ("removed", {}),
        conv.output[0]: ("changed", {"inputs": Change([relu, *conv.input[1:]], ["bn1", *conv.input[1:]])}),
    }


def test_attributes_that_come_and_go_are_told_as_people_write_them(tmp_path: Path) -> None:
    def epsilon(proto: onnx.ModelProto) -> None:
        (norm,) = (node for node in proto.graph.node if node.op_type == "BatchNormalization")
        norm.attribute.append(helper.make_attribute("epsilon", 1e-3))
        norm.doc_string = "a note"

    for sides, change in (((plain(), edited(epsilon)), (None, 1e-3)), ((edited(epsilon), plain()), (1e-3, None))):
        (node,) = between(tmp_path, *sides).nodes
        assert node.attributes == {"epsilon": Change(*change)}


def test_declared_shapes_versions_and_metadata_are_told(tmp_path: Path) -> None:
    def redeclare(proto: onnx.ModelProto) -> None:
        proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
        proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 3
        proto.ir_version, proto.opset_import[0].version = 9, 18
        helper.set_model_props(proto, {"author": "me"})

    found = between(tmp_path, plain(), edited(redeclare))
    assert found.inputs == {"x": Change("float32 [2, 3, 5, 5]", "float32 [batch, 3, 5, 5]")}
    assert found.outputs == {"fc": Change("float32 [2, 4]", "float32 [2, 3]")}
    assert found.model == {
        "ir_version": Change(8, 9),
        "opset ai.onnx": Change(17, 18),
        "metadata author": Change(None, "me"),
    }
    assert not changed(found) and not found.is_empty


def test_weights_that_old_files_declare_as_inputs_are_tensors_and_no_inputs(tmp_path: Path) -> None:
    old = shared_scale(ir=3)
    new = edit(old, "fc.bias", lambda b: b[:3])
    next(info for info in new.graph.input if info.name == "fc.bias").type.tensor_type.shape.dim[0].dim_value = 3
    found = between(tmp_path, old, new)
    assert changed(found).keys() == {"fc.bias"} and found.inputs == {}


def test_files_may_differ_in_what_is_not_compared(tmp_path: Path) -> None:
    def note(proto: onnx.ModelProto) -> None:
        proto.graph.node[0].doc_string = proto.graph.node[0].attribute[0].doc_string = "a note"

    found = between(tmp_path, plain(), edited(note))
    assert found.is_empty and not found.same_file


def test_values_that_do_not_fit_their_shape_are_a_mistake_of_the_model(tmp_path: Path) -> None:
    def cut(proto: onnx.ModelProto) -> None:
        proto.graph.initializer[0].raw_data = proto.graph.initializer[0].raw_data[:-4]

    with pytest.raises(ModelError, match=r"after\.onnx: tensor 'conv1\.weight': its shape .* takes 864 bytes"):
        between(tmp_path, plain(), edited(cut))
