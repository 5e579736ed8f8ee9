"""Which layers can be repaired, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onnxprune.axes import Dim, Mask, free_dims
from onnxprune.linear import Layer, kept_outputs, layers
from onnxprune.model import Model, tensors_read
from onnxprune.record import Slot, Use
from onnxprune.recover.rooms import Room, make_room
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Job:
    """A layer to repair, in the dense and in the pruned model, and which of the dense layer's outputs were kept."""

    dense: Layer
    pruned: Layer
    groups: Mask
    outs: Mask
    room: Room | None


@dataclass(frozen=True)
class Jobs:
    """The layers to repair, why others are left as they are, and the constants that were added to make room."""

    found: tuple[Job, ...]
    left: Mapping[str, str]
    added: tuple[str, ...]


def find_jobs(trace: Trace, masks: Mapping[Dim, Mask], pruned: Model) -> Jobs:
    """Return what can be repaired in `pruned`, whose constants are edited in place to make room for biases."""
    shrinking = {dim for dim, mask in masks.items() if not mask.all()}
    uses = {use.slot: use for use in trace.uses}
    changed = _changed_tensors(trace, shrinking)
    readers = Counter(name for node in pruned.proto.graph.node for name in tensors_read(node))
    places = {name: node for node in pruned.proto.graph.node for name in node.output}
    left: dict[str, str] = {}
    wanted: list[Layer] = []
    for layer in layers(trace.model):
        if layer.x not in changed:
            continue
        weight = places[layer.output].input[layer.w_slot]
        if readers[weight] > 1:
            left[layer.name] = "its weight serves several nodes"
        elif _rows_shrink(trace, layer, shrinking):
            left[layer.name] = "the rows that it works on were pruned"
        else:
            wanted.append(layer)
    left.update(_not_linear(trace, shrinking))
    names = {layer.output for layer in wanted}
    rooms, added = make_room(pruned, [layer for layer in layers(pruned) if layer.output in names])
    edited = {layer.output: layer for layer in layers(Model(pruned.proto, pruned.path))}
    found = tuple(_job(layer, edited[layer.output], uses, masks, rooms) for layer in wanted)
    return Jobs(found, left, tuple(added))


def _job(
    dense: Layer, pruned: Layer, uses: Mapping[Slot, Use], masks: Mapping[Dim, Mask], rooms: Mapping[str, Room]
) -> Job:
    groups, outs = kept_outputs(dense, uses[dense.key, dense.w_slot].axes, masks)
    return Job(dense, pruned, groups, outs, rooms.get(dense.output))


def _changed_tensors(trace: Trace, shrinking: set[Dim]) -> set[str]:
    """Return the tensors of the main graph that pruning changes in shape or in value."""
    touched = {use.slot[0] for use in trace.uses if any(shrinking & set(free_dims(axis)) for axis in use.axes)}
    inside = {key.scope.split(".")[0] for key in touched if key.scope}
    changed: set[str] = set()
    for index, node in enumerate(trace.model.proto.graph.node):
        is_touched = any(key.index == index and not key.scope for key in touched) or str(index) in inside
        if is_touched or not changed.isdisjoint(tensors_read(node)):
            changed.update(node.output)
    return changed


def _rows_shrink(trace: Trace, layer: Layer, shrinking: set[Dim]) -> bool:
    """Whether an axis of the layer's output that numbers rows loses positions."""
    tensor = trace.tensors.get(layer.y)
    if tensor is None or tensor.axes is None:
        return True
    rows = [axis for place, axis in enumerate(tensor.axes) if place - len(tensor.axes) != layer.channel_axis]
    return any(shrinking & set(free_dims(axis)) for axis in rows)


def _not_linear(trace: Trace, shrinking: set[Dim]) -> Iterator[tuple[str, str]]:
    """Yield nodes that sum over an axis that shrank and are no linear layers with a stored weight of their own."""
    known = {(layer.key, layer.x_slot) for layer in layers(trace.model)}
    stored = {use.slot for use in trace.uses}
    for note in trace.contractions:
        if note.slot in known or note.slot in stored or not shrinking & set(free_dims(note.expr)):
            continue
        node = trace.model.node(note.slot[0])
        yield node.name or node.output[0], _why_not(trace, note.slot[0].scope, node.op_type)


def _why_not(trace: Trace, scope: str, op_type: str) -> str:
    if scope:
        return "it is inside the body of a control-flow operator"
    return (
        f"{op_type}: no repair is known for it here (two activations, or a weight that is not stored in real numbers)"
    )
