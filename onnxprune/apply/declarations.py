"""Declared shapes of constants and intermediate tensors."""

from __future__ import annotations

import onnx

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


def _rewrite_shape(draft: Draft, shape: onnx.TensorShapeProto, axes: tuple[Expr, ...]) -> None:
    for dim, expr in zip(shape.dim, axes, strict=False):
        if draft.shrinks(expr):
            new = draft.new_size(Size.along(expr))
            dim.Clear()
            if new is not None:
                dim.dim_value = new
