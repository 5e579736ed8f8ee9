"""A float32 twin of a half-precision model: the same graph, in which mask == slice can be shown sharply."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from onnxprune.model import Model

HALF = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


def is_half(model: Model) -> bool:
    """Whether any stored tensor or input is in half precision."""
    inputs = [info.type.tensor_type.elem_type for info in model.proto.graph.input]
    return any(tensor.data_type in HALF for tensor in model.tensors()) or any(elem in HALF for elem in inputs)


def as_float32(model: Model) -> Model:
    """Return a copy in which every half-precision tensor, cast and interface is float32."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for graph in Model(proto).graphs.values():
        for tensor in _tensors(graph):
            if tensor.data_type in HALF:
                name = tensor.name
                tensor.CopyFrom(numpy_helper.from_array(model.array(tensor).astype(np.float32), name))
        for info in (*graph.input, *graph.output, *graph.value_info):
            if info.type.tensor_type.elem_type in HALF:
                info.type.tensor_type.elem_type = TensorProto.FLOAT
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype") and attribute.i in HALF:
                    attribute.i = TensorProto.FLOAT
    return Model(proto, model.path)


def _tensors(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        yield from (attribute.t for attribute in node.attribute if attribute.type == onnx.AttributeProto.TENSOR)
