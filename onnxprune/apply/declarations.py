"""Declared shapes of constants and intermediate tensors."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from onnx import helper

from onnxprune.apply.draft import Draft
from onnxprune.axes import Expr
from onnxprune.model import Model
from onnxprune.sizes import Size


def rewrite(draft: Draft) -> None:
    """Bring the declared shapes up to date; those of the model's inputs and outputs never change."""
    dense, constants = draft.trace.model.constants, Model(draft.proto).constants
    for scope, graph in draft.model.graphs.items():
        for info in (*graph.value_info, *((*graph.input, *graph.output) if scope else ())):
            if not info.type.tensor_type.HasField("shape"):
                continue
            shape, tensor = info.type.tensor_type.shape, draft.trace.tensors.get(f"{scope}{info.name}")
            if (scope, info.name) in constants:
                _resize(shape, dense[scope, info.name].dims, constants[scope, info.name].dims)
            elif tensor is not None and tensor.axes is not None:
                _rewrite_shape(draft, shape, tensor.axes)


def declare_initializers(draft: Draft) -> None:
    """Before IR version 4 every initializer is an input too: give each the shape that it has by now."""
    graph = draft.proto.graph
    dense = {tensor.name: tensor for tensor in draft.trace.model.proto.graph.initializer}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for info in graph.input:
        if info.name in stored and info.type.tensor_type.HasField("shape"):
            _resize(info.type.tensor_type.shape, dense[info.name].dims, stored[info.name].dims)
    if draft.proto.ir_version < 4:
        added = (tensor for name, tensor in stored.items() if name not in dense)
        graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in added)


def _resize(shape: onnx.TensorShapeProto, old: Iterable[int], new: Iterable[int]) -> None:
    """Declare the lengths that a constant has by now; what is declared of the others stays as it is written."""
    for dim, before, after in zip(shape.dim, old, new, strict=False):
        if before != after:
            dim.dim_value = after


def _rewrite_shape(draft: Draft, shape: onnx.TensorShapeProto, axes: tuple[Expr, ...]) -> None:
    """Declare new sizes where sizes were declared, by a number or a name; a denotation stays."""
    for dim, expr in zip(shape.dim, axes, strict=False):
        if draft.shrinks(expr) and dim.WhichOneof("value") is not None:
            new = draft.new_size(Size.along(expr))
            if new is None:
                dim.ClearField("dim_value")
                dim.ClearField("dim_param")
            else:
                dim.dim_value = new
