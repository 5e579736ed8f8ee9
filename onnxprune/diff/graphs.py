"""Which graph, and which node, of one model goes with which of another.

Nodes go together by name, and those that have none, or none that the other model knows, by their first output. The
bodies of two nodes that go together are compared, so nodes may come and go in front of a Loop without its body's
becoming another. Constants are stored tensors and are told of as such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import onnx

from onnxprune.model import Model, constant_value

Pair = tuple[int | None, int | None]
"""The indices of two nodes that go together; None where there is none."""


@dataclass(frozen=True)
class Graphs:
    """Two graphs that go together: their scopes, None where there is no such graph, and what people call the place."""

    place: str
    scopes: tuple[str | None, str | None]
    nodes: tuple[Pair, ...]


def label(node: onnx.NodeProto) -> str:
    """Return what a node is called: its name, or the first value that it computes."""
    return node.name or _first_output(node) or node.op_type


def graphs_side_by_side(before: Model, after: Model) -> Iterator[Graphs]:
    """Yield the main graphs of two models, then all pairs of bodies, and bodies without a counterpart."""
    yield from _below(before, after, ("", ""), "")


def _below(before: Model, after: Model, scopes: tuple[str | None, str | None], place: str) -> Iterator[Graphs]:
    sides = [_nodes(model, scope) for model, scope in zip((before, after), scopes, strict=True)]
    pairs = tuple(_matched(*sides))
    yield Graphs(place, scopes, pairs)
    for pair in pairs:
        found = [side[index] for side, index in zip(sides, pair, strict=True) if index is not None]
        for name in dict.fromkeys(name for node in found for name in _bodies(node)):
            inner = _body(before, scopes[0], pair[0], name), _body(after, scopes[1], pair[1], name)
            yield from _below(before, after, inner, f"{place}{label(found[-1])}.{name}/")


def _nodes(model: Model, scope: str | None) -> dict[int, onnx.NodeProto]:
    """Return the nodes of a graph by their index, but for those that hold a tensor."""
    nodes = () if scope is None else model.graphs[scope].node
    return {index: node for index, node in enumerate(nodes) if constant_value(node) is None}


def _matched(before: Mapping[int, onnx.NodeProto], after: Mapping[int, onnx.NodeProto]) -> Iterator[Pair]:
    """Yield each node of either side once: those of `before` in their order, then what is new."""
    partners: dict[int, int] = {}
    for key in (lambda node: str(node.name), _first_output):
        left = {index: node for index, node in before.items() if index not in partners}
        right = {index: node for index, node in after.items() if index not in partners.values()}
        known = _unique(right, key)
        partners |= {index: known[name] for name, index in _unique(left, key).items() if name in known}
    yield from ((index, partners.get(index)) for index in before)
    taken = set(partners.values())
    yield from ((None, index) for index in after if index not in taken)


def _unique(nodes: Mapping[int, onnx.NodeProto], key: Callable[[onnx.NodeProto], str]) -> dict[str, int]:
    """Return the nodes by a name that no other of them has."""
    names = {index: key(node) for index, node in nodes.items()}
    count = Counter(names.values())
    return {name: index for index, name in names.items() if name and count[name] == 1}


def _first_output(node: onnx.NodeProto) -> str:
    return next((name for name in node.output if name), "")


def _bodies(node: onnx.NodeProto) -> list[str]:
    return [attribute.name for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]


def _body(model: Model, scope: str | None, index: int | None, name: str) -> str | None:
    """Return the scope of the body of a node, or None where there is none."""
    inner = f"{scope}{index}.{name}/"
    return None if scope is None or index is None or inner not in model.graphs else inner
