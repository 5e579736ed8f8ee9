"""Two models, byte for byte, but for what a plan says was changed.

`assert_only_planned` writes into the pruned model what the dense one has wherever the plan, or what follows from it,
says that something else stands there now. What is left has to be the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import onnx
from differences import assert_same
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from onnxprune.model import Model
from onnxprune.plan import Plan
from onnxprune.plan_of_zeros import AnyPlan, ZerosPlan

VALUES = (
    "raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data",
    "external_data", "data_location",
)  # fmt: skip


def assert_only_planned(dense: onnx.ModelProto, pruned: onnx.ModelProto, plan: AnyPlan) -> None:
    """Assert that a pruned model is the dense one but for what its plan lists and the shapes that follow from it."""
    before, after = onnx.ModelProto(), onnx.ModelProto()
    before.CopyFrom(dense)
    after.CopyFrom(pruned)
    planned = _Planned(plan)
    planned.drop(before)
    graphs = Model(after).graphs
    for scope, graph in Model(before).graphs.items():
        if scope in graphs:
            planned.level(scope, graph, graphs[scope])
    assert_same(before, after)


class _Planned:
    """What a plan says was changed, by names."""

    def __init__(self, plan: AnyPlan) -> None:
        self.recovered = set(plan.recovered)
        self.origins: dict[str, str | None] = dict.fromkeys(plan.added)  # new name -> old, None where it may be any
        self.keep: Mapping[str, Mapping[str, list[int]]] = {}
        self.sizes: dict[str, tuple[Any, Any]] = {}
        self.changed = set(self.recovered)
        self.reordered: set[str] = set()  # of which copies are made where uses want other orders
        if isinstance(plan, ZerosPlan):
            members = {re.sub(r"\[\d+\]$", "", name) for order in plan.orders for name in order.members}
            self.changed |= set(plan.zeros) | members
            self.reordered = members
        elif isinstance(plan, Plan):
            self.keep = plan.keep
            self.origins.update(plan.copies)
            self.sizes = {size["where"]: (size["old"], size["new"]) for size in plan.sizes}
            self.changed |= set(plan.keep) | {re.sub(r"\[\d+\]$", "", where) for where in self.sizes}

    def drop(self, dense: onnx.ModelProto) -> None:
        """Leave out of the dense model the optional inputs that were dropped, and what was computed for them alone."""
        gone: set[str] = set()
        for graph in Model(dense).graphs.values():
            for node in graph.node:
                for slot, name in enumerate(node.input):
                    if name and self.sizes.get(f"{_label(node)}.inputs[{slot}]") == (name, None):
                        node.input[slot] = ""
                        gone.add(name)
        while gone:
            gone = _without(dense, gone)

    def level(self, scope: str, dense: GraphProto, pruned: GraphProto) -> None:
        """Make a graph of the pruned model what it was, where it was to change."""
        self._tensors(scope, dense, pruned)
        for before, after in zip(dense.node, pruned.node, strict=False):
            self._inputs(scope, before, after)
            self._attributes(before, after)
            if before.op_type == after.op_type == "Constant":
                self._constant(scope, before, after)
        for field in ("value_info", "input", "output") if scope else ("value_info",):
            for info, now in zip(getattr(dense, field), getattr(pruned, field), strict=False):
                _level_shape(info, now)

    def _tensors(self, scope: str, dense: GraphProto, pruned: GraphProto) -> None:
        """Remove the tensors that were added, put back what changed of the others."""
        self._declared_inputs(scope, dense, pruned)
        old = {tensor.name: tensor for tensor in dense.initializer}
        for tensor in list(pruned.initializer):
            if tensor.name not in old and self._is_added(scope, tensor.name):
                pruned.initializer.remove(tensor)
                for info in [info for info in pruned.input if info.name == tensor.name]:
                    pruned.input.remove(info)
            elif tensor.name in old:
                self._tensor(f"{scope}{tensor.name}", old[tensor.name], tensor)

    def _declared_inputs(self, scope: str, dense: GraphProto, pruned: GraphProto) -> None:
        """Put back the declared shapes of constants that changed; such inputs were usual before IR version 4."""
        old, new = ({tensor.name: tensor for tensor in graph.initializer} for graph in (dense, pruned))
        for before, after in zip(dense.input, pruned.input, strict=False):
            if before.name in old and before.name in new and f"{scope}{before.name}" in self.changed:
                _level_shape(before, after, list(old[before.name].dims), list(new[before.name].dims))

    def _is_added(self, scope: str, name: str) -> bool:
        is_planned = f"{scope}{name}" in self.origins or self.sizes.get(name, (0,))[0] is None
        return is_planned or bool(self._computed(name)) or self._copied(f"{scope}{name}") is not None

    def _copied(self, name: str) -> str | None:
        """Return of which constant one that stands in another order is the copy, or None if it is none."""
        origin = re.sub(r"_\d+$", "", name)
        return origin if origin != name and origin in self.reordered else None

    def _computed(self, name: str) -> str | None:
        """Return the computed sizes in whose place a constant came, or None if it is none of that kind."""
        was = re.sub(r"_pruned(_\d+)?$", "", name)
        return was if was != name and isinstance(self.sizes.get(was, (0,))[0], list) else None

    def _tensor(self, shown: str, dense: TensorProto, pruned: TensorProto) -> None:
        if shown in self.changed:
            kept = {int(axis): len(places) for axis, places in self.keep.get(shown, {}).items()}
            assert list(pruned.dims) == [kept.get(axis, size) for axis, size in enumerate(dense.dims)], shown
            form = [field for field in VALUES if _has(dense, field)]
            assert [field for field in VALUES if _has(pruned, field)] == form, f"{shown}: stored in another way"
            for tensor in (dense, pruned):
                for field in ("dims", *VALUES):
                    tensor.ClearField(field)

    def _constant(self, scope: str, dense: NodeProto, pruned: NodeProto) -> None:
        shown = f"{scope}{dense.output[0]}"
        for before, after in zip(dense.attribute, pruned.attribute, strict=False):
            if before.type == after.type == AttributeProto.TENSOR:
                self._tensor(shown, before.t, after.t)
            elif shown in self.changed:
                for attribute in (before, after):
                    for field in ("i", "ints"):
                        attribute.ClearField(field)

    def _inputs(self, scope: str, dense: NodeProto, pruned: NodeProto) -> None:
        """Let a node read what it read, where it reads a copy of that or something that was added."""
        names = list(pruned.input)
        for slot, name in enumerate(names):
            old = dense.input[slot] if slot < len(dense.input) else ""
            if name != old and self._may_replace(scope, name, old):
                names[slot] = old
        while len(names) > len(dense.input) and not names[-1]:
            names.pop()
        pruned.input[:] = names

    def _may_replace(self, scope: str, name: str, old: str) -> bool:
        copied = {self.origins.get(f"{around}{name}", self._copied(f"{around}{name}") or "") for around in (scope, "")}
        return (
            None in copied
            or any(origin == old or (origin or "").endswith(f"/{old}") for origin in copied if old)
            or self._computed(name) == old != ""
            or (not old and self.sizes.get(name, (0,))[0] is None)
        )

    def _attributes(self, dense: NodeProto, pruned: NodeProto) -> None:
        label, old = _label(dense), {attribute.name: attribute for attribute in dense.attribute}
        if f"{label}_sizes" in self.sizes and "split" in old:
            dense.attribute.remove(old.pop("split"))
        for attribute in list(pruned.attribute):
            where = f"{label}.{attribute.name}"
            before = old.get(attribute.name)
            if before is None and self.sizes.get(where, (0,))[0] is None:
                pruned.attribute.remove(attribute)
            elif before is not None and self.sizes.get(where) == (before.i, attribute.i):
                attribute.i = before.i
            elif before is not None:
                for place, (was, now) in enumerate(zip(before.ints, attribute.ints, strict=False)):
                    if self.sizes.get(f"{where}[{place}]") == (was, now):
                        attribute.ints[place] = was


def _label(node: NodeProto) -> str:
    """Return how a plan names a node."""
    return node.name or node.output[0]


def _without(model: onnx.ModelProto, names: set[str]) -> set[str]:
    """Remove what gives or holds only `names`, where nobody reads them, and return what that had read."""
    graphs = Model(model).graphs.values()
    read = {name for graph in graphs for node in graph.node for name in node.input}
    unread = names - read - {info.name for graph in graphs for info in (*graph.output, *graph.input)}
    above: set[str] = set()
    for graph in graphs:
        for field in ("value_info", "initializer"):
            for entry in [entry for entry in getattr(graph, field) if entry.name in unread]:
                getattr(graph, field).remove(entry)
        for node in [node for node in graph.node if node.output and unread.issuperset(filter(None, node.output))]:
            above.update(node.input)
            graph.node.remove(node)
    return above - {""}


def _has(tensor: TensorProto, field: str) -> bool:
    """Whether a tensor has values in a field."""
    return field != "data_location" and any(found.name == field for found, _ in tensor.ListFields())


def _level_shape(
    dense: onnx.ValueInfoProto, pruned: onnx.ValueInfoProto, old: list[int] | None = None, new: list[int] | None = None
) -> None:
    """Put back the sizes that became smaller, or are not declared any more; of a constant, those of `old` to `new`."""
    if dense.name != pruned.name:
        return
    sides = (dense.type.tensor_type.shape.dim, pruned.type.tensor_type.shape.dim)
    for place, (before, after) in enumerate(zip(*sides, strict=False)):
        if old is not None and new is not None:
            shrank = old[place : place + 1] != new[place : place + 1] == [after.dim_value]
        else:
            kind = before.WhichOneof("value")
            shrank = kind == "dim_param" or (kind == "dim_value" and after.dim_value < before.dim_value)
        if shrank and after.WhichOneof("value") != "dim_param":
            for field in ("dim_value", "dim_param"):
                before.ClearField(field)
                after.ClearField(field)
