"""Optional inputs that say what the operator assumes anyway: left out where they would have to shrink."""

from __future__ import annotations

import onnx

from onnxprune.apply.draft import Draft, place_of


def drop_inputs(draft: Draft) -> None:
    """Leave out such inputs, and the nodes that computed nothing else."""
    nodes = {id(drop): draft.trace.model.node(drop.slot[0]) for drop in draft.trace.record.drops}
    dropped: list[str] = []
    for drop in draft.trace.record.drops:
        if draft.differs(drop.size):
            node, slot = _same_node(draft, nodes[id(drop)], drop.slot[0].scope), drop.slot[1]
            draft.changes.resize(place_of(node, f"inputs[{slot}]"), node.input[slot], None)
            dropped.append(node.input[slot])
            node.input[slot] = ""
    _remove_unread(draft, dropped)


def _same_node(draft: Draft, dense: onnx.NodeProto, scope: str) -> onnx.NodeProto:
    """Return the node of the draft that gives the outputs of a node of the dense model."""
    return next(node for node in draft.model.graphs[scope].node if list(node.output) == list(dense.output))


def _remove_unread(draft: Draft, names: list[str]) -> None:
    """Remove the nodes that compute only `names`, where nobody reads them, and so on upwards."""
    while names:
        above: list[str] = []
        for graph in draft.model.graphs.values():
            above += _remove_from(graph, set(names) - _read(draft))
        names = above


def _read(draft: Draft) -> set[str]:
    """Return the names that any node or output reads, and those of the graphs' inputs."""
    graphs = draft.model.graphs.values()
    read = {name for graph in graphs for node in graph.node for name in node.input}
    return read | {info.name for graph in graphs for info in (*graph.output, *graph.input)}


def _remove_from(graph: onnx.GraphProto, unread: set[str]) -> list[str]:
    """Remove what holds or computes nothing but `unread` from a graph, and return what that had read."""
    unused = [node for node in graph.node if node.output and unread.issuperset(name for name in node.output if name)]
    for node in unused:
        graph.node.remove(node)
    for info in [info for info in graph.value_info if info.name in unread]:
        graph.value_info.remove(info)
    for tensor in [tensor for tensor in graph.initializer if tensor.name in unread]:
        graph.initializer.remove(tensor)
    return [name for node in unused for name in node.input]
