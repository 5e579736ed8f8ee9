"""Stored constants: sliced or reordered along every axis that changes, in as many versions as they are needed in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxprune.apply.draft import Draft
from onnxprune.apply.numbers import new_elements
from onnxprune.apply.values import refilled
from onnxprune.axes import Dim, Expr, free_dims, places, size
from onnxprune.model import ConstantKey
from onnxprune.record import Use
from onnxprune.tracing import display_name


@dataclass(frozen=True)
class Variant:
    """One way in which a constant is needed.

    `taken` holds, for each axis that changes, the positions that stay in their new order, `elements` single numbers
    that change, `renumbered` the new number of each position of the axis that the constant's values are indices into.
    Positions and numbers are the bytes of int64.
    """

    taken: tuple[tuple[int, bytes], ...] = ()
    elements: tuple[tuple[int, int], ...] = ()
    renumbered: bytes = b""


Orders: TypeAlias = Mapping[Dim, NDArray[np.int64]]
"""For each dim that changes, the units that stay, in their new order."""

Variants: TypeAlias = dict[ConstantKey, dict[Variant, list[Use]]]

UNCHANGED = Variant()


def rewrite(draft: Draft, orders: Orders) -> None:
    """Write every constant back; one whose uses change differently gets copies, which their nodes then read."""
    variants = _variants(draft, orders)
    for scope, source in draft.trace.model.graphs.items():
        graph = draft.model.graphs[scope]
        del graph.initializer[:]
        for tensor in source.initializer:
            _rewrite_initializer(draft, variants, graph, (scope, tensor.name), tensor)
        for node in list(graph.node):
            if node.op_type == "Constant" and (scope, node.output[0]) in variants:
                _rewrite_constant_node(draft, variants, graph, (scope, node.output[0]), node)


def _variants(draft: Draft, orders: Orders) -> Variants:
    """Per constant, the different ways in which its uses need it."""
    elements = new_elements(draft)
    indices = {index.slot: index.into for index in draft.trace.record.indices if _changes(index.into, orders)}
    variants: Variants = {}
    for use in draft.trace.uses:
        into = indices.get(use.slot)
        variant = Variant(
            tuple((a, places(expr, orders).tobytes()) for a, expr in enumerate(use.axes) if _changes(expr, orders)),
            tuple(sorted(elements.get(use.slot, {}).items())),
            b"" if into is None else _new_numbers(into, orders).tobytes(),
        )
        variants.setdefault(use.constant, {}).setdefault(variant, []).append(use)
    return variants


def _changes(expr: Expr, orders: Orders) -> bool:
    return any(dim in orders for dim in free_dims(expr))


def _new_numbers(expr: Expr, orders: Orders) -> NDArray[np.int64]:
    """Return where each position of an axis comes to stand; -1 where it goes."""
    taken = places(expr, orders)
    numbers = np.full(size(expr) or 0, -1, np.int64)
    numbers[taken] = np.arange(taken.size)
    return numbers


def _rewrite_initializer(
    draft: Draft, variants: Variants, graph: onnx.GraphProto, key: ConstantKey, tensor: onnx.TensorProto
) -> None:
    versions = list(_versions(draft, variants, key))
    if not versions:
        graph.initializer.append(tensor)
    for name, variant, uses in versions:
        graph.initializer.append(_made(draft, key, variant, name))
        _rewire(draft, uses, name)


def _rewrite_constant_node(
    draft: Draft, variants: Variants, graph: onnx.GraphProto, key: ConstantKey, node: onnx.NodeProto
) -> None:
    for name, variant, uses in _versions(draft, variants, key):
        if name != key[1]:
            graph.initializer.append(_made(draft, key, variant, name))
            _rewire(draft, uses, name)
        elif variant != UNCHANGED:
            _refill(node.attribute[0], _made(draft, key, variant))


def _refill(attribute: onnx.AttributeProto, tensor: onnx.TensorProto) -> None:
    """Put new values into the attribute of a Constant: integers in the form that they have, all else as a tensor.

    Real numbers may be changed once more by what follows, in place, and only a tensor can be.
    """
    if attribute.name == "value_int":
        attribute.i = int(numpy_helper.to_array(tensor))
    elif attribute.name == "value_ints":
        attribute.ints[:] = numpy_helper.to_array(tensor).tolist()
    else:
        for field in ("f", "floats"):
            attribute.ClearField(field)
        attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
        attribute.t.CopyFrom(tensor)


def _versions(draft: Draft, variants: Variants, key: ConstantKey) -> Iterator[tuple[str, Variant, list[Use]]]:
    """Yield the versions of a constant; the unchanged one, or else the first, keeps the name."""
    ways = variants.get(key, {})
    keeper = UNCHANGED if UNCHANGED in ways else next(iter(ways), None)
    for variant, uses in ways.items():
        name = key[1]
        if variant != keeper:
            name = draft.new_name(key[1])
            draft.changes.copies[display_name((key[0], name))] = display_name(key)
        yield name, variant, uses


def _made(draft: Draft, key: ConstantKey, variant: Variant, name: str = "") -> onnx.TensorProto:
    """Return a version of a constant, under a name of its own if it has one; all that is noted with it stays."""
    tensor = draft.trace.model.constants[key]
    if variant == UNCHANGED:
        made = onnx.TensorProto()
        made.CopyFrom(tensor)
    else:
        made = refilled(tensor, _changed(draft, key, variant, display_name((key[0], name or key[1]))))
    if name:
        made.name = name
    return made


def _changed(draft: Draft, key: ConstantKey, variant: Variant, label: str) -> NDArray[Any]:
    values = draft.trace.model.array(draft.trace.model.constants[key])
    for axis, packed in variant.taken:
        taken = np.frombuffer(packed, np.int64)
        values = values.take(taken, axis)
        draft.changes.keep.setdefault(label, {})[str(axis)] = taken.tolist()
    if variant.renumbered:
        numbers = np.frombuffer(variant.renumbered, np.int64)
        draft.changes.resize(label, values.tolist(), numbers[values].tolist())
        values = numbers[values].astype(values.dtype)
    if variant.elements:
        values = np.array(values)
        for place, new in variant.elements:
            draft.changes.resize(f"{label}[{place}]" if values.ndim else label, int(values.flat[place]), new)
            values.flat[place] = new
    return np.ascontiguousarray(values).reshape(values.shape)


def _rewire(draft: Draft, uses: list[Use], name: str) -> None:
    for use in uses:
        key, slot = use.slot
        if key.index >= 0:  # the outputs of a graph read constants too, which then never change
            draft.model.node(key).input[slot] = name
