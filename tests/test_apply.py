"""Slicing: what depends on a shrunk dim follows it, and nothing else in the model changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from networks import CLASSES, Net, branchy, plain, shared_scale, traced, values
from onnx import TensorProto, helper, numpy_helper

from onnxprune.apply import Changes, apply_masks
from onnxprune.apply.draft import Draft
from onnxprune.axes import Dim, Mask
from onnxprune.model import Model
from onnxprune.tracing import Trace


def first_kept(found: Trace, kept: dict[str, int]) -> dict[Dim, Mask]:
    """Masks that keep the first units of the dims of these names."""
    dims = {name: dim for dim, name in found.names.items()}
    return {dims[name]: np.arange(dims[name].size) < count for name, count in kept.items()}


def sliced(proto: onnx.ModelProto, **kept: int) -> tuple[onnx.ModelProto, Changes]:
    """Keep the first units of dims, named by the weight whose axis 0 they are."""
    found = traced(proto)
    pruned, changes = apply_masks(found, first_kept(found, {f"{name}.weight[0]": n for name, n in kept.items()}))
    onnx.checker.check_model(pruned.proto, full_check=True)
    return pruned.proto, changes


def decorated() -> onnx.ModelProto:
    """A network with everything that a pruner does not understand and must not lose."""
    proto = plain(batch="N")
    proto.producer_name, proto.producer_version, proto.domain, proto.doc_string = "tests", "3", "org.test", "a model"
    proto.model_version = 7
    helper.set_model_props(proto, {"names": "{0: 'cat'}", "stride": "32"})
    proto.opset_import.append(helper.make_opsetid("acme", 4))
    proto.graph.doc_string = "a graph"
    proto.graph.node[0].doc_string = "a node"
    proto.graph.input[0].doc_string = "an input"
    proto.graph.initializer[0].doc_string = "a weight"
    proto.graph.initializer[-1].doc_string = "a bias"
    gate = helper.make_node("Gate", ["fc"], ["gated"], name="gate", domain="acme", colour="red", levels=[1, 2])
    proto.graph.node.append(gate)
    proto.graph.output.append(helper.make_tensor_value_info("gated", TensorProto.FLOAT, ["N", "gates"]))
    proto.graph.value_info.append(helper.make_tensor_value_info("conv1", TensorProto.FLOAT, ["N", 8, 5, 5]))
    proto.graph.value_info.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 12]))
    function = helper.make_function(
        "acme", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    proto.functions.append(function)
    annotation = proto.graph.quantization_annotation.add()
    annotation.tensor_name = "conv1"
    return proto


@pytest.mark.parametrize("network", [plain, branchy, shared_scale, decorated])
def test_without_masks_the_bytes_are_the_same(network: Callable[[], onnx.ModelProto]) -> None:
    pruned, changes = apply_masks(traced(network()), {})
    assert pruned.proto.SerializeToString() == network().SerializeToString()
    assert changes == Changes()


def test_masks_that_keep_everything_change_nothing() -> None:
    found = traced(branchy())
    pruned, _ = apply_masks(found, {dim: np.ones(dim.size, bool) for dim in found.dims})
    assert pruned.proto == branchy()


def test_the_dense_model_is_left_alone() -> None:
    proto = branchy()
    sliced(proto, conv1=3, from_left=4)
    assert proto == branchy()


def test_everything_but_the_sliced_is_as_before() -> None:
    dense, (pruned, changes) = decorated(), sliced(decorated(), conv1=5)
    expected = decorated()
    for tensor in expected.graph.initializer:
        for axis, kept in changes.keep.get(tensor.name, {}).items():
            taken = numpy_helper.from_array(numpy_helper.to_array(tensor).take(kept, int(axis)), tensor.name)
            if tensor.HasField("doc_string"):
                taken.doc_string = tensor.doc_string
            tensor.CopyFrom(taken)
    expected.graph.value_info[0].type.tensor_type.shape.dim[1].dim_value = 5
    assert pruned == expected != dense


def test_inputs_and_outputs_keep_their_names_types_and_open_sizes() -> None:
    pruned, _ = sliced(decorated(), conv1=5, conv2=3)
    assert list(pruned.graph.input) == list(decorated().graph.input)
    assert list(pruned.graph.output) == list(decorated().graph.output)


def test_every_weight_of_a_dim_is_sliced_with_the_same_mask() -> None:
    found = traced(plain())
    masks = first_kept(found, {"conv1.weight[0]": 8})
    mask = np.array([1, 0, 0, 1, 1, 0, 1, 0], bool)
    pruned, _ = apply_masks(found, dict.fromkeys(masks, mask))
    dense, after = values(plain()), values(pruned.proto)
    for name in ("conv1.weight", "conv1.bias", "bn1.scale", "bn1.bias", "bn1.mean", "bn1.var"):
        np.testing.assert_array_equal(after[name], dense[name][mask], strict=True)
    np.testing.assert_array_equal(after["conv2.weight"], dense["conv2.weight"][:, mask], strict=True)


def test_an_input_side_of_a_concatenation_is_sliced_at_its_place() -> None:
    pruned, changes = sliced(branchy(), side=2)
    assert changes.keep["mix.weight"] == {"1": [*range(8), 8, 9]}
    assert values(pruned)["mix.weight"].shape == (12, 10, 1, 1)


def test_the_sizes_of_a_split_follow() -> None:
    found = traced(branchy())
    names = {f"mix.weight[0].{part}": count for part, count in enumerate((3, 5))}
    pruned, changes = apply_masks(found, first_kept(found, names))
    assert values(pruned.proto)["lengths"].tolist() == [3, 5]
    assert changes.keep["mix.weight"]["0"] == [0, 1, 2, 4, 5, 6, 7, 8]
    assert {"where": "lengths[1]", "old": 8, "new": 5} in changes.sizes


def test_the_group_of_a_depthwise_convolution_follows() -> None:
    pruned, changes = sliced(branchy(), conv1=3)
    node = next(node for node in pruned.graph.node if node.name == "depthwise")
    assert next(a.i for a in node.attribute if a.name == "group") == 3
    assert values(pruned)["depthwise.weight"].shape == (3, 1, 3, 3)
    assert {"where": "depthwise.group", "old": 8, "new": 3} in changes.sizes


def test_a_split_without_sizes_gets_them() -> None:
    net = Net()
    x = net.conv("conv", "x", 8)
    net.nodes.append(helper.make_node("Split", [x], ["left", "right"], name="split", axis=1))
    net.channels.update(left=4, right=4)
    joined = net.node("Add", [net.conv("a", "left", 6), net.conv("b", "right", 6)], "sum")
    found = traced(net.model(net.head(joined)))
    pruned, _ = apply_masks(found, first_kept(found, {"conv.weight[0].0": 1, "conv.weight[0].1": 3}))
    onnx.checker.check_model(pruned.proto, full_check=True)
    split = next(node for node in pruned.proto.graph.node if node.name == "split")
    assert values(pruned.proto)[split.input[1]].tolist() == [1, 3]


def test_declared_shapes_of_intermediate_tensors_follow() -> None:
    proto = decorated()
    proto.graph.value_info.append(helper.make_tensor_value_info("conv2", TensorProto.FLOAT, None))
    pruned, _ = sliced(proto, conv1=5, conv2=3)
    *with_shape, without = pruned.graph.value_info
    declared = {i.name: [d.dim_value or d.dim_param for d in i.type.tensor_type.shape.dim] for i in with_shape}
    assert declared == {"conv1": ["N", 5, 5, 5], "flat": ["N", 3]}
    assert not without.type.tensor_type.HasField("shape")


def test_a_weight_whose_uses_shrink_differently_gets_a_copy_per_use() -> None:
    pruned, changes = sliced(shared_scale(), conv1=3, conv2=5)
    assert changes.copies == {"ones_2": "ones"}
    lengths = [values(pruned)[n.input[1]].size for n in pruned.graph.node if n.op_type == "BatchNormalization"]
    assert lengths == [3, 5]


def test_the_unshrunk_use_keeps_the_name() -> None:
    pruned, changes = sliced(shared_scale(), conv2=5)
    assert values(pruned)["ones"].size == 8 and values(pruned)["ones_2"].size == 5
    assert "ones" not in changes.keep and changes.keep["ones_2"] == {"0": [0, 1, 2, 3, 4]}


def test_uses_that_shrink_alike_share_one_weight() -> None:
    pruned, changes = sliced(shared_scale(), conv1=4, conv2=4)
    assert changes.copies == {} and values(pruned)["ones"].size == 4


def test_a_copy_takes_no_name_that_is_taken() -> None:
    proto = shared_scale()
    proto.graph.node[0].output[0] = proto.graph.node[1].input[0] = "ones_2"
    pruned, changes = sliced(proto, conv1=3, conv2=5)
    assert changes.copies == {"ones_3": "ones"} and "ones_3" in values(pruned)


def test_new_names_count_up_from_two() -> None:
    draft = Draft(traced(plain()), {})
    assert [draft.new_name(name) for name in ("conv1.weight", "new", "new", "new")] == [
        *("conv1.weight_2", "new", "new_2", "new_3")
    ]


def test_in_old_models_every_weight_stays_an_input_too() -> None:
    found = traced(shared_scale(ir=3))
    pruned, _ = apply_masks(found, first_kept(found, {"conv1.weight[0]": 3, "conv2.weight[0]": 5}))
    onnx.checker.check_model(pruned.proto, full_check=True)


def test_in_newer_models_a_new_weight_is_no_input() -> None:
    found = traced(shared_scale(ir=4))
    pruned, changes = apply_masks(found, first_kept(found, {"conv1.weight[0]": 3, "conv2.weight[0]": 5}))
    assert changes.copies and [info.name for info in pruned.proto.graph.input] == ["x"]


def test_old_models_declare_the_new_shapes() -> None:
    found = traced(shared_scale(ir=3))
    pruned, _ = apply_masks(found, first_kept(found, {"conv1.weight[0]": 3}))
    shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in pruned.proto.graph.input}
    assert shapes["conv1.weight"] == [3, 3, 3, 3] and shapes["conv2.weight"] == [8, 3, 3, 3]


def test_weights_in_constant_nodes_are_sliced_where_they_are() -> None:
    dense = plain()
    tensor = next(t for t in dense.graph.initializer if t.name == "conv2.weight")
    dense.graph.node.insert(0, helper.make_node("Constant", [], ["conv2.weight"], value=tensor))
    dense.graph.initializer.remove(tensor)
    pruned, changes = sliced(dense, conv1=5)
    assert [node.op_type for node in pruned.graph.node] == [node.op_type for node in dense.graph.node]
    assert list(pruned.graph.node[0].attribute[0].t.dims) == [12, 5, 1, 1]
    assert changes.keep["conv2.weight"] == {"1": [0, 1, 2, 3, 4]}


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_the_type_of_a_weight_is_kept(kind: Any) -> None:
    net = Net()
    elem = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    net.input.type.tensor_type.elem_type = elem
    for name, shape in {"a.weight": (8, 3, 1, 1), "b.weight": (CLASSES, 8, 1, 1)}.items():
        net.store(name, net.rng.normal(size=shape).astype(kind))
    net.node("Conv", [net.node("Conv", ["x", "a.weight"], "a", 8), "b.weight"], "b", CLASSES)
    y = helper.make_tensor_value_info("b", elem, [2, CLASSES, 5, 5])
    proto = helper.make_model(
        helper.make_graph(net.nodes, "g", [net.input], [y], net.stored),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    pruned, _ = sliced(proto, a=3)
    np.testing.assert_array_equal(values(pruned)["a.weight"], values(proto)["a.weight"][:3], strict=True)


def test_what_an_unknown_operator_touches_stays_and_the_rest_can_go() -> None:
    net = Net()
    x = net.relu(net.conv("conv1", "x", 8, 3))
    strange = net.conv("strange", x, 8)
    net.nodes.append(helper.make_node("Mystery", [strange], ["m"], name="mystery", domain="acme"))
    net.channels["m"] = 8
    y = net.conv("last", net.relu(net.conv("conv2", "m", 12)), CLASSES)
    graph = helper.make_graph(
        net.nodes,
        "g",
        [net.input],
        [helper.make_tensor_value_info(y, TensorProto.FLOAT, [2, CLASSES, 5, 5])],
        net.stored,
    )
    graph.value_info.append(helper.make_tensor_value_info("m", TensorProto.FLOAT, [2, 8, 5, 5]))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("acme", 1)])
    found = traced(proto)
    assert set(found.names.values()) == {"conv1.weight[0]", "conv2.weight[0]"}
    pruned, _ = apply_masks(found, first_kept(found, {"conv1.weight[0]": 3, "conv2.weight[0]": 5}))
    assert values(pruned.proto)["strange.weight"].shape == (8, 3, 1, 1)


def test_fields_of_a_newer_format_survive() -> None:
    future = b"\xfa\x3e\x06future"  # field 1007, a string that this version of onnx does not know
    data = plain().SerializeToString() + future
    proto = onnx.ModelProto.FromString(data)
    pruned, _ = apply_masks(traced(proto), {})
    assert future in proto.SerializeToString()
    assert future in pruned.proto.SerializeToString()


def test_the_result_remembers_where_the_model_lay(tmp_path: Any) -> None:
    (tmp_path / "net.onnx").write_bytes(plain().SerializeToString())
    from onnxprune.tracing import trace

    pruned, _ = apply_masks(trace(Model.load(tmp_path / "net.onnx")), {})
    assert pruned.path == tmp_path / "net.onnx"
