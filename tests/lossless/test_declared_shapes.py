"""What is declared of shapes: sizes that shrank are written anew, and nothing else is."""

from __future__ import annotations

import onnx
import pytest
from networks import plain, shared_scale
from onnx import TensorProto, helper, shape_inference

import onnxprune

SHRUNK = "conv1"
"""A tensor of [N, 8, 5, 5] that loses channels."""


def declaring(*sizes: int | str | None) -> onnx.ModelProto:
    proto = plain(batch="N")
    proto.graph.value_info.append(helper.make_tensor_value_info(SHRUNK, TensorProto.FLOAT, sizes))
    return proto


def pruned(proto: onnx.ModelProto) -> onnx.ModelProto:
    return onnxprune.prune(proto, amount=0.4, round_to="none", calibration="none").model


def declared(proto: onnx.ModelProto, name: str = SHRUNK) -> list[int | str | None]:
    infos = (*proto.graph.value_info, *proto.graph.input)
    shape = next(info for info in infos if info.name == name).type.tensor_type.shape
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in shape.dim]


def width(proto: onnx.ModelProto) -> int:
    return next(tensor.dims[0] for tensor in proto.graph.initializer if tensor.name == f"{SHRUNK}.weight")


@pytest.mark.parametrize("channels", [8, "channels"])
def test_a_declared_size_that_shrank_is_written_anew(channels: int | str) -> None:
    model = pruned(declaring("N", channels, "h", 5))
    assert declared(model) == ["N", width(model), "h", 5] and width(model) < 8


def test_a_size_that_was_not_declared_is_not_declared_now() -> None:
    assert declared(pruned(declaring("N", None, None, 5))) == ["N", None, None, 5]


def test_denotations_stay_where_a_size_is_written_anew() -> None:
    proto = declaring("N", 8, 5, 5)
    proto.graph.value_info[0].type.tensor_type.shape.dim[1].denotation = "DATA_CHANNEL"
    shape = pruned(proto).graph.value_info[0].type.tensor_type.shape
    assert shape.dim[1].denotation == "DATA_CHANNEL" and shape.dim[1].dim_value < 8


def test_of_a_declared_constant_only_the_sizes_that_shrank_are_written_anew() -> None:
    proto = plain()
    proto.graph.value_info.append(
        helper.make_tensor_value_info("conv1.weight", TensorProto.FLOAT, ["out", "in", None, 3])
    )
    model = pruned(proto)
    assert declared(model, "conv1.weight") == [width(model), "in", None, 3]


def test_constants_that_are_inputs_keep_the_names_of_their_sizes() -> None:
    proto = shared_scale(ir=3)
    info = next(info for info in proto.graph.input if info.name == "conv1.weight")
    info.CopyFrom(helper.make_tensor_value_info("conv1.weight", TensorProto.FLOAT, ["out", "in", "k", 3]))
    model = pruned(proto)
    assert declared(model, "conv1.weight") == [width(model), "in", "k", 3]


def test_constants_of_an_old_format_that_were_no_inputs_do_not_become_any() -> None:
    proto = shared_scale(ir=3)
    del proto.graph.input[1:]
    model = pruned(proto)
    copies = {tensor.name for tensor in model.graph.initializer} - {t.name for t in proto.graph.initializer}
    assert {info.name for info in model.graph.input} == {"x"} | copies


def test_declared_shapes_are_those_that_are_inferred() -> None:
    proto = shape_inference.infer_shapes(plain())
    model = pruned(proto)
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    assert list(shape_inference.infer_shapes(bare).graph.value_info) == list(model.graph.value_info)
