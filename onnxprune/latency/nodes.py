"""What the time of a node depends on, and what makes two nodes alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, Fixed, Product, Sum, free_dims
from onnxprune.cost import Term, term
from onnxprune.measure import Widths
from onnxprune.model import constant_value
from onnxprune.tracing import Trace

ALIGNMENT = 4
"""Channels that are no multiple of this leave onnxruntime's blocked layout altogether."""


@dataclass(frozen=True)
class Node:
    """A node of the main graph. `output` names it; `signature` is that of all nodes alike, also in other models.

    `dims` are those that its time may depend on, in an order that alike nodes share. `work` has a term for each
    product it computes, `traffic` one for each tensor that it writes or reads.
    """

    output: str
    operator: str
    signature: str
    dims: tuple[Dim, ...]
    work: tuple[Term, ...]
    traffic: tuple[Term, ...]

    def features(self, widths: Widths, block: int) -> NDArray[np.float64]:
        """Return what the time is made of at candidate widths: shape [k, ...].

        First come a constant, multiply-accumulates and values with every axis that may shrink at the next multiple of
        `block`, then the latter two at the very widths.
        """
        terms = (self.work, self.traffic)
        blocked = [_total(group, widths, block) for group in terms if group]
        exact = [_total(group, widths, 1) for group in terms if group]
        return np.stack(np.broadcast_arrays(1.0, *blocked, *exact)).astype(np.float64)

    def is_unaligned(self, widths: Widths) -> Any:
        """Whether some axis is no multiple of what the fast kernels want: a bool, or an array of them."""
        axes = {axis for group in (self.work, self.traffic) for term in group for axis in term.axes}
        remainders = [np.asarray(Term(1, (axis,)).at(widths)) % ALIGNMENT != 0 for axis in axes]
        return np.any(np.broadcast_arrays(*remainders), axis=0) if remainders else np.bool_(False)


def nodes_of(trace: Trace, symbols: Mapping[str, int]) -> Iterator[Node]:
    """Yield the nodes of the main graph that take time, in order; `symbols` gives the open sizes."""
    graph = trace.model.proto.graph
    works: dict[int, list[tuple[Expr, ...]]] = {}
    for work in trace.work:
        index = work.node.index if not work.node.scope else int(work.node.scope.split(".")[0])
        works.setdefault(index, []).append(work.axes)
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node.op_type)
    for index, node in enumerate(graph.node):
        if constant_value(node) is None:
            around = sorted({reader for name in node.output for reader in readers.get(name, ())})
            yield _node(trace, node, works.get(index, []), around, symbols)


def _node(
    trace: Trace, node: onnx.NodeProto, works: list[tuple[Expr, ...]], readers: list[str], symbols: Mapping[str, int]
) -> Node:
    written = [axes for name in node.output if (axes := _axes(trace, name)) is not None]
    read = [axes for name in node.input if (axes := _axes(trace, name)) is not None]
    shapes = [*read, *written, *works]
    dims = tuple(dict.fromkeys(dim for axes in shapes for axis in axes for dim in free_dims(axis)))
    numbers = {dim: place for place, dim in enumerate(dims)}
    words = [node.domain, node.op_type, *_settings(node), *readers]
    words += [_shown(axes, numbers, symbols) for axes in shapes]
    signature = hashlib.sha1("|".join(words).encode()).hexdigest()[:16]
    terms = tuple(term(axes, symbols) for axes in works), tuple(term(axes, symbols) for axes in (*written, *read))
    return Node(next(filter(None, node.output)), node.op_type, signature, dims, *terms)


def _axes(trace: Trace, name: str) -> tuple[Expr, ...] | None:
    tensor = trace.tensors.get(name) if name else None
    return None if tensor is None else tensor.axes


def _settings(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the attributes of a node, but for bodies."""
    for attribute in sorted(node.attribute, key=lambda attribute: attribute.name):
        if attribute.type not in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            yield hashlib.sha1(attribute.SerializeToString(deterministic=True)).hexdigest()


def _shown(axes: tuple[Expr, ...], numbers: Mapping[Dim, int], symbols: Mapping[str, int]) -> str:
    """Write a shape down with the dims numbered, so that it reads the same for nodes alike."""
    return "[" + ",".join(_axis(axis, numbers, symbols) for axis in axes) + "]"


def _axis(axis: Expr, numbers: Mapping[Dim, int], symbols: Mapping[str, int]) -> str:
    if isinstance(axis, Fixed):
        return str(symbols.get(axis.symbol, axis.symbol) if axis.size is None else axis.size)
    if isinstance(axis, (Product, Sum)):
        parts = axis.factors if isinstance(axis, Product) else axis.terms
        return f"({('*' if isinstance(axis, Product) else '+').join(_axis(part, numbers, symbols) for part in parts)})"
    return f"{axis.size}#{numbers[axis]}" if axis in numbers else str(axis.size)


def _total(terms: tuple[Term, ...], widths: Widths, block: int) -> Any:
    """Add up terms with every axis that may shrink rounded up to a multiple of `block`."""
    total: Any = 0
    for summand in terms:
        value: Any = summand.factor
        for axis in summand.axes:
            value = value * (-(-Term(1, (axis,)).at(widths) // block) * block)
        total = total + value
    return total
