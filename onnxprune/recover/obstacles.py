"""Why nodes that lost inputs or weights cannot be repaired."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from onnxprune.axes import Dim, free_dims
from onnxprune.calibrate.parts import Parts
from onnxprune.linear import layers
from onnxprune.linear.registry import MAKERS
from onnxprune.model import DEFAULT_DOMAIN, ConstantKey, NodeKey, enclosing_scopes
from onnxprune.record import Contraction
from onnxprune.tensors import REAL
from onnxprune.tracing import Trace

SHARED = "its weight serves several nodes"


def obstacles(
    trace: Trace, shrinking: Collection[Dim], touched: Collection[ConstantKey] = ()
) -> Iterator[tuple[str, str]]:
    """Yield nodes that cannot be repaired, for they are no linear layers with a stored weight, and why not.

    These are nodes that sum over an axis that shrank, or multiply with what follows from a `touched` constant.
    """
    known = {(layer.key, layer.x_slot) for layer in layers(trace.model)}
    stored = {use.slot for use in trace.uses}
    reasons = _Reasons(trace, touched)
    for note in trace.contractions:
        if note.slot in known or note.slot in stored:
            continue
        if not set(shrinking).isdisjoint(free_dims(note.expr)) or reasons.lost_weights(note):
            node = trace.model.node(note.slot[0])
            yield node.name or node.output[0], reasons.of(note)


class _Reasons:
    """What stands between a node and its repair."""

    def __init__(self, trace: Trace, touched: Collection[ConstantKey]) -> None:
        self._model, self._parts = trace.model, Parts(trace.model, trace.types)
        self._touched = set(touched)
        for node in trace.model.proto.graph.node:
            if self._parts.constant.issuperset(node.output) and any(("", name) in self._touched for name in node.input):
                self._touched.update(("", name) for name in node.output)

    def lost_weights(self, note: Contraction) -> bool:
        """Whether the node of a contraction multiplies with what follows from a touched constant."""
        return any(self._lost(note.slot[0]))

    def _lost(self, key: NodeKey) -> Iterator[str]:
        """Yield the inputs of a node that follow from touched constants."""
        scopes = [*enclosing_scopes(key.scope)]
        return (name for name in self._model.node(key).input if any((scope, name) in self._touched for scope in scopes))

    def of(self, note: Contraction) -> str:
        """Return the reason for the node that a contraction belongs to."""
        key, slot = note.slot
        node = self._model.node(key)
        if key.scope:
            return "it is inside the body of a control-flow operator"
        if node.domain not in DEFAULT_DOMAIN or node.op_type not in MAKERS:
            return f"no repair is known for {node.op_type}"
        weight = next(self._lost(key), node.input[1 if slot == 0 else 0])
        if weight not in self._parts.constant | self._parts.stored:
            return "it multiplies two activations: there is no weight to correct"
        return self._of_weight(key, weight)

    def _of_weight(self, key: NodeKey, weight: str) -> str:
        name, is_quantized = weight, False
        while (maker := self._model.producers.get((key.scope, name))) is not None and maker.input:
            is_quantized = is_quantized or maker.op_type == "DequantizeLinear"
            if maker.op_type not in ("Identity", "DequantizeLinear"):
                return "its weight is computed in the graph"
            name = maker.input[0]
        stored = self._model.constants.get((key.scope, name))
        if is_quantized or (stored is not None and stored.data_type not in REAL):
            return "its weight is stored in integers"
        return SHARED if name != weight else "it is no linear layer with one stored matrix"
