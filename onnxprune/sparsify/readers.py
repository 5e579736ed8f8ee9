"""Who reads a value, also from inside the bodies of control flow."""

from __future__ import annotations

from onnxprune.model import Model, NodeKey, enclosing_scopes

Reader = tuple[NodeKey, int]
"""A node and the index of its input; -1 for a graph that returns the value."""


def find_readers(model: Model) -> dict[tuple[str, str], list[Reader]]:
    """Return the readers of each value, by the scope that defines it and its name."""
    defined = {(scope, name) for scope in model.graphs for name in _defined(model, scope)}
    found: dict[tuple[str, str], list[Reader]] = {}

    def note(scope: str, name: str, reader: Reader) -> None:
        home = next((outer for outer in enclosing_scopes(scope) if (outer, name) in defined), None)
        if home is not None:
            found.setdefault((home, name), []).append(reader)

    for scope, graph in model.graphs.items():
        for index, node in enumerate(graph.node):
            for slot, name in enumerate(node.input):
                note(scope, name, (NodeKey(scope, index), slot))
        for info in graph.output:
            note(scope, info.name, (NodeKey(scope, -1), -1))
    return found


def _defined(model: Model, scope: str) -> set[str]:
    graph = model.graphs[scope]
    names = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
    return names | {name for node in graph.node for name in node.output}
