"""Tensors that depend on choices: where two candidates are as good, rounding alone can tip the balance."""

from __future__ import annotations

from onnxprune.calibrate.parts import CHOOSING
from onnxprune.model import Model


def after_a_choice(model: Model) -> set[str]:
    """Return the names of the main graph that are computed, at whatever distance, from what such an operator chose."""
    found: set[str] = set()
    for index, node in enumerate(model.proto.graph.node):
        inside = (graph for scope, graph in model.graphs.items() if scope.startswith(f"{index}."))
        operators = {node.op_type, *(inner.op_type for graph in inside for inner in graph.node)}
        if operators & CHOOSING or not found.isdisjoint(node.input):
            found.update(node.output)
    return found
