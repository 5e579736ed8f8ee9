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


def infer_shapes(model: Model) -> dict[str, Shape]:
    """Return the shape of every tensor of the main graph whose rank is known.

    Declared shapes of intermediate tensors and outputs are believed only where inference finds nothing:
    exporters get them wrong.
    """
    declared = {info.name: _shape_of(info) for info in _declared(model)}
    inferred = _shapes_in(_infer(_skeleton(model, {})))
    shapes: dict[str, Shape] = {}
    for name in declared.keys() | inferred.keys():
        shape = _merge(inferred.get(name), declared.get(name))
        if shape is not None:
            shapes[name] = shape
    return shapes


def shapes_at(model: Model, inputs: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, Shape], bool]:
    """Return every shape that follows from concrete input shapes, and whether inference found them consistent."""
    skeleton = _skeleton(model, inputs)
    try:
        return _shapes_in(shape_inference.infer_shapes(skeleton, data_prop=True, strict_mode=True)), True
    except (shape_inference.InferenceError, RuntimeError):
        return _shapes_in(_infer(skeleton)), False


def _infer(skeleton: onnx.ModelProto) -> onnx.ModelProto:
    for data_prop in (True, False):
        with contextlib.suppress(shape_inference.InferenceError, RuntimeError):
            return shape_inference.infer_shapes(skeleton, data_prop=data_prop)
    return skeleton


def _shapes_in(proto: onnx.ModelProto) -> dict[str, Shape]:
    found = {info.name: _shape_of(info) for info in _declared(Model(proto))}
    return {name: shape for name, shape in found.items() if shape is not None}


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
        value = constant_value(node)
        if value is not None and _elements(value) > SMALL:
            _add_constant(bare.graph, value, node.output[0])
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
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else (dim.dim_param or None)
        for dim in info.type.tensor_type.shape.dim
    )


def _merge(inferred: Shape | None, declared: Shape | None) -> Shape | None:
    if inferred is None or declared is None or len(inferred) != len(declared):
        return inferred if inferred is not None else declared
    return tuple(
        known if known is not None and not (isinstance(known, str) and isinstance(other, int)) else other
        for known, other in zip(inferred, declared, strict=True)
    )


IMAGE_SIDES = ((224, 224), (48, 320), (640, 640), (64, 64))
LINE_LENGTHS = (320, 64)
SEQUENCE_LENGTHS = (16, 512, 64)
"""Sizes to try for what a model leaves open: the first of each, then the next where the model cannot run at it."""


def concrete_inputs(
    model: Model, given: Mapping[str, tuple[int, ...]] | None = None, attempt: int = 0
) -> dict[str, tuple[int, ...]]:
    """Return a shape for every graph input, to run the model and count its MACs at.

    Where the model leaves a size open it is 1 for the first axis (the batch), a usual size for the sides of an
    image or the length of a line of text, and a short sequence elsewhere; `attempt` counts through alternatives.
    `given` overrides whole shapes by input name.
    """
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    shapes: dict[str, tuple[int, ...]] = {}
    for info in model.proto.graph.input:
        if info.name not in stored:
            shapes[info.name] = (given or {}).get(info.name) or _concrete(_shape_of(info) or (), attempt)
    return shapes


def _concrete(shape: Shape, attempt: int) -> tuple[int, ...]:
    open_places = [place for place, length in enumerate(shape) if not isinstance(length, int)]
    if len(shape) == 4 and {2, 3} <= set(open_places):
        sides: tuple[int, ...] = IMAGE_SIDES[attempt % len(IMAGE_SIDES)]
    elif len(shape) == 4:
        sides = (LINE_LENGTHS[attempt % len(LINE_LENGTHS)],) * 2
    else:
        sides = (SEQUENCE_LENGTHS[attempt % len(SEQUENCE_LENGTHS)],) * 2
    return tuple(
        length if isinstance(length, int) else 1 if place == 0 else sides[place % 2]
        for place, length in enumerate(shape)
    )


ATTEMPTS = max(len(IMAGE_SIDES), len(LINE_LENGTHS), len(SEQUENCE_LENGTHS))


def usual_inputs(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the first of the usual input shapes that inference finds consistent."""
    for attempt in range(ATTEMPTS):
        inputs = concrete_inputs(model, attempt=attempt)
        if shapes_at(model, inputs)[1]:
            return inputs
    return concrete_inputs(model)
