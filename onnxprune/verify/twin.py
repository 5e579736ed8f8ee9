"""The masked twin: the dense model with a 0/1 Mul in front of every contraction over an axis that shrank.

Of quantized numbers, what is masked takes the value of the zero point instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.axes import Dim, Expr, Mask, free_dims, keep, size
from onnxprune.calibrate.parts import CHOOSING
from onnxprune.model import Model, NodeKey, enclosing_scopes
from onnxprune.record import Contraction, Norm
from onnxprune.tensors import REAL, to_tensor
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Probe:
    """A tensor to compare: its name in the twin, in the pruned model, and its axes there."""

    masked: str
    pruned: str
    axes: tuple[Expr, ...]


def masked_twin(trace: Trace, masks: Mapping[Dim, Mask]) -> tuple[Model, list[Probe]]:
    """Return the masked twin and the tensors of the main graph at which it must equal the pruned model."""
    twin = copy_model(trace.model)
    builder = _Builder(twin, trace, masks)
    for contraction in trace.contractions:
        if any(dim in masks for dim in free_dims(contraction.expr)):
            builder.mask(contraction)
    for norm in trace.record.norms:
        if not norm.is_rms and any(dim in masks for dim in free_dims(norm.axis)):
            builder.normalize_kept(norm)
    builder.insert()
    builder.watch_ends()
    builder.watch_choices()
    return Model(twin.proto, twin.path), builder.probes


def copy_model(model: Model) -> Model:
    """Return a copy that may be changed."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return Model(proto, model.path)


