"""What a model says of itself: its inputs and outputs, and versions and notes."""

from __future__ import annotations

from typing import Any

import onnx

from onnxprune.diff.change import Change, dtype_name
from onnxprune.model import Model

FIELDS = ("ir_version", "producer_name", "producer_version", "domain", "model_version", "doc_string")


def declared(before: Model, after: Model, which: str) -> dict[str, Change]:
    """Return the inputs or outputs (`which`) that came, went, or have another declared type or shape."""
    return _different(*(_declarations(model.proto.graph, which) for model in (before, after)))


def described(before: Model, after: Model) -> dict[str, Change]:
    """Return what is different of versions, opsets, own functions, and metadata."""
    return _different(*(_description(model) for model in (before, after)))


def _different(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Change]:
    changes = {name: Change(old.get(name), new.get(name)) for name in {**old, **new}}
    return {name: change for name, change in changes.items() if change.status != "same"}


def _declarations(graph: onnx.GraphProto, which: str) -> dict[str, str]:
    """Return the declared types, without inputs that are weights with a default, as old files have them."""
    stored = {tensor.name for tensor in graph.initializer}
    return {info.name: type_in_words(info.type) for info in getattr(graph, which) if info.name not in stored}


def type_in_words(declared: onnx.TypeProto) -> str:
    """Return a declared type as people write it: float32 [batch, 3, 224, 224]."""
    if not declared.HasField("tensor_type"):
        return " ".join(str(declared).split())
    tensor = declared.tensor_type
    if not tensor.HasField("shape"):
        return f"{dtype_name(tensor.elem_type)} of unknown rank"
    sizes = (str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in tensor.shape.dim)
    return f"{dtype_name(tensor.elem_type)} [{', '.join(sizes)}]"


def _description(model: Model) -> dict[str, Any]:
    proto = model.proto
    facts: dict[str, Any] = {name: getattr(proto, name) for name in FIELDS if getattr(proto, name)}
    facts |= {f"opset {domain or 'ai.onnx'}": version for domain, version in model.opsets.items()}
    facts |= {f"function {function.domain}:{function.name}": "there" for function in proto.functions}
    facts |= {"graph": proto.graph.name} if proto.graph.name else {}
    return facts | {f"metadata {entry.key}": entry.value for entry in proto.metadata_props}
