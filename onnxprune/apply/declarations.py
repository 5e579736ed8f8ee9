"""Declared shapes of constants and intermediate tensors."""

from __future__ import annotations

import onnx
from onnx import helper

from onnxprune.apply.draft import Draft
from onnxprune.axes import Expr
from onnxprune.model import Model
from onnxprune.sizes import Size


def rewrite(draft: Draft) -> None:
    """Bring the declared shapes up to date; those of the model's inputs and outputs never change."""
    constants = Model(draft.proto).constants
    for scope, graph in draft.model.graphs.items():
        for info in (*graph.value_info, *((*graph.input, *graph.output) if scope else ())):
            if not info.type.tensor_type.HasField("shape"):
                continue
            shape, tensor = info.type.tensor_type.shape, draft.trace.tensors.get(f"{scope}{info.name}")
            if (scope, info.name) in constants:
                for dim, length in zip(shape.dim, constants[scope, info.name].dims, strict=False):
                    dim.dim_value = length
            elif tensor is not None and tensor.axes is not None:
                _rewrite_shape(draft, shape, tensor.axes)


def declare_initializers(draft: Draft) -> None:
    """Before IR version 4 every initializer is an input too: give each the shape that it has by now."""
    graph = draft.proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    declared = {info.name: info for info in graph.input}
    for name, info in declared.items():
        if name in stored and info.type.tensor_type.HasField("shape"):
            for dim, length in zip(info.type.tensor_type.shape.dim, stored[name].dims, strict=False):
                dim.dim_value = length
    if draft.proto.ir_version < 4:
        missing = (tensor for name, tensor in stored.items() if name not in declared)
        graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in missing)


def _rewrite_shape(draft: Draft, shape: onnx.TensorShapeProto, axes: tuple[Expr, ...]) -> None:
    for dim, expr in zip(shape.dim, axes, strict=False):
        if draft.shrinks(expr):
            new = draft.new_size(Size.along(expr))
            dim.Clear()
            if new is not None:
                dim.dim_value = new
