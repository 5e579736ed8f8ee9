"""Functions of the model's own: whether calling them ends, and how much it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import onnx

from onnxprune.errors import ModelError
from onnxprune.wellformed.attributes import bodies
from onnxprune.wellformed.words import plain, shown

Key: TypeAlias = "tuple[str, str, str]"
"""How a function is called: its domain, name and overload."""

MOST_NODES = 100_000
"""Nodes that a model may come to when functions are replaced by their bodies."""

DEEPEST = 100
"""Calls within calls that onnx's inliner follows."""


class Extent(NamedTuple):
    """How many nodes a call comes to, and how deep calls in it are."""

    nodes: int
    depth: int


def check_calls(proto: onnx.ModelProto) -> None:
    """Refuse functions that call each other in a circle, very deep, or so often that no memory holds it."""
    if not proto.functions:
        return
    calls = _Calls(proto.functions)
    for function in proto.functions:
        if plain(function.domain) == "" and onnx.defs.has(function.name):
            raise ModelError(f"function {shown(function.name)}: an operator of onnx has the same name; which is meant?")
        calls.follow(function)
    calls.extent(proto.graph.node, "the model")


class _Calls:
    def __init__(self, functions: Iterable[onnx.FunctionProto]) -> None:
        self._own: dict[Key, onnx.FunctionProto] = {}
        for function in functions:
            if self._own.setdefault(_key(function), function) is not function:
                raise ModelError(f"function {shown(function.name)}: there is another of the same domain and name")
        self._known: dict[Key, Extent] = {}
        self._around: list[Key] = []

    def follow(self, function: onnx.FunctionProto) -> Extent:
        """Return what a call of a function comes to."""
        key, where = _key(function), f"function {shown(function.name)}"
        if key in self._around:
            raise ModelError(f"{where}: it calls itself, perhaps through others")
        if key not in self._known:
            self._around.append(key)
            self._known[key] = self.extent(function.node, where)
            self._around.pop()
        return self._known[key]

    def extent(self, nodes: Iterable[onnx.NodeProto], where: str) -> Extent:
        """Return what some nodes come to."""
        if len(self._around) > DEEPEST:
            raise ModelError(f"{where}: functions call functions more than {DEEPEST} deep")
        total, depth = 0, 0
        for node in _all(nodes):
            function = self._own.get(_key(node))
            called = Extent(1, 0) if function is None else self.follow(function)
            total, depth = total + called.nodes, max(depth, called.depth)
        if total > MOST_NODES:
            raise ModelError(f"{where}: without functions it would have more than {MOST_NODES:,} nodes")
        if depth >= DEEPEST:
            raise ModelError(f"{where}: functions call functions more than {DEEPEST} deep")
        return Extent(total, depth + 1)


def _all(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Yield nodes, and those in their bodies."""
    for node in nodes:
        yield node
        for body in bodies(node):
            yield from _all(body.node)


def _key(thing: onnx.FunctionProto | onnx.NodeProto) -> Key:
    name = thing.op_type if isinstance(thing, onnx.NodeProto) else thing.name
    return thing.domain, name, getattr(thing, "overload", "")
