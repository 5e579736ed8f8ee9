"""Following an input through the graph: what is added to it on the way, and who reads it as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx

from onnxprune.model import NodeKey, enclosing_scopes
from onnxprune.ranges.readers import Range, View, numbers
from onnxprune.standins import MICROSOFT
from onnxprune.tracing import Trace

CARRYING = frozenset(
    "Cast Expand Flatten Gather GatherElements GatherND Identity Reshape Slice Split Squeeze Tile Transpose Unsqueeze"
    "".split()
)
"""Operators that hand on the integers of their first input."""

CHOOSING = {"Concat": 0, "Where": 1}
"""Operators that hand on those of any input, from this one on."""

BOUNDING = frozenset(("Clip", "Max", "Min", "Mod"))
"""Operators behind which it does not matter what was added before."""

MASKS = {"Attention": 3, "EmbedLayerNormalization": 7, "MultiHeadAttention": 4, "QAttention": 5}
"""Which input of onnxruntime's operators is a mask."""

FORBIDDING = -1000.0
"""A position is masked by adding this to its score, or less."""

UNSHIFTED = Range(0, 0)


@dataclass
class Readings:
    """How the graph reads an input: as numbers within some ranges, or as a mask."""

    ranges: list[Range] = field(default_factory=list)
    is_mask: bool = False

    @property
    def range(self) -> Range | None:
        """The integers that every reader can take, or None where none of them says anything."""
        if not self.ranges:
            return None
        both = Range(max(each.low for each in self.ranges), min(each.high for each in self.ranges))
        return both if both.low <= both.high else None


def readings(trace: Trace, name: str, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Readings:
    """Follow an input to its readers, also into bodies. `shapes` are those of inputs, for axes that are open."""
    walk = _Walk(View(trace, _sizes_of_names(trace, shapes or {})))
    walk.shifts[name] = UNSHIFTED
    walk.visit("")
    return walk.found


def _sizes_of_names(trace: Trace, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Return the sizes of the axes to which the inputs give a name."""
    sizes: dict[str, int] = {}
    for info in trace.model.proto.graph.input:
        axes = zip(info.type.tensor_type.shape.dim, shapes.get(info.name, ()), strict=False)
        sizes.update({axis.dim_param: length for axis, length in axes if axis.dim_param})
    return sizes


class _Walk:
    """The values that are the input plus something, by scope and name run together, and what was found on the way."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.graphs = view.trace.model.graphs
        self.shifts: dict[str, Range] = {}
        self.inverted: set[str] = set()
        self.found = Readings()

    def visit(self, scope: str) -> None:
        """Go through the nodes of a graph in their order."""
        for index, node in enumerate(self.graphs[scope].node):
            slots = {slot: shift for slot, name in enumerate(node.input) if (shift := self._shift(scope, name))}
            if slots:
                places = numbers(self.view, scope, node)
                self.found.ranges += [place.before(slots[slot]) for slot, place in places if slot in slots]
                carried = self._carried(scope, node, slots)
                if carried is not None:
                    self.shifts.update({f"{scope}{name}": carried for name in node.output if name})
            self._look_for_mask(scope, node, slots)
            self._visit_bodies(NodeKey(scope, index), node)

    def _shift(self, scope: str, name: str) -> Range | None:
        """Return what has been added to the input to give this value, or None where it is something else."""
        keys = (f"{outer}{name}" for outer in enclosing_scopes(scope))
        return next((self.shifts[key] for key in keys if name and key in self.shifts), None)

    def _carried(self, scope: str, node: onnx.NodeProto, slots: Mapping[int, Range]) -> Range | None:
        """Return the shift of what a node hands on, or None where its output is something else."""
        if node.op_type in BOUNDING:
            return UNSHIFTED
        if node.op_type in ("Add", "Sub"):
            return self._moved(scope, node, slots)
        first = CHOOSING.get(node.op_type, 0 if node.op_type in CARRYING else len(node.input))
        last = len(node.input) if node.op_type in CHOOSING else 1
        shifts = [shift for slot, shift in slots.items() if first <= slot < last]
        return Range(min(s.low for s in shifts), max(s.high for s in shifts)) if shifts else None

    def _moved(self, scope: str, node: onnx.NodeProto, slots: Mapping[int, Range]) -> Range | None:
        """Return the shift behind the addition of a constant, or its subtraction."""
        sign = 1 if node.op_type == "Add" else -1
        if len(slots) > 1 or (sign < 0 and 1 in slots):
            return None
        ((slot, shift),) = slots.items()
        values = self.view.stored(scope, node.input[1 - slot])
        if values is None or values.dtype.kind not in "iu" or not values.size:
            return None
        low, high = sorted((sign * int(values.min()), sign * int(values.max())))
        return Range(shift.low + low, shift.high + high)

    def _look_for_mask(self, scope: str, node: onnx.NodeProto, slots: Mapping[int, Range]) -> None:
        """Note where the input is a mask: an operator's own, or 1 less it, times a number that forbids."""
        inverted = [slot for slot, name in enumerate(node.input) if f"{scope}{name}" in self.inverted]
        if node.domain == MICROSOFT and MASKS.get(node.op_type) in slots:
            self.found.is_mask = True
        elif node.op_type == "Sub" and slots.keys() == {1} and self._is_one(scope, node.input[0]):
            self.inverted.update(f"{scope}{name}" for name in node.output)
        elif node.op_type == "Mul" and len(inverted) == 1:
            factor = self.view.stored(scope, node.input[1 - inverted[0]])
            self.found.is_mask |= factor is not None and factor.size == 1 and float(factor.item()) <= FORBIDDING
        elif inverted and node.op_type in CARRYING:
            self.inverted.update(f"{scope}{name}" for name in node.output)

    def _is_one(self, scope: str, name: str) -> bool:
        values = self.view.stored(scope, name)
        return values is not None and values.size == 1 and bool(values.item() == 1)

    def _visit_bodies(self, key: NodeKey, node: onnx.NodeProto) -> None:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                self._visit_body(key.scope, f"{key}.{attribute.name}/", node)

    def _visit_body(self, outside: str, inside: str, node: onnx.NodeProto) -> None:
        """Go through a body: it is given what its node reads, and the node gives what the body does.

        Of a Loop, the condition comes first among what the body gives.
        """
        body = self.graphs[inside]
        results = body.output[1:] if node.op_type == "Loop" else body.output
        self._hand_over(outside, node.input, inside, [info.name for info in body.input])
        self.visit(inside)
        self._hand_over(inside, [info.name for info in results], outside, node.output)

    def _hand_over(self, source: str, given: Sequence[str], target: str, names: Sequence[str]) -> None:
        for old, new in zip(given, names, strict=False):
            if new and (shift := self._shift(source, old)) is not None:
                self.shifts[f"{target}{new}"] = shift
