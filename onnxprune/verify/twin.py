"""The masked twin: the dense model with a 0/1 Mul in front of every contraction over an axis that shrank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from onnxprune.axes import Dim, Expr, Mask, free_dims, keep
from onnxprune.model import Model
from onnxprune.record import Contraction
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Probe:
    """A tensor to compare: its name in the twin, in the pruned model, and its axes there."""

    masked: str
    pruned: str
    axes: tuple[Expr, ...]


def masked_twin(trace: Trace, masks: Mapping[Dim, Mask]) -> tuple[Model, list[Probe]]:
    """Return the masked twin and the tensors at which it must equal the pruned model."""
    twin = copy_model(trace.model)
    builder = _Builder(twin.proto, trace, masks)
    for contraction in trace.contractions:
        if contraction.slot[0].scope == "" and any(dim in masks for dim in free_dims(contraction.expr)):
            builder.mask(contraction)
    builder.insert()
    return twin, builder.probes


def copy_model(model: Model) -> Model:
    """Return a copy that may be changed."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    return Model(proto, model.path)


class _Builder:
    def __init__(self, proto: onnx.ModelProto, trace: Trace, masks: Mapping[Dim, Mask]) -> None:
        self.graph = proto.graph
        self.trace = trace
        self.masks = masks
        self.probes: list[Probe] = []
        self.types = _types(trace.model)
        self._before: dict[int, list[onnx.NodeProto]] = {}

    def mask(self, contraction: Contraction) -> None:
        """Put a Mul before one input of one node."""
        key, slot = contraction.slot
        node = self.graph.node[key.index]
        source = self.trace.model.node(key).input[slot]
        tensor = self.trace.tensors.get(source)
        use = next((use for use in self.trace.uses if use.slot == contraction.slot), None)
        axes = use.axes if use is not None else tensor.axes if tensor is not None else None
        assert axes is not None
        name = f"onnxprune_mask_{key.index}_{slot}_{contraction.axis}"
        shape = [-1 if axis == contraction.axis else 1 for axis in range(len(axes))]
        values = keep(contraction.expr, self.masks).reshape(shape)
        self._add_mask(name, values, node.input[slot], source, key.index)
        node.input[slot] = f"{name}_out"
        if use is None:
            self.probes.append(Probe(f"{name}_out", source, axes))

    def _add_mask(self, name: str, values: Mask, masked: str, source: str, index: int) -> None:
        """Mask `masked`: the tensor `source`, or what an earlier mask over another of its axes left of it."""
        dtype = self.types.get(source, onnx.TensorProto.FLOAT)
        array = values.astype(np.dtype(helper.tensor_dtype_to_np_dtype(dtype)))
        mask = numpy_helper.from_array(array, name)
        mask.data_type = dtype
        self.graph.initializer.append(mask)
        self._before.setdefault(index, []).append(helper.make_node("Mul", [masked, name], [f"{name}_out"], name=name))

    def insert(self) -> None:
        """Place the Muls in front of their nodes."""
        nodes = list(self.graph.node)
        del self.graph.node[:]
        for index, node in enumerate(nodes):
            self.graph.node.extend(self._before.get(index, ()))
            self.graph.node.append(node)


def _types(model: Model) -> dict[str, int]:
    """Return the element type of every tensor for which onnx's inference finds one."""
    inferred = onnx.shape_inference.infer_shapes(model.proto) if model.proto.ByteSize() < 2**31 else model.proto
    infos = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    types = {info.name: info.type.tensor_type.elem_type for info in infos}
    return {name: elem for name, elem in types.items() if elem}
