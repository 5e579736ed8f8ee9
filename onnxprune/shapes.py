"""Shapes of every tensor, by onnx's own inference over a copy of the graph without its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import onnx
from onnx import TensorProto, helper, shape_inference

from onnxprune.model import Model, constant_value

Shape: TypeAlias = "tuple[int | str | None, ...]"
"""Per axis: a number, the name of a symbolic dimension, or None."""

SMALL = 4096
"""Constants of at most this many elements stay in the skeleton: they may hold shapes."""


def infer_shapes(model: Model, inputs: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, Shape]:
    """Return the shape of every tensor of the main graph whose rank is known.

    `inputs` fixes the shapes of graph inputs (to count MACs at a size, say). Declared shapes of intermediate
    tensors and outputs are believed only where inference finds nothing: exporters get them wrong.
    """
    skeleton = _skeleton(model, inputs or {})
    declared = {} if inputs else {info.name: _shape_of(info) for info in _declared(model)}
    inferred = {info.name: _shape_of(info) for info in _declared(Model(_infer(skeleton)))}
    shapes: dict[str, Shape] = {}
    for name in declared.keys() | inferred.keys():
        shape = _merge(inferred.get(name), declared.get(name))
        if shape is not None:
            shapes[name] = shape
    return shapes


def _infer(skeleton: onnx.ModelProto) -> onnx.ModelProto:
    for data_prop in (True, False):
        with contextlib.suppress(shape_inference.InferenceError, RuntimeError):
            return shape_inference.infer_shapes(skeleton, data_prop=data_prop)
    return skeleton


def _skeleton(model: Model, inputs: Mapping[str, tuple[int, ...]]) -> onnx.ModelProto:
    graph = model.proto.graph
    bare = onnx.ModelProto(ir_version=max(model.proto.ir_version, 4), opset_import=model.proto.opset_import)
    bare.functions.extend(model.proto.functions)
    bare.graph.name = graph.name
    stored = {tensor.name for tensor in graph.initializer}
    for info in graph.input:
        if info.name not in stored:
            bare.graph.input.append(_with_shape(info, inputs.get(info.name)))
    for tensor in graph.initializer:
        _add_constant(bare.graph, tensor, tensor.name)
    for node in graph.node:
        tensor = constant_value(node)
        if tensor is not None and _elements(tensor) > SMALL:
            _add_constant(bare.graph, tensor, node.output[0])
        else:
            bare.graph.node.append(node)
    for info in graph.output:
        bare.graph.output.append(helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, None))
    return bare


def _add_constant(graph: onnx.GraphProto, tensor: TensorProto, name: str) -> None:
    external = tensor.data_location == TensorProto.EXTERNAL
    if _elements(tensor) > SMALL or external:
        graph.input.append(helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims)))
    else:
        graph.initializer.append(tensor)


def _elements(tensor: TensorProto) -> int:
    elements = 1
    for length in tensor.dims:
        elements *= length
    return elements


def _with_shape(info: onnx.ValueInfoProto, shape: tuple[int, ...] | None) -> onnx.ValueInfoProto:
    if shape is None:
        return info
    return helper.make_tensor_value_info(info.name, info.type.tensor_type.elem_type, list(shape))


def _declared(model: Model) -> Iterator[onnx.ValueInfoProto]:
    graph = model.proto.graph
    yield from graph.input
    yield from graph.value_info
    yield from graph.output


def _shape_of(info: onnx.ValueInfoProto) -> Shape | None:
    if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
        return None
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None)
        for dim in info.type.tensor_type.shape.dim
    )


def _merge(inferred: Shape | None, declared: Shape | None) -> Shape | None:
    if inferred is None or declared is None or len(inferred) != len(declared):
        return inferred if inferred is not None else declared
    return tuple(
        known if known is not None and not (isinstance(known, str) and isinstance(other, int)) else other
        for known, other in zip(inferred, declared, strict=True)
    )


IMAGE_SIZE = 224
LINE_LENGTH = 320
SEQUENCE_LENGTH = 16


def concrete_inputs(model: Model, given: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, tuple[int, ...]]:
    """Return a shape for every graph input, to run the model and count its MACs at.

    Sizes that the model leaves open: 1 for the first axis (the batch), 224 for both sides of an image, 320 for the
    one open side of a line of text, 16 elsewhere. `given` overrides whole shapes by input name.
    """
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    shapes: dict[str, tuple[int, ...]] = {}
    for info in model.proto.graph.input:
        if info.name not in stored:
            shapes[info.name] = (given or {}).get(info.name) or _concrete(_shape_of(info) or ())
    return shapes


def _concrete(shape: Shape) -> tuple[int, ...]:
    known = [length if isinstance(length, int) and length > 0 else None for length in shape]
    is_image = len(shape) == 4
    open_sides = sum(length is None for length in known[2:])
    side = SEQUENCE_LENGTH if not is_image else IMAGE_SIZE if open_sides == 2 else LINE_LENGTH
    return tuple(
        length if length is not None else 1 if place == 0 else side for place, length in enumerate(known)
    )


def symbol_values(
    symbolic: Mapping[str, Shape], concrete: Mapping[str, Shape]
) -> dict[str, int]:
    """Return the size of every symbol, and of every axis that has none (as `tensor[axis]`), at concrete inputs."""
    values: dict[str, int] = {}
    for name, shape in concrete.items():
        names = symbolic.get(name, ())
        for place, length in enumerate(shape):
            if isinstance(length, int):
                values[f"{name}[{place}]"] = length
                if place < len(names) and isinstance(symbol := names[place], str):
                    values.setdefault(symbol, length)
    return values