class _Builder:
    def __init__(self, twin: Model, trace: Trace, masks: Mapping[Dim, Mask]) -> None:
        self.twin = twin
        self.trace = trace
        self.masks = masks
        self.probes: list[Probe] = []
        self.uses = {use.slot: use for use in trace.uses}
        self._before: dict[NodeKey, list[onnx.NodeProto]] = {}
        self._after: dict[NodeKey, onnx.NodeProto] = {}

    def mask(self, contraction: Contraction) -> None:
        """Put a mask before one input of one node."""
        key, slot = contraction.slot
        source = self.trace.model.node(key).input[slot]
        use, tensor = self.uses.get(contraction.slot), self.trace.tensor(key.scope, source)
        axes = use.axes if use is not None else tensor.axes if tensor is not None else None
        assert axes is not None
        shape = [-1 if axis == contraction.axis else 1 for axis in range(len(axes))]
        values = keep(contraction.expr, self.masks).reshape(shape)
        masked = self._add_mask(contraction, values, self._type(key.scope, source))
        if use is None and not key.scope:
            self.probes.append(Probe(masked, source, axes))

    def _add_mask(self, contraction: Contraction, values: Mask, elem_type: int) -> str:
        """Mask what the node reads by now: the tensor, or what an earlier mask over another of its axes left of it."""
        key, slot = contraction.slot
        node = self.twin.node(key)
        name = f"onnxprune_mask_{key}_{slot}_{contraction.axis}"
        before = self._before.setdefault(key, [])
        if elem_type in REAL:
            self._store(name, values, elem_type)
            before.append(helper.make_node("Mul", [node.input[slot], name], [f"{name}_out"], name=name))
        else:
            self._store(name, values, onnx.TensorProto.BOOL)
            zero = self._zero_point(node, contraction.zero, name, elem_type)
            before.extend(_where(name, node.input[slot], zero, elem_type))
        node.input[slot] = f"{name}_out"
        return f"{name}_out"

    def _zero_point(self, node: onnx.NodeProto, slot: int | None, name: str, elem_type: int) -> str:
        if slot is not None and slot < len(node.input) and node.input[slot]:
            given: str = node.input[slot]
            return given
        self._store(f"{name}_zero", np.zeros((), np.int8), elem_type)
        return f"{name}_zero"

    def _store(self, name: str, values: NDArray[Any], elem_type: int) -> None:
        self.twin.proto.graph.initializer.append(to_tensor(values, elem_type, name))

    def _type(self, scope: str, name: str) -> int:
        keys = (f"{outer}{name}" for outer in enclosing_scopes(scope))
        return next((self.trace.types[key] for key in keys if self.trace.types.get(key)), onnx.TensorProto.FLOAT)

    def normalize_kept(self, norm: Norm) -> None:
        """Take the statistics over the kept units alone, and put the result back at its places among zeros."""
        node = self.twin.node(norm.node)
        kept = np.flatnonzero(keep(norm.axis, self.masks))
        places = np.eye(size(norm.axis) or 0)[kept]
        elem_type = self._type(norm.node.scope, node.input[0])
        name = f"onnxprune_norm_{norm.node}"
        constants = self.twin.proto.graph.initializer
        constants.append(to_tensor(kept, onnx.TensorProto.INT64, f"{name}_kept"))
        constants.append(to_tensor(places, elem_type, f"{name}_places"))
        for slot in range(len(node.input)):
            gather = helper.make_node("Gather", [node.input[slot], f"{name}_kept"], [f"{name}_{slot}"], axis=-1)
            self._before.setdefault(norm.node, []).append(gather)
            node.input[slot] = f"{name}_{slot}"
        scatter = helper.make_node("MatMul", [f"{name}_out", f"{name}_places"], [node.output[0]], name=name)
        self._after[norm.node] = scatter
        node.output[0] = f"{name}_out"

    def watch_ends(self) -> None:
        """Compare also what comes out of the last weights: nothing is masked behind them."""
        graph = self.trace.model.proto.graph
        leading = {probe.pruned for probe in self.probes}
        outputs = {info.name for info in graph.output}
        working = {work.node for work in self.trace.work}
        for index in reversed(range(len(graph.node))):
            node, key = graph.node[index], NodeKey("", index)
            tensor = self.trace.tensors.get(node.output[0]) if key in working else None
            if tensor is not None and tensor.axes is not None and leading.isdisjoint(node.output):
                if node.output[0] not in outputs:
                    self.probes.append(Probe(node.output[0], node.output[0], tensor.axes))
                leading.update(node.output)
            if not leading.isdisjoint(node.output):
                leading.update(node.input)

    def watch_choices(self) -> None:
        """Compare also what a choice is made of: behind it, rounding may hide a mistake."""
        graph = self.trace.model.proto.graph
        known = {info.name for info in (*graph.input, *graph.output)} | {probe.pruned for probe in self.probes}
        for node in graph.node:
            if node.op_type in CHOOSING and node.input:
                name = node.input[0]
                tensor = self.trace.tensors.get(name)
                if tensor is not None and tensor.axes is not None and name not in known:
                    self.probes.append(Probe(name, name, tensor.axes))
                    known.add(name)

    def insert(self) -> None:
        """Place the added nodes around theirs; bodies before the graphs that hold them."""
        for scope in sorted({key.scope for key in self._before}, key=len, reverse=True):
            graph = self.twin.graphs[scope]
            nodes = list(graph.node)
            del graph.node[:]
            for index, node in enumerate(nodes):
                graph.node.extend(self._before.get(NodeKey(scope, index), ()))
                graph.node.append(node)
                if (after := self._after.get(NodeKey(scope, index))) is not None:
                    graph.node.append(after)


def _where(name: str, kept: str, otherwise: str, elem_type: int) -> list[onnx.NodeProto]:
    """Choose between quantized numbers; as 32-bit integers, for which every onnxruntime has a kernel."""
    wide = [f"{name}_kept", f"{name}_otherwise"]
    return [
        helper.make_node("Cast", [kept], [wide[0]], to=onnx.TensorProto.INT32),
        helper.make_node("Cast", [otherwise], [wide[1]], to=onnx.TensorProto.INT32),
        helper.make_node("Where", [name, *wide], [f"{name}_chosen"], name=name),
        helper.make_node("Cast", [f"{name}_chosen"], [f"{name}_out"], to=elem_type),
    ]
