"""Sparse storage: tensors of mostly zeros as values and their places, and back.

A SparseTensorProto holds the values that are not zero and their places in the flattened tensor, as 64-bit integers. As
raw bytes a place takes 8 bytes; in the field for integers, which protobuf packs, it takes 1 below 128, 2 below 16,384
and so on, 3 for most weights. So float32 weights get smaller from some 45 % zeros on instead of from 67 % on.
onnxruntime (tried: 1.18 and 1.32) reads both, and makes the tensors dense again when it loads a model. So does onnx's
checker, but for `full_check`: its shape inference does not take sparse initializers as weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto

from onnxprune.apply.draft import copy_without_weights
from onnxprune.apply.values import refilled
from onnxprune.errors import ModelError
from onnxprune.model import DEFAULT_DOMAIN, Model
from onnxprune.tracing import display_name

Array = NDArray[Any]

TAKEN = frozenset(
    getattr(TensorProto, name)
    for name in (
        "FLOAT DOUBLE FLOAT16 BFLOAT16 INT8 UINT8 INT16 UINT16 INT32 UINT32 INT64 UINT64 "
        "FLOAT8E4M3FN FLOAT8E4M3FNUZ FLOAT8E5M2 FLOAT8E5M2FNUZ"
    ).split()
)
"""Types that onnxruntime loads sparse tensors of; not those of which several values share a byte."""

FIRST_IR = 6
"""The version of the file format that sparse tensors came with."""

FIRST_OPSET = 11
"""The version of the operators from which on a Constant may hold a sparse tensor."""

FRAME = 64
"""Bytes that a sparse tensor takes at most beyond its values, their places, and what a dense one has as well."""

LARGEST = 2**31 - 1
"""Bytes that the largest message holds, and so the largest tensor in one."""


@dataclass(frozen=True)
class SparseStorage:
    """A model with some tensors stored sparse.

    `saved` has the bytes saved by the name of each; `left` says why other tensors of two axes and more stay dense.
    """

    model: Model
    saved: dict[str, int]
    left: dict[str, str]


def to_sparse(model: Model) -> SparseStorage:
    """Return a copy of a model with each tensor stored sparse where that is smaller. Every value stays what it is.

    Initializers of all graphs and the tensors of Constants are looked at. What stays dense keeps its order. A model
    that sparse storage is not for comes back as it is.
    """
    reason = _obstacle_of(model)
    if reason is not None:
        names = [display_name(key) for key, tensor in model.constants.items() if _is_matrix(tensor)]
        return SparseStorage(model, {}, dict.fromkeys(names, reason))
    stored = SparseStorage(Model(copy_without_weights(model.proto), model.path), {}, {})
    declared = {info.name for graph in model.graphs.values() for info in (*graph.input, *graph.output)}
    for scope in stored.model.graphs:
        _convert_initializers(stored, scope, model.graphs[scope].initializer, declared)
        if model.opsets.get("", 1) >= FIRST_OPSET:
            _convert_constants(stored, scope, declared)
    return stored


def to_dense(model: Model) -> Model:
    """Return a model without sparse tensors, or itself if it has none; what was sparse comes after the other tensors.

    Raises `ModelError` where places are not in the tensor.
    """
    if next(_sparse_tensors(model), None) is None:
        return model
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    dense = Model(proto, model.path, model.edits)
    for graph in dense.graphs.values():
        graph.initializer.extend(_dense(model, sparse) for sparse in graph.sparse_initializer)
        del graph.sparse_initializer[:]
        for attribute in [found for node in graph.node for found in _held(node, "sparse_value")]:
            attribute.t.CopyFrom(_dense(model, attribute.sparse_tensor))
            attribute.ClearField("sparse_tensor")
            attribute.name, attribute.type = "value", AttributeProto.TENSOR
    return dense


def _obstacle_of(model: Model) -> str | None:
    """Return why no tensor of a model can be stored sparse, or None."""
    if model.proto.ir_version < FIRST_IR:
        return f"the file is of IR version {model.proto.ir_version}; sparse tensors came with version {FIRST_IR}"
    if model.has_external_data():
        return "the model has external data; sparse tensors are for models in one file"
    return None


def _convert_initializers(
    stored: SparseStorage, scope: str, tensors: Iterable[TensorProto], declared: set[str]
) -> None:
    graph = stored.model.graphs[scope]
    del graph.initializer[:]
    for tensor in tensors:
        sparse = _converted(stored, scope, tensor.name, tensor, declared)
        if sparse is None:
            graph.initializer.append(tensor)
        else:
            graph.sparse_initializer.append(sparse)


def _convert_constants(stored: SparseStorage, scope: str, declared: set[str]) -> None:
    for node in stored.model.graphs[scope].node:
        for attribute in list(_held(node, "value")):
            sparse = _converted(stored, scope, node.output[0], attribute.t, declared)
            if sparse is not None:
                attribute.sparse_tensor.CopyFrom(sparse)
                attribute.ClearField("t")
                attribute.name, attribute.type = "sparse_value", AttributeProto.SPARSE_TENSOR


def _converted(
    stored: SparseStorage, scope: str, name: str, tensor: TensorProto, declared: set[str]
) -> onnx.SparseTensorProto | None:
    """Return a tensor in its sparse form, or None where it has to be or better is dense; note which, and why."""
    shown = display_name((scope, name))
    found: onnx.SparseTensorProto | str = "it is an input or an output of a graph"
    if name not in declared:
        found = _sparse(stored.model, tensor)
    if isinstance(found, str):
        if _is_matrix(tensor):
            stored.left[shown] = found
        return None
    stored.saved[shown] = tensor.ByteSize() - found.ByteSize()
    return found


def _sparse(model: Model, tensor: TensorProto) -> onnx.SparseTensorProto | str:
    """Return a tensor in its sparse form, or why it has to be or better is dense."""
    if tensor.data_type not in TAKEN:
        return f"sparse tensors cannot be {TensorProto.DataType.Name(tensor.data_type)}"
    values = np.ascontiguousarray(model.array(tensor)).reshape(-1)
    places = np.flatnonzero(values.view(f"u{values.itemsize}"))  # by bits, since -0.0 is not 0.0
    before, after = tensor.ByteSize(), places.size * values.itemsize + _packed_size(places) + FRAME
    if after >= before:
        zeros = 1 - places.size / max(values.size, 1)
        return f"{zeros:.0%} of its stored numbers are zero; sparse it would take {after:,} bytes instead of {before:,}"
    indices = TensorProto(data_type=TensorProto.INT64, dims=[places.size], int64_data=places.tolist())
    return onnx.SparseTensorProto(values=refilled(tensor, values[places]), indices=indices, dims=tensor.dims)


def _packed_size(places: Array) -> int:
    """Return the bytes that ascending integers take in the field for integers: one for every 7 bits of each."""
    bits = range(7, 64, 7)
    return places.size + sum(places.size - int(np.searchsorted(places, 1 << count)) for count in bits)


def _dense(model: Model, sparse: onnx.SparseTensorProto) -> TensorProto:
    """Return a sparse tensor in its dense form. Raises `ModelError`."""
    name, shape = sparse.values.name, tuple(sparse.dims)
    values = model.array(sparse.values)
    indices = model.array(sparse.indices) if sparse.HasField("indices") else np.empty(0, np.int64)
    if prod(shape) * values.itemsize > LARGEST:
        raise ModelError(f"sparse tensor '{name}': its {prod(shape):,} numbers do not fit into one file when dense")
    places = _places(indices, shape)
    if places is None or places.shape != values.shape:
        raise ModelError(
            f"sparse tensor '{name}': for each of its {values.size} values, its indices must have one place in "
            f"the shape {list(shape)}"
        )
    made = np.full(prod(shape), "" if values.dtype == object else 0, values.dtype)
    made[places] = values
    return refilled(sparse.values, made.reshape(shape))


def _places(indices: Array, shape: tuple[int, ...]) -> Array | None:
    """Return the places in the flattened tensor that indices name, of either form, or None where they are not in it."""
    if indices.ndim == 1:
        return indices if not indices.size or 0 <= indices.min() <= indices.max() < prod(shape) else None
    try:
        return np.asarray(np.ravel_multi_index(tuple(indices.T), shape))
    except ValueError:
        return None


def _sparse_tensors(model: Model) -> Iterator[onnx.SparseTensorProto]:
    for graph in model.graphs.values():
        yield from graph.sparse_initializer
        yield from (attribute.sparse_tensor for node in graph.node for attribute in _held(node, "sparse_value"))


def _held(node: onnx.NodeProto, name: str) -> Iterator[AttributeProto]:
    """Yield the attribute of this name if the node is a Constant that has it."""
    if node.op_type == "Constant" and node.domain in DEFAULT_DOMAIN:
        yield from (attribute for attribute in node.attribute if attribute.name == name)


def _is_matrix(tensor: TensorProto) -> bool:
    return sum(length > 1 for length in tensor.dims) > 1
