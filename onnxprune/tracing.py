"""Tracing: one walk over the graph that turns what rules know into the dims of a model."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from onnxprune.axes import ONE, Axes, Dim, Expr, Fixed, free_dims
from onnxprune.model import DEFAULT_DOMAIN, ConstantKey, Model, NodeKey
from onnxprune.record import Contraction, Follow, Record, Slot, Tensor, Use, Work
from onnxprune.rules import RULES, Site, UnknownError
from onnxprune.shapes import Shape, infer_shapes
from onnxprune.sizes import Size, content_of

MAX_CONTENT = 1024
"""Integer constants up to this many elements are followed as sizes."""

INTEGER = {TensorProto.INT64, TensorProto.INT32}
INDEX_TYPES = {TensorProto.INT64, TensorProto.BOOL, TensorProto.STRING}
"""Constants of these types are indices, shapes and masks: their axes never shrink of themselves."""


@dataclass(frozen=True)
class Trace:
    """What tracing found out about one model. All expressions are resolved: a dim that is left may shrink."""

    model: Model
    shapes: Mapping[str, Shape]
    tensors: Mapping[str, Tensor]
    uses: tuple[Use, ...]
    contractions: tuple[Contraction, ...]
    work: tuple[Work, ...]
    record: Record
    axes: Axes

    @cached_property
    def dims(self) -> tuple[Dim, ...]:
        """The prunable dims, in the order in which weights meet them: those that any float weight has."""
        found = dict.fromkeys(dim for use in self.uses for axis in use.axes for dim in free_dims(axis))
        return tuple(found)

    @cached_property
    def members(self) -> Mapping[Dim, tuple[tuple[Use, int], ...]]:
        """Dim -> the weights and their axes that it is part of, in node order."""
        found: dict[Dim, list[tuple[Use, int]]] = {dim: [] for dim in self.dims}
        for use in self.uses:
            for place, axis in enumerate(use.axes):
                for dim in free_dims(axis):
                    found[dim].append((use, place))
        return {dim: tuple(members) for dim, members in found.items()}

    @cached_property
    def names(self) -> Mapping[Dim, str]:
        """Dim -> a name made of the first weight that it is part of, such as `conv1.weight[0]`."""
        names: dict[str, Dim] = {}
        for dim, members in self.members.items():
            use, place = min(members, key=_producers_first)
            parts = free_dims(use.axes[place])
            suffix = f".{parts.index(dim)}" if len(parts) > 1 else ""
            names[_unique(f"{display_name(use.constant)}[{place}]{suffix}", names)] = dim
        return {dim: name for name, dim in names.items()}


def display_name(constant: ConstantKey) -> str:
    """Return how a constant is named in plans and reports: its scope (empty for the main graph) and its name."""
    return f"{constant[0]}{constant[1]}"


def trace(model: Model) -> Trace:
    """Walk the graph once, call each operator's rule, and return what follows for every axis."""
    return _Walk(model).run()


def _producers_first(member: tuple[Use, int]) -> tuple[bool, int]:
    """Order members so that kernels come before vectors and, stably, axis 0 before the others."""
    use, place = member
    return len(use.axes) < 2, place


def _unique(name: str, taken: Container[str]) -> str:
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}#{n}", n + 1
    return candidate


