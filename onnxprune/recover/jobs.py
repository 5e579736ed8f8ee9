"""Which layers can be repaired, and why the others cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from onnxprune.axes import Dim, Mask, free_dims
from onnxprune.linear import Layer, kept_outputs, layers
from onnxprune.model import ConstantKey, Model, tensors_read
from onnxprune.record import Slot, Use
from onnxprune.recover.changed import changed_tensors, chosen_anew
from onnxprune.recover.obstacles import SHARED, obstacles
from onnxprune.recover.rooms import Room, make_room
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Job:
    """A layer to repair, in the dense and in the pruned model, and which of the dense layer's outputs were kept.

    `aligned` tells whether a row is the same to both models as they run: not so behind a choice, such as that of the
    best boxes, which pruning can make fall differently.
    """

    dense: Layer
    pruned: Layer
    groups: Mask
    outs: Mask
    room: Room | None
    aligned: bool


@dataclass(frozen=True)
class Jobs:
    """The layers to repair, why others are left as they are, and the constants that were added to make room."""

    found: tuple[Job, ...]
    left: Mapping[str, str]
    added: tuple[str, ...]


def find_jobs(
    trace: Trace,
    masks: Mapping[Dim, Mask],
    pruned: Model,
    touched: Collection[ConstantKey] = (),
    with_room: bool = True,
) -> Jobs:
    """Return what can be repaired in `pruned`: layers whose inputs changed, or whose weights are `touched`.

    Unless `with_room` is false, constants of `pruned` are edited in place to make room for biases.
    """
    shrinking = {dim for dim, mask in masks.items() if not mask.all()}
    uses = {use.slot: use for use in trace.uses}
    changed = changed_tensors(trace, shrinking, touched)
    candidates = [layer for layer in layers(trace.model) if layer.x in changed or layer.weight in touched]
    left = _left(trace, pruned, shrinking, candidates)
    wanted = {layer.output: layer for layer in candidates if layer.output not in left}
    reasons = {layer.name: left[layer.output] for layer in candidates if layer.output in left}
    reasons.update(obstacles(trace, shrinking, touched))
    roomy = [layer for layer in layers(pruned) if layer.output in wanted] if with_room else []
    rooms, added = make_room(pruned, roomy)
    edited = {layer.output: layer for layer in layers(Model(pruned.proto, pruned.path))}
    anew = chosen_anew(trace.model, changed)
    jobs = [_job(layer, edited[name], uses, masks, rooms, layer.x not in anew) for name, layer in wanted.items()]
    return Jobs(tuple(jobs), reasons, tuple(added))


def _left(trace: Trace, pruned: Model, shrinking: set[Dim], candidates: Iterable[Layer]) -> dict[str, str]:
    """Return which layers have to be left as they are, by their outputs, and why."""
    readers = Counter(name for node in pruned.proto.graph.node for name in tensors_read(node))
    places = {name: node for node in pruned.proto.graph.node for name in node.output}
    left: dict[str, str] = {}
    for layer in candidates:
        if readers[places[layer.output].input[layer.w_slot]] > 1:
            left[layer.output] = SHARED
        elif _rows_shrink(trace, layer, shrinking):
            left[layer.output] = "the rows that it works on were pruned"
    return left


def _job(
    dense: Layer,
    pruned: Layer,
    uses: Mapping[Slot, Use],
    masks: Mapping[Dim, Mask],
    rooms: Mapping[str, Room],
    aligned: bool,
) -> Job:
    groups, outs = kept_outputs(dense, uses[dense.key, dense.w_slot].axes, masks)
    return Job(dense, pruned, groups, outs, rooms.get(dense.output), aligned)


def _rows_shrink(trace: Trace, layer: Layer, shrinking: set[Dim]) -> bool:
    """Whether an axis of the layer's output that numbers rows loses positions."""
    if not shrinking:
        return False
    tensor = trace.tensors.get(layer.y)
    if tensor is None or tensor.axes is None:
        return True
    rows = [axis for place, axis in enumerate(tensor.axes) if place - len(tensor.axes) != layer.channel_axis]
    return any(shrinking & set(free_dims(axis)) for axis in rows)
