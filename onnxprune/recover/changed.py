"""What pruning changes in the values of a model, and what it can make fall out differently."""

from __future__ import annotations

from collections.abc import Collection

import onnx

from onnxprune.axes import Dim, free_dims
from onnxprune.calibrate.parts import CHANCE, CHOOSING
from onnxprune.model import ConstantKey, Model, tensors_read
from onnxprune.tracing import Trace

BRANCHING = frozenset({"If", "Loop"})
"""Operators whose inputs, not those of their bodies alone, can decide what is computed and how often."""


def changed_tensors(trace: Trace, shrinking: Collection[Dim], touched: Collection[ConstantKey] = ()) -> set[str]:
    """Return the tensors of the main graph that pruning changes in shape or in value.

    That is what follows from dims that shrink and from constants that were `touched`, which are among them.
    """
    dims = set(shrinking)
    sliced = {use.slot[0] for use in trace.uses if any(dims & set(free_dims(axis)) for axis in use.axes)}
    places = {int(key.scope.split(".")[0]) if key.scope else key.index for key in sliced}
    places |= {int(scope.split(".")[0]) for scope, _ in touched if scope}
    changed = {name for scope, name in touched if not scope}
    for place, node in enumerate(trace.model.proto.graph.node):
        if place in places or not changed.isdisjoint(tensors_read(node)):
            changed.update(node.output)
    return changed


def chosen_anew(model: Model, changed: Collection[str]) -> set[str]:
    """Return the tensors of the main graph that follow from a choice among `changed` values, or from chance.

    Where two models choose by themselves, what stands at a place of such a tensor need not be the same in both.
    """
    values = set(changed)
    anew: set[str] = set()
    for place, node in enumerate(model.proto.graph.node):
        inner = [body.node for scope, body in model.graphs.items() if scope.startswith(f"{place}.")]
        operators = {node.op_type, *(found.op_type for nodes in inner for found in nodes)}
        reads = set(tensors_read(node))
        if operators & CHANCE or anew & reads or _chooses(node, operators, reads & values):
            anew.update(node.output)
    return anew


def _chooses(node: onnx.NodeProto, operators: set[str], changed: set[str]) -> bool:
    """Whether changed values can decide what a node, by which or inside which `operators` run, gives at a place."""
    branches = node.op_type in BRANCHING and not changed.isdisjoint(node.input)
    return branches or bool(changed and operators & CHOOSING)