class _Walk:
    """The state of one walk."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.axes = Axes()
        self.record = Record()
        self.shapes = infer_shapes(model)
        self.tensors: dict[str, Tensor] = {}
        self.tied: dict[ConstantKey, tuple[Expr, ...]] = {}
        self.uses_of = self._count_uses()

    def run(self) -> Trace:
        """Walk, close the books, and return the trace."""
        graph = self.model.proto.graph
        stored = {tensor.name for tensor in graph.initializer}
        for info in graph.input:
            if info.name not in stored:
                self._boundary(info, "it is an input of the model")
        for index, node in enumerate(graph.node):
            self._visit(node, NodeKey("", index))
        for info in graph.output:
            self._freeze_tensor(self._named(info.name), f"'{info.name}' is an output of the model")
        self._settle()
        return self._result()

    def _count_uses(self) -> dict[str, int]:
        uses: dict[str, int] = {}
        for graph in self.model.graphs.values():
            for name in (name for node in graph.node for name in node.input):
                uses[name] = uses.get(name, 0) + 1
        return uses

    def _boundary(self, info: onnx.ValueInfoProto, why: str) -> None:
        shape = self.shapes.get(info.name)
        axes = (
            None
            if shape is None
            else tuple(
                _fixed(length, f"'{info.name}': {why}", f"{info.name}[{place}]") for place, length in enumerate(shape)
            )
        )
        self.tensors[info.name] = Tensor(axes)

    def _named(self, name: str) -> Tensor:
        if name in self.tensors:
            return self.tensors[name]
        if ("", name) in self.model.constants:
            return self._constant_tensor(("", name), (NodeKey("", -1), 0))
        return Tensor(None)

    def _visit(self, node: onnx.NodeProto, key: NodeKey) -> None:
        if node.op_type == "Constant":
            if (key.scope, node.output[0]) not in self.model.constants:
                self._fixed_outputs(node, "a constant of an unusual kind")
            return
        domain = "" if node.domain in DEFAULT_DOMAIN else node.domain
        inputs = [self._input(name, (key, slot)) for slot, name in enumerate(node.input)]
        shapes = [self.shapes.get(name) for name in node.output]
        opset = self.model.opsets.get(domain, 1)
        site = Site(node, key, opset, inputs, shapes, self.axes, self.record, self.model)
        self._apply_rule(site, domain)
        for index, name in enumerate(node.output):
            if name:
                self.tensors[name] = site.outputs.get(index) or self._unknown_output(site, index)

    def _apply_rule(self, site: Site, domain: str) -> None:
        node = site.node
        rule = RULES.get((domain, node.op_type))
        if rule is None:
            kind = f"{domain}::{node.op_type}" if domain else node.op_type
            self._give_up(site, f"no rule for operator {kind}")
            return
        marks = _Marks(self.record)
        try:
            rule(site)
        except UnknownError as unknown:
            marks.undo()
            self._give_up(site, str(unknown))
            return
        except (IndexError, ValueError, TypeError, KeyError, AssertionError) as error:
            marks.undo()
            self._give_up(site, f"the node does not look as its operator says ({error})")
            return
        for slot, tensor in enumerate(site._inputs):
            if tensor is None:
                continue
            if slot not in site.claimed:
                site.freeze_input(slot, "its rule does not use this input")
            elif slot not in site.followed:
                site.freeze_content(site.content(slot), "its size is used as a value")

    def _give_up(self, site: Site, why: str) -> None:
        site.outputs.clear()
        for slot in range(site.input_count):
            if site.has(slot):
                site.freeze_input(slot, why)
        for name in _captured(site.node):
            self._freeze_tensor(self._named(name), f"{site.label}: {why}")

    def _unknown_output(self, site: Site, index: int) -> Tensor:
        try:
            return Tensor(tuple(site.fixed("what it computes is not known", index)))
        except UnknownError:
            return Tensor(None)

    def _fixed_outputs(self, node: onnx.NodeProto, why: str) -> None:
        for name in node.output:
            shape = self.shapes.get(name)
            self.tensors[name] = Tensor(
                None if shape is None else tuple(_fixed(n, why, f"{name}[{p}]") for p, n in enumerate(shape))
            )

    def _freeze_tensor(self, tensor: Tensor, why: str) -> None:
        for axis in tensor.axes or ():
            self.axes.freeze(axis, why)
        for entry in () if tensor.content is None else tensor.content.ravel():
            for dim in entry.dims:
                self.axes.freeze(dim, why)

    def _input(self, name: str, slot: Slot) -> Tensor | None:
        if not name:
            return None
        if name in self.tensors:
            return self.tensors[name]
        if ("", name) in self.model.constants:
            return self._constant_tensor(("", name), slot)
        return Tensor(None)

    def _constant_tensor(self, constant: ConstantKey, slot: Slot) -> Tensor:
        tensor = self.model.constants[constant]
        axes = self._constant_axes(constant, tensor)
        content = None
        if tensor.data_type in INTEGER and len(tensor.dims) <= 1 and int(np.prod(tensor.dims)) <= MAX_CONTENT:
            content = content_of(self.model.array(tensor), *slot)
        self.record.uses[slot] = Use(constant, slot, axes)
        return Tensor(axes, content, constant)

    def _constant_axes(self, constant: ConstantKey, tensor: TensorProto) -> tuple[Expr, ...]:
        if constant in self.tied:
            return self.tied[constant]
        if tensor.data_type in INDEX_TYPES:
            return tuple(_fixed(n, "indices and shapes are not pruned", "") for n in tensor.dims)
        axes = tuple(self.axes.dim(length) for length in tensor.dims)
        if self.uses_of.get(constant[1], 0) > 1 and self._is_tied_on_purpose(tensor):
            self.tied[constant] = axes
        return axes

    def _is_tied_on_purpose(self, tensor: TensorProto) -> bool:
        """Whether several uses of a constant are one parameter, rather than equal bytes that an exporter merged."""
        if sum(length > 1 for length in tensor.dims) < 2:
            return False
        values = self.model.array(tensor)
        return bool((values != values.flat[0]).any())

    def _settle(self) -> None:
        """Freeze dims whose sizes cannot be rewritten, until nothing changes any more."""
        while self._freeze_conflicts():
            pass

    def _freeze_conflicts(self) -> bool:
        changed = False
        demands: dict[object, Size] = {}
        for follow in self.record.follows:
            wanted = follow.wanted.resolve(self.axes)
            given = None if follow.given is None else follow.given.resolve(self.axes)
            if given is not None and given.source is not None and not given.dims:
                place = given.source
                if demands.setdefault(place, wanted) == wanted or not (wanted.dims or demands[place].dims):
                    continue
                wanted = wanted + demands[place]
            elif given == wanted:
                continue
            dims = [*wanted.dims, *(given.dims if given is not None else ())]
            for dim in dims:
                self.axes.freeze(dim, follow.why)
                changed = True
        return changed

    def _result(self) -> Trace:
        resolve = self.axes.resolve
        uses = tuple(
            Use(use.constant, slot, tuple(map(resolve, use.axes))) for slot, use in sorted(self.record.uses.items())
        )
        tensors = {
            name: Tensor(None if t.axes is None else tuple(map(resolve, t.axes)), t.content)
            for name, t in self.tensors.items()
        }
        contractions = tuple(Contraction(c.slot, c.axis, resolve(c.expr)) for c in self.record.contractions)
        work = tuple(Work(w.node, tuple(map(resolve, w.axes))) for w in self.record.work)
        follows = [
            Follow(f.slot, f.place, f.wanted.resolve(self.axes), f.given and f.given.resolve(self.axes), f.why)
            for f in self.record.follows
        ]
        self.record.follows = follows
        return Trace(self.model, self.shapes, tensors, uses, contractions, work, self.record, self.axes)


class _Marks:
    """Where the record stood before a rule, so that a rule that gives up leaves nothing behind."""

    def __init__(self, record: Record) -> None:
        self._lists: list[list[Any]] = [entries for entries in vars(record).values() if isinstance(entries, list)]
        self._lengths = [len(entries) for entries in self._lists]

    def undo(self) -> None:
        for entries, length in zip(self._lists, self._lengths, strict=True):
            del entries[length:]


def _fixed(length: int | str | None, why: str, symbol: str) -> Expr:
    if isinstance(length, int):
        return ONE if length == 1 else Fixed(length, why)
    return Fixed(None, why, length or symbol)


def _captured(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the names that the bodies of a node read, from wherever they come."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            for inner in attribute.g.node:
                yield from inner.input
                yield from _captured(inner)
            yield from (output.name for output in attribute.g.output)
