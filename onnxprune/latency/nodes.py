"""What the time of a node depends on, and what makes two nodes alike."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, Product, Sum, count, free_dims
from onnxprune.cost import Term, term, with_sizes
from onnxprune.measure import Widths
from onnxprune.model import constant_value
from onnxprune.open_sizes import symbols_of
from onnxprune.tracing import Trace

ALIGNMENT = 4
"""Channels that are no multiple of this leave onnxruntime's blocked layout altogether."""


@dataclass(frozen=True)
class Node:
    """A node of the main graph. `output` names it; `signature` is that of all nodes alike, also in other models.

    `dims` are those that its time may depend on, in an order that alike nodes share. `work` has a term for each
    product it computes, `traffic` one for each activation that it writes or reads.
    """

    output: str
    operator: str
    signature: str
    dims: tuple[Dim, ...]
    work: tuple[Term, ...]
    traffic: tuple[Term, ...]

    def lengths(self, widths: Widths) -> list[Any]:
        """Return how long each axis that may shrink is at candidate widths: numbers, or arrays of the same shape."""
        return [count(axis, widths) for axis in self._axes]

    def features(self, lengths: Sequence[Any], block: int) -> NDArray[np.float64]:
        """Return what the time is made of where the axes have these `lengths`: shape [..., k].

        First come a constant, multiply-accumulates and values with every axis that may shrink at the next multiple of
        `block`, then the latter two at the very lengths.
        """
        rounded = [-(-length // block) * block for length in lengths]
        totals = [_total(terms, axes) for axes in (rounded, lengths) for terms in self._terms if terms]
        features = np.ones((*np.broadcast_shapes(*map(np.shape, lengths)), 1 + len(totals)))
        for place, total in enumerate(totals):
            features[..., 1 + place] = total
        return features

    @staticmethod
    def is_unaligned(lengths: Sequence[Any]) -> Any:
        """Whether some axis is no multiple of what the fast kernels want: a bool, or an array of them."""
        return reduce(operator.or_, (length % ALIGNMENT != 0 for length in lengths), False)

    @cached_property
    def _axes(self) -> list[Expr]:
        """The axes that may shrink, each once: a concatenation of many dims takes a while to count."""
        return list(dict.fromkeys(axis for term in (*self.work, *self.traffic) for axis in term.axes))

    @cached_property
    def _terms(self) -> list[list[tuple[int, list[int]]]]:
        """Work and traffic as the factor of each term and the places of its axes in `_axes`."""
        places = {axis: place for place, axis in enumerate(self._axes)}
        return [
            [(term.factor, [places[axis] for axis in term.axes]) for term in terms]
            for terms in (self.work, self.traffic)
        ]


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
    read = [axes for name in node.input if (axes := _axes(trace, name)) is not None]
    written = [axes for name in node.output if (axes := _axes(trace, name)) is not None]
    shapes = [with_sizes(axes, symbols) for axes in (*read, *written, *works)]
    dims = tuple(dict.fromkeys(dim for axes in shapes for axis in axes for dim in free_dims(axis)))
    numbers = {dim: place for place, dim in enumerate(dims)}
    words = [node.domain, node.op_type, *_settings(node), *_types(trace, node), *readers]
    words += [f"[{','.join(_shown(axis, numbers) for axis in axes)}]" for axes in shapes]
    if not symbols_of(tuple(axis for axes in (*read, *written, *works) for axis in axes)) <= symbols.keys():
        # What size it really has follows from those of the inputs.
        words += [f"{name}={value}" for name, value in sorted(symbols.items())]
    signature = hashlib.sha1("|".join(words).encode()).hexdigest()[:16]
    terms = [term(axes, {}) for axes in shapes]
    passing = len(read) + len(written)
    return Node(
        next(filter(None, node.output)),
        node.op_type,
        signature,
        dims,
        work=tuple(terms[passing:]),
        traffic=tuple(terms[:passing]),
    )


def _axes(trace: Trace, name: str) -> tuple[Expr, ...] | None:
    tensor = trace.tensors.get(name) if name else None
    return None if tensor is None else tensor.axes


def _settings(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the attributes of a node; of a body, what it computes with what attributes."""
    for attribute in sorted(node.attribute, key=lambda attribute: attribute.name):
        bodies = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for inner in (inner for body in bodies for inner in body.node if constant_value(inner) is None):
            yield from (inner.domain, inner.op_type, *_settings(inner))
        if not bodies:
            yield hashlib.sha1(attribute.SerializeToString(deterministic=True)).hexdigest()


def _types(trace: Trace, node: onnx.NodeProto) -> Iterator[str]:
    """Yield the types of what a node reads and writes, and whether that is stored: such weights are packed once."""
    for name in (*node.input, *node.output):
        yield f"{trace.types.get(name, 0)}{'stored' * (('', name) in trace.model.constants)}"


def _shown(axis: Expr, numbers: Mapping[Dim, int]) -> str:
    """Write an axis down with the dims numbered, so that it reads the same for nodes alike."""
    if isinstance(axis, (Product, Sum)):
        parts = axis.factors if isinstance(axis, Product) else axis.terms
        return f"({('*' if isinstance(axis, Product) else '+').join(_shown(part, numbers) for part in parts)})"
    return f"{axis.size}#{numbers[axis]}" if isinstance(axis, Dim) else str(axis.size)


def _total(terms: Sequence[tuple[int, list[int]]], lengths: Sequence[Any]) -> Any:
    """Add up terms: the factor of each times the lengths of its axes."""
    return sum(factor * math.prod(lengths[place] for place in places) for factor, places in terms)
