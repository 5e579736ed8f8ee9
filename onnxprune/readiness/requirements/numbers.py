"""How numbers are stored: element types, and zero points of quantized tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx import TensorProto

from onnxprune.model import ConstantKey, enclosing_scopes
from onnxprune.readiness.requirements.registry import listed, requirement
from onnxprune.readiness.subject import Placed, Subject
from onnxprune.readiness.verdict import Observation

ZERO_POINT = 2
"""The input of QuantizeLinear and DequantizeLinear that holds the zero point."""


@requirement("types")
def types(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that stored tensors, inputs and outputs have element types among {"names"}."""
    allowed = set(value["names"])
    used: dict[str, list[str]] = {}
    for name, kind in _typed(subject):
        used.setdefault(kind, []).append(name)
    others = {kind: names for kind, names in used.items() if kind not in allowed}
    if not others:
        return Observation(True, f"numbers are {listed(sorted(used), 5)}", details={"types": sorted(used)})
    shown = listed([f"{kind} ({len(names)} tensors, first {names[0]})" for kind, names in others.items()])
    tensors = tuple(name for names in others.values() for name in names)
    return Observation(False, shown, details={"types": sorted(used), "tensors": tensors})


def _typed(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield the names of stored tensors, inputs and outputs with their element types in words."""
    for (scope, name), tensor in subject.plain.constants.items():
        yield f"{scope}{name}", TensorProto.DataType.Name(tensor.data_type).lower()
    for info in (*subject.inputs, *subject.plain.proto.graph.output):
        if info.type.HasField("tensor_type"):
            yield info.name, TensorProto.DataType.Name(info.type.tensor_type.elem_type).lower()


@requirement("zero_points")
def zero_points(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the zero points of {"operators"} are 0, so that quantization is symmetric."""
    quantizing = [placed for placed in subject.nodes if placed.operator in value["operators"]]
    flaws = [placed.name for placed in quantizing if not _is_symmetric(subject, placed)]
    if flaws:
        count = f"{len(flaws)} of {len(quantizing)} nodes"
        return Observation(False, f"zero points that are not 0, or not stored, at {count} that quantize", tuple(flaws))
    return Observation(True, f"the zero points of all {len(quantizing)} nodes that quantize are 0")


def _is_symmetric(subject: Subject, placed: Placed) -> bool:
    name = placed.node.input[ZERO_POINT] if len(placed.node.input) > ZERO_POINT else ""
    if not name:
        return True
    keys: Iterator[ConstantKey] = ((outer, name) for outer in enclosing_scopes(placed.scope))
    tensor = next((subject.plain.constants[key] for key in keys if key in subject.plain.constants), None)
    return tensor is not None and not subject.plain.array(tensor).astype("float32").any()
