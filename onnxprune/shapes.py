"""Shapes of every tensor, by onnx's own inference over a copy of the graph without its weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, checker, defs, helper, numpy_helper, shape_inference

from onnxprune.model import Model, constant_value
from onnxprune.standins import stand_ins

Shape: TypeAlias = "tuple[int | str | None, ...]"
"""Per axis: a number, the name of a symbolic dimension, or None."""

NOT_INFERRED = (defs.SchemaError, shape_inference.InferenceError, checker.ValidationError)
FAILURES = (shape_inference.InferenceError, checker.ValidationError, RuntimeError, ValueError)
SMALL = 4096
"""Constants of at most this many elements stay in the skeleton: they may hold shapes."""


@dataclass(frozen=True)
class Inferred:
    """What inference found: shapes of tensors of known rank, element types, and whether nothing contradicted.

    Keys are scope and name run together.
    """

    shapes: dict[str, Shape]
    types: dict[str, int]
    consistent: bool


def infer(model: Model, inputs: Mapping[str, tuple[int, ...]] | None = None) -> Inferred:
    """Infer the tensors of all graphs; `inputs` fixes the shapes of graph inputs.

    Declared shapes of intermediate tensors and outputs are believed only where inference finds nothing, and not
    at all once inputs are fixed: exporters get them wrong.
    """
    skeleton = _skeleton(model, inputs or {})
    consistent = True
    try:
        inferred = shape_inference.infer_shapes(skeleton, data_prop=True, strict_mode=inputs is not None)
    except FAILURES:
        inferred, consistent = _infer(skeleton), False
    shapes: dict[str, Shape | None] = {}
    types = {f"{scope}{name}": tensor.data_type for (scope, name), tensor in model.constants.items()}
    for key, info in _declared(Model(inferred)):
        shapes[key] = shape_of(info)
        types.setdefault(key, info.type.tensor_type.elem_type)
    if inputs is None:
        for key, info in _declared(model):
            shapes[key] = _merge(shapes.get(key), shape_of(info))
    return Inferred({key: shape for key, shape in shapes.items() if shape is not None}, types, consistent)


@dataclass(frozen=True)
class Known:
    """What is known of one input of a node: its element type, shape and, for integers, perhaps its values."""

    elem_type: int
    shape: Shape | None
    values: NDArray[np.int64] | None


def infer_outputs(node: onnx.NodeProto, opsets: Mapping[str, int], inputs: Mapping[str, Known]) -> dict[str, Shape]:
    """Infer the outputs of one node from what is known of its inputs by now; empty where onnx cannot say."""
    replaced = stand_ins(node)
    if len(replaced) > 1:
        return {}
    node = replaced[0]
    try:
        schema = defs.get_schema(node.op_type, opsets[node.domain], node.domain)
        types = {name: helper.make_tensor_type_proto(known.elem_type, known.shape) for name, known in inputs.items()}
        data = {
            name: numpy_helper.from_array(known.values, name)
            for name, known in inputs.items()
            if known.values is not None and known.elem_type == TensorProto.INT64
        }
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        outputs = shape_inference.infer_node_outputs(schema, node, types, data, opset_imports=imports)
    except (*NOT_INFERRED, KeyError, RuntimeError, ValueError, TypeError):
        return {}
    shapes = {name: shape_of(onnx.ValueInfoProto(name=name, type=type_)) for name, type_ in outputs.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _infer(skeleton: onnx.ModelProto) -> onnx.ModelProto:
    for data_prop in (True, False):
        with contextlib.suppress(*FAILURES):
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
        value = constant_value(node)
        if value is not None and _elements(value) > SMALL:
            # An Identity in its place keeps the other nodes at theirs.
            _add_constant(bare.graph, value, f"{node.output[0]} value")
            bare.graph.node.append(helper.make_node("Identity", [f"{node.output[0]} value"], [node.output[0]]))
        else:
            bare.graph.node.extend(stand_ins(node))
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


def _declared(model: Model) -> Iterator[tuple[str, onnx.ValueInfoProto]]:
    """Yield what is declared of every value, with its scope and name run together."""
    for scope, graph in model.graphs.items():
        for info in (*graph.input, *graph.value_info, *graph.output):
            yield f"{scope}{info.name}", info


def shape_of(info: onnx.ValueInfoProto) -> Shape | None:
    """Return the declared shape of a value, or None where it is no tensor or its rank is not declared."""
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
