"""An ONNX model as the one source of truth, with a view of its graphs, nodes and constants.

The view is our own rather than onnx-graphsurgeon's: importing into graphsurgeon costs a second copy of the
structure and its nodes lose the place in the proto that an edit has to go back to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import checker, inliner, numpy_helper

from onnxprune.errors import ModelError
from onnxprune.external import Edit, Extent, Place, check_length, extent_of, fits, place_of
from onnxprune.wellformed import check_form
from onnxprune.wellformed.tensors import stored_bytes

DEFAULT_DOMAIN = ("", "ai.onnx")
MOVES = {
    "Cast",
    "Expand",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
}
"""Operators whose output holds elements of their first input and nothing else."""


@dataclass(frozen=True, slots=True, order=True)
class NodeKey:
    """The place of a node: the scope of its graph ('' is the main graph) and its index there."""

    scope: str
    index: int

    def __str__(self) -> str:
        return f"{self.scope}{self.index}"


ConstantKey: TypeAlias = tuple[str, str]
"""The scope of the graph that holds a constant, and its name there."""


class Model:
    """A ModelProto and where it came from; `edits` change values in external data as they are read."""

    def __init__(
        self, proto: onnx.ModelProto, path: Path | None = None, edits: Mapping[Place, Edit] | None = None
    ) -> None:
        self.proto = proto
        self.path = path
        self.edits = dict(edits or {})

    @staticmethod
    def load(path: str | Path) -> Model:
        """Read a model; external data stays on disk until it is needed. Raises `ModelError`."""
        path = Path(path)
        try:
            proto = onnx.load(path, format="protobuf", load_external_data=False)
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror})") from error
        except (DecodeError, ValueError) as error:
            raise ModelError(f"{path}: not an ONNX file, or a truncated one") from error
        model = Model(proto, path)
        model.check()
        inside = sum(stored_bytes(tensor) for tensor in model.tensors() if tensor.HasField("raw_data"))
        if inside > path.stat().st_size:
            raise ModelError(f"{path}: by their shapes its tensors take {inside:,} bytes, more than the file has")
        return model

    def check(self) -> None:
        """Refuse what is not a well-formed model: no graph, names that lead nowhere, values that are not there."""
        where = self.path or "the model"
        if not self.proto.graph.node:
            raise ModelError(f"{where}: the graph is empty; is this an ONNX file?")
        if not self.proto.graph.output:
            raise ModelError(f"{where}: the graph has no outputs")
        try:
            check_form(self.proto)
        except ModelError as error:
            raise ModelError(f"{where}: {error}") from None
        for tensor in self.tensors():
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                check_length(tensor, self.extent(tensor))

    def inlined(self) -> Model:
        """Return the model with the calls of its own functions replaced by their bodies, or itself if it has none."""
        if not self.proto.functions:
            return self
        try:
            proto = inliner.inline_local_functions(self.proto)
        except (RuntimeError, ValueError, checker.ValidationError) as error:
            why = " ".join(str(error).split())
            raise ModelError(f"{self.path or 'the model'}: its functions cannot be inlined ({why})") from error
        model = Model(proto, self.path, self.edits)
        model.check()
        return model

    def tensors(self) -> Iterator[onnx.TensorProto]:
        """Yield every stored tensor of every graph: initializers and Constant values."""
        for graph in self.graphs.values():
            yield from graph.initializer
            for node in graph.node:
                if node.op_type == "Constant":
                    yield from (attribute.t for attribute in node.attribute if attribute.name == "value")

    @cached_property
    def graphs(self) -> dict[str, onnx.GraphProto]:
        """Scope -> graph. The scope of a body is '<node key>.<attribute>/'."""
        found: dict[str, onnx.GraphProto] = {}
        _collect_graphs(self.proto.graph, "", found)
        return found

    @cached_property
    def constants(self) -> dict[ConstantKey, onnx.TensorProto]:
        """Every stored tensor by the scope and the name that its consumers know it by."""
        found: dict[ConstantKey, onnx.TensorProto] = {}
        for scope, graph in self.graphs.items():
            for tensor in graph.initializer:
                found[scope, tensor.name] = tensor
            for node in graph.node:
                value = constant_value(node)
                if value is not None:
                    found[scope, node.output[0]] = value
        return found

    def node(self, key: NodeKey) -> onnx.NodeProto:
        """Return the node at `key`."""
        node: onnx.NodeProto = self.graphs[key.scope].node[key.index]
        return node

    @cached_property
    def opsets(self) -> dict[str, int]:
        """Domain -> imported version; the default domain is ''."""
        return {
            "" if entry.domain in DEFAULT_DOMAIN else entry.domain: entry.version for entry in self.proto.opset_import
        }

    @cached_property
    def producers(self) -> dict[tuple[str, str], onnx.NodeProto]:
        """The node that computes a value, by the scope and the name of the value."""
        return {
            (scope, output): node
            for scope, graph in self.graphs.items()
            for node in graph.node
            for output in node.output
        }

    def is_zero(self, scope: str, name: str) -> bool:
        """Whether a value is a fill of zeros: one zero, or zeros of a computed shape, moved about at most."""
        for outer in enclosing_scopes(scope):
            stored, node = self.constants.get((outer, name)), self.producers.get((outer, name))
            if stored is not None:
                return int(np.prod(stored.dims)) == 1 and not self.array(stored).any()
            if node is not None and node.op_type == "ConstantOfShape":
                return all(not numpy_helper.to_array(attribute.t).any() for attribute in node.attribute)
            if node is not None:
                return node.op_type in MOVES and self.is_zero(outer, node.input[0])
        return False

    def array(self, tensor: onnx.TensorProto) -> NDArray[Any]:
        """Return the values of a stored tensor; external data is memory-mapped, or a copy where it is edited."""
        place = place_of(tensor)
        if place is None:
            return _values(tensor)
        extent = self.extent(tensor)
        dtype, shape = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)), tuple(tensor.dims)
        if not fits(tensor, extent.length):
            return self._packed(tensor, extent)
        if place not in self.edits:
            return extent.mapped(dtype, shape)
        values, done = np.empty(shape, dtype), 0
        for part in self.parts(tensor):
            values[done : done + len(part)] = part
            done += len(part)
        return values

    def parts(self, tensor: onnx.TensorProto, rows: int = 1) -> Iterator[NDArray[Any]]:
        """Yield the values of a stored tensor, some rows of its first axis at a time: a multiple of `rows`.

        What is yielded may be gone when the next is asked for.
        """
        place = place_of(tensor)
        if place is None or not tensor.dims or not fits(tensor, self.extent(tensor).length):
            yield self.array(tensor)
            return
        dtype, edit = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)), self.edits.get(place)
        parts = self.extent(tensor).parts(dtype, tuple(tensor.dims), rows if edit is None else edit.rows)
        yield from parts if edit is None else edit.over(parts)

    def extent(self, tensor: onnx.TensorProto) -> Extent:
        """Return where the values of an external tensor lie. Raises `ModelError` where they cannot be read safely."""
        return extent_of(tensor, (self.path.parent if self.path else Path()).resolve())

    def _packed(self, tensor: onnx.TensorProto, extent: Extent) -> NDArray[Any]:
        """Return external values of a type that numpy does not hold as it is stored: two or more to a byte."""
        values = b"".join(extent.windows())
        inline = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=values)
        return _values(inline)

    def has_external_data(self) -> bool:
        """Whether any tensor lives beside the file."""
        return any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in self.tensors())

    def data_files(self) -> set[Path]:
        """Return the files beside the model that hold its external data."""
        external = (tensor for tensor in self.tensors() if tensor.data_location == onnx.TensorProto.EXTERNAL)
        return {self.extent(tensor).file for tensor in external}

    def files(self) -> list[Path]:
        """Return the files that the model was read from."""
        return [] if self.path is None else [self.path, *sorted(self.data_files())]

    @cached_property
    def sha256(self) -> str:
        """The hash of the model file, or of the serialized model where there is no file."""
        digest = hashlib.sha256()
        if self.path is None:
            digest.update(self.proto.SerializeToString(deterministic=True))
            return digest.hexdigest()
        with self.path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()


def _values(tensor: onnx.TensorProto) -> NDArray[Any]:
    try:
        return numpy_helper.to_array(tensor)
    except ValueError as error:
        raise ModelError(f"tensor '{tensor.name}': its values are not those of its type and shape ({error})") from error


def enclosing_scopes(scope: str) -> Iterator[str]:
    """Yield a scope and those around it, from the inside out; the main graph comes last."""
    while scope:
        yield scope
        scope = scope[: scope[:-1].rfind("/") + 1]
    yield ""


def tensors_read(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that a node reads, also from inside its bodies, but for what the bodies define themselves."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            body = attribute.g
            own = {info.name for info in body.input} | {tensor.name for tensor in body.initializer}
            own |= {name for inner in body.node for name in inner.output}
            yield from (name for inner in body.node for name in tensors_read(inner) if name not in own)
            yield from (info.name for info in body.output if info.name not in own)


def constant_value(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """Return the tensor that a Constant node holds, whichever attribute it is in; None for any other node."""
    if node.op_type != "Constant" or node.domain not in DEFAULT_DOMAIN or len(node.attribute) != 1:
        return None
    attribute = node.attribute[0]
    if attribute.name == "value":
        tensor: onnx.TensorProto = attribute.t
        return tensor
    if attribute.name in ("value_int", "value_ints"):
        return numpy_helper.from_array(np.array(onnx.helper.get_attribute_value(attribute), np.int64))
    if attribute.name in ("value_float", "value_floats"):
        return numpy_helper.from_array(np.array(onnx.helper.get_attribute_value(attribute), np.float32))
    return None


def _collect_graphs(graph: onnx.GraphProto, scope: str, found: dict[str, onnx.GraphProto]) -> None:
    found[scope] = graph
    for index, node in enumerate(graph.node):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _collect_graphs(attribute.g, f"{scope}{index}.{attribute.name}/", found)
