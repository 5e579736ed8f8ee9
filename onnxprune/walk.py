"""The walk: every node in order, its operator's rule called, everything that no rule claims frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto

from onnxprune.axes import ONE, Axes, Expr, Fixed, size
from onnxprune.model import DEFAULT_DOMAIN, ConstantKey, Model, NodeKey, enclosing_scopes
from onnxprune.record import Record, Slot, Tensor, Use
from onnxprune.rules import RULES, Site, UnknownError
from onnxprune.settle import settle
from onnxprune.shapes import Known, Shape, infer, infer_outputs
from onnxprune.sizes import content_of, dense_values
from onnxprune.standins import MICROSOFT

MAX_CONTENT = 1024
"""Integer constants up to this many elements are followed as sizes."""

MAX_RESULT = 1 << 14
"""Integers that a node may make up to which they are followed."""

INTEGER = {TensorProto.INT64, TensorProto.INT32}
INDEX_TYPES = {TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
"""Constants of these types are indices, shapes and masks: their axes never shrink of themselves."""

TRIPPED = (ArithmeticError, AssertionError, AttributeError, LookupError, StopIteration, TypeError, ValueError)
"""What a rule raises that trips over a node which does not look as its operator says."""

CUTTING = frozenset({"Slice", "Split"})


class Walk:
    """The state of one walk over a model and the bodies of its control flow."""

    def __init__(self, model: Model, inputs: Mapping[str, tuple[int, ...]] | None, allow_norm: bool) -> None:
        self.model = model
        self.allow_norm = allow_norm
        self.axes = Axes()
        self.record = Record()
        self.tensors: dict[str, Tensor] = {}
        inferred = infer(model, inputs)
        self.types = inferred.types
        self._shapes = dict(inferred.shapes)
        self._tied: dict[ConstantKey, tuple[Expr, ...]] = {}
        self._readers = _readers(model)

    def run(self) -> None:
        """Walk the main graph, freeze its inputs and outputs, and settle which sizes can be rewritten."""
        graph = self.model.proto.graph
        stored = {tensor.name for tensor in graph.initializer}
        for info in graph.input:
            if info.name not in stored:
                why = f"'{info.name}' is an input of the model"
                self.tensors[info.name] = Tensor(self._fixed_axes(info.name, info.name, why))
        self._visit_all("")
        for place, info in enumerate(graph.output):
            self._freeze(self._value("", info.name, place), f"'{info.name}' is an output of the model")
        settle(self.record, self.axes)

    def trace_body(self, key: NodeKey, attribute: str, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Walk the body that `attribute` of a node holds, given its inputs, and return its outputs."""
        scope = f"{key}.{attribute}/"
        graph = self.model.graphs[scope]
        for info, tensor in zip(graph.input, inputs, strict=True):
            self.tensors[f"{scope}{info.name}"] = tensor
        self._visit_all(scope)
        return [self._value(scope, info.name, place) for place, info in enumerate(graph.output)]

    def _freeze_body(self, key: NodeKey, attribute: str, why: str) -> None:
        """Freeze what the body that `attribute` of a node holds reads from outside."""
        for name in _read_in(self.model.graphs[f"{key}.{attribute}/"]):
            self._freeze(self._known(key.scope, name), why)

    def _visit_all(self, scope: str) -> None:
        for index, node in enumerate(self.model.graphs[scope].node):
            self._visit(node, NodeKey(scope, index))

    def _visit(self, node: onnx.NodeProto, key: NodeKey) -> None:
        if node.op_type == "Constant":
            if (key.scope, node.output[0]) not in self.model.constants:
                axes = self._fixed_axes(f"{key.scope}{node.output[0]}", node.output[0], "a constant of an unusual kind")
                self.tensors[f"{key.scope}{node.output[0]}"] = Tensor(axes)
            return
        inputs = [self._input(key, slot, name) for slot, name in enumerate(node.input)]
        domain = "" if node.domain in DEFAULT_DOMAIN else node.domain
        opset = self.model.opsets.get(domain, 1)
        shapes = self._output_shapes(node, key, inputs)
        site = Site(
            node,
            key,
            opset,
            inputs,
            shapes,
            self.axes,
            self.record,
            self.model,
            self.trace_body,
            self.allow_norm,
        )
        self._apply_rule(site, domain)
        for index, name in enumerate(node.output):
            if name:
                found = site.outputs.get(index) or _unknown_output(site, index)
                self.tensors[f"{key.scope}{name}"] = self._followed(found, site.label)
                if domain == MICROSOFT:
                    self.types.setdefault(f"{key.scope}{name}", self._real_type(key.scope, node.input))

    def _followed(self, tensor: Tensor, label: str) -> Tensor:
        """Return a tensor without its content where that grows beyond all measure; what it depends on freezes."""
        content = tensor.content
        if content is None or (content.size <= MAX_RESULT and not any(entry.is_too_long for entry in content.ravel())):
            return tensor
        self._freeze(Tensor(None, content), f"{label}: its sizes are too many to follow")
        return Tensor(tensor.axes, None, tensor.stored)

    def _output_shapes(self, node: onnx.NodeProto, key: NodeKey, inputs: Sequence[Tensor | None]) -> list[Shape | None]:
        """Return the inferred shapes of the outputs, inferred again where tracing knows more of the inputs by now."""
        shapes = [self._shapes.get(f"{key.scope}{name}") for name in node.output]
        if all(shape is not None and not any(_is_made_up(length) for length in shape) for shape in shapes):
            return shapes
        known = {
            name: Known(self._type(key.scope, name), _shape(tensor), dense_values(tensor.content))
            for name, tensor in zip(node.input, inputs, strict=True)
            if tensor is not None
        }
        found = infer_outputs(node, self.model.opsets, known)
        self._shapes.update({f"{key.scope}{name}": shape for name, shape in found.items()})
        return [self._shapes.get(f"{key.scope}{name}") for name in node.output]

    def _type(self, scope: str, name: str) -> int:
        keys = (f"{outer}{name}" for outer in enclosing_scopes(scope))
        return next((self.types[key] for key in keys if key in self.types), 0)

    def _real_type(self, scope: str, names: Iterable[str]) -> int:
        """Return the type of the first input that holds real numbers: that of the result of a fused operator."""
        types = (self._type(scope, name) for name in names)
        return next((elem for elem in types if elem and elem not in INTEGER | INDEX_TYPES), 0)

    def _apply_rule(self, site: Site, domain: str) -> None:
        rule = RULES.get((domain, site.node.op_type))
        if rule is None:
            kind = f"{domain}::{site.node.op_type}" if domain else site.node.op_type
            self._give_up(site, f"no rule for operator {kind}")
            return
        mark = self.record.mark()
        try:
            rule(site)
        except UnknownError as unknown:
            self.record.undo(mark)
            self._give_up(site, str(unknown))
        except TRIPPED as error:
            self.record.undo(mark)
            self._give_up(site, f"the node does not look as its operator says ({error})")
        else:
            site.freeze_unclaimed()

    def _give_up(self, site: Site, why: str) -> None:
        """Freeze all that a node touches: its inputs, what its bodies read, and all that is in them."""
        site.outputs.clear()
        for slot in range(site.input_count):
            if site.has(slot):
                site.freeze_input(slot, why)
        reason = f"{site.label}: {why}"
        for attribute in site.node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                self._freeze_body(site.key, attribute.name, reason)
        inside = f"{site.key}."
        for name, tensor in self.tensors.items():
            if name.startswith(inside):
                self._freeze(tensor, reason)
        for (key, _), use in self.record.uses.items():
            if key.scope.startswith(inside):
                self._freeze(Tensor(use.axes), reason)

    def _freeze(self, tensor: Tensor | None, why: str) -> None:
        if tensor is None:
            return
        for axis in tensor.axes or ():
            self.axes.freeze(axis, why)
        for entry in () if tensor.content is None else tensor.content.ravel():
            for dim in entry.dims:
                self.axes.freeze(dim, why)

    def _fixed_axes(self, key: str, name: str, why: str) -> tuple[Expr, ...] | None:
        shape = self._shapes.get(key)
        return None if shape is None else tuple(_fixed(length, why, f"{name}[{p}]") for p, length in enumerate(shape))

    def _known(self, scope: str, name: str) -> Tensor | None:
        """Return a value that a node in `scope` can see, unless it is a constant, which each use sees afresh."""
        keys = (f"{outer}{name}" for outer in enclosing_scopes(scope))
        return next((self.tensors[key] for key in keys if key in self.tensors), None)

    def _input(self, key: NodeKey, slot: int, name: str) -> Tensor | None:
        if not name:
            return None
        constant = next(
            (
                (outer, name)
                for outer in enclosing_scopes(key.scope)
                if (outer, name) in self.model.constants or f"{outer}{name}" in self.tensors
            ),
            None,
        )
        if constant is not None and constant in self.model.constants:
            return self._constant(constant, (key, slot))
        return self._known(key.scope, name) or Tensor(None)

    def _value(self, scope: str, name: str, place: int) -> Tensor:
        """Return an output of a graph; a constant that is one of them must stay as it is."""
        tensor = self._input(NodeKey(scope, -1), place, name)
        assert tensor is not None
        if tensor.stored is not None:
            self._freeze(tensor, f"the constant '{name}' is an output of a graph")
        return tensor

    def _constant(self, constant: ConstantKey, slot: Slot) -> Tensor:
        tensor = self.model.constants[constant]
        axes = self._constant_axes(constant, tensor)
        content = None
        if tensor.data_type in INTEGER and len(tensor.dims) <= 1 and int(np.prod(tensor.dims)) <= MAX_CONTENT:
            content = content_of(self.model.array(tensor), *slot)
        self.record.uses[slot] = Use(constant, slot, axes)
        return Tensor(axes, content, constant)

    def _constant_axes(self, constant: ConstantKey, tensor: TensorProto) -> tuple[Expr, ...]:
        if constant in self._tied:
            return self._tied[constant]
        if tensor.data_type in INDEX_TYPES:
            return tuple(_fixed(n, "indices and shapes are not pruned", "") for n in tensor.dims)
        axes = tuple(self.axes.dim(length) for length in tensor.dims)
        readers = self._readers.get(constant[1], [])
        if len(readers) > 1 and self._is_tied_on_purpose(tensor, readers):
            self._tied[constant] = axes
        return axes

    def _is_tied_on_purpose(self, tensor: TensorProto, readers: Sequence[str]) -> bool:
        """Whether several uses of a constant are one parameter, rather than equal bytes that an exporter merged.

        A parameter that is cut in pieces is one; so is a matrix, unless all its values are the same.
        """
        if set(readers) <= CUTTING:
            return True
        if sum(length > 1 for length in tensor.dims) < 2:
            return False
        values = self.model.array(tensor)
        return bool(values.size and (values != values.flat[0]).any())


def _readers(model: Model) -> dict[str, list[str]]:
    """Return the operators that read each name, once for each time."""
    readers: dict[str, list[str]] = {}
    for graph in model.graphs.values():
        for node in graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node.op_type)
    return readers


def _unknown_output(site: Site, index: int) -> Tensor:
    try:
        return Tensor(tuple(site.fixed("what it computes is not known", index)))
    except UnknownError:
        return Tensor(None)


def _shape(tensor: Tensor) -> Shape | None:
    if tensor.axes is None:
        return None
    return tuple(axis.symbol if isinstance(axis, Fixed) and axis.size is None else size(axis) for axis in tensor.axes)


def _is_made_up(length: int | str | None) -> bool:
    """Whether onnx's inference knows nothing of a size but that it must be one."""
    return length is None or (isinstance(length, str) and length.startswith("unk__"))


def _fixed(length: int | str | None, why: str, symbol: str) -> Expr:
    if isinstance(length, int):
        return ONE if length == 1 else Fixed(length, why)
    return Fixed(None, why, length or symbol)


def _read_in(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield the names that a body reads, from wherever they come, with those that the bodies in it read."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _read_in(attribute.g)
    yield from (output.name for output in graph.output)
