"""The producing side: which weights make the units of a dim, rather than read them."""

from __future__ import annotations

from typing import TypeAlias

from onnxprune.axes import Dim, Expr, free_dims
from onnxprune.model import ConstantKey, Model, NodeKey, enclosing_scopes
from onnxprune.record import Slot
from onnxprune.tracing import Trace

Side: TypeAlias = "tuple[ConstantKey, tuple[Expr, ...], int, Dim]"
"""A stored weight, its axes, the place of one of them, and a dim in it."""


def producing_sides(trace: Trace) -> set[Side]:
    """Return the axes of weights that make a dim: it is still there in what the weight and an activation give.

    A weight between tied channels, such as a convolution from a residual stream into itself, makes them along both
    axes, unless its operator has an input for such weights (the feedback of a recurrent layer).
    """
    summed = {(note.slot, note.axis) for note in trace.record.contractions}
    results = _results(trace.model)
    return {
        (use.constant, use.axes, place, dim)
        for use in trace.uses
        for place, axis in enumerate(use.axes)
        if (use.slot, place) not in summed
        for dim in free_dims(axis)
        if dim in _dims(trace, *results.get(use.slot, ("", [])))
    }


def _dims(trace: Trace, scope: str, names: list[str]) -> set[Dim]:
    found = (trace.tensor(scope, name) for name in names)
    return {dim for tensor in found if tensor is not None for axis in tensor.axes or () for dim in free_dims(axis)}


def _results(model: Model) -> dict[Slot, tuple[str, list[str]]]:
    """Return, for each input that reads a constant, scope and names of the first values made of it and an activation.

    What is made of constants alone (a weight that is transposed, or put in real numbers) is passed on the way.
    """
    results: dict[Slot, tuple[str, list[str]]] = {}
    origins: dict[tuple[str, str], set[Slot]] = {}
    for scope, graph in model.graphs.items():
        for index, node in enumerate(graph.node):
            found = [
                _origins(model, origins, (NodeKey(scope, index), place))
                for place, name in enumerate(node.input)
                if name
            ]
            behind = {slot for known in found if known is not None for slot in known}
            if None in found:
                results.update(dict.fromkeys(behind, (scope, list(node.output))))
            else:
                origins.update({(scope, name): behind for name in node.output})
    return results


def _origins(model: Model, origins: dict[tuple[str, str], set[Slot]], slot: Slot) -> set[Slot] | None:
    """Return the inputs through which constants came into a value, or None where it is an activation."""
    key, place = slot
    name = model.node(key).input[place]
    for scope in enclosing_scopes(key.scope):
        if (scope, name) in model.constants:
            return {slot}
        if (scope, name) in origins:
            return origins[scope, name]
    return None
