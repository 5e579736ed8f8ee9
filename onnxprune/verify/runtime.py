"""Running models in onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from onnxprune.errors import ModelError
from onnxprune.model import Model

Feeds = Mapping[str, NDArray[Any]]
INLINE_LIMIT = 1_900_000_000
"""Bytes up to which a model with external data is put into one message to be run."""


def run(model: Model, feeds: Feeds, outputs: Sequence[str] | None = None, optimize: bool = True) -> list[NDArray[Any]]:
    """Run a model once on the CPU and return the named outputs, by default those of the graph.

    Any intermediate tensor may be named. Raises `ModelError` where onnxruntime cannot load or run the model.
    """
    import onnxruntime  # takes a while and some 30 MB: only where something is run

    proto = _runnable(model, outputs)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results: list[NDArray[Any]] = session.run(outputs, dict(feeds))
    except Exception as error:  # onnxruntime raises a dozen types of its own that share no base
        reason = " ".join(str(error).split())
        raise ModelError(f"onnxruntime cannot run the model: {reason[:300]}") from error
    return results


def _runnable(model: Model, outputs: Sequence[str] | None) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    known = {info.name for info in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs or () if name not in known)
    _inline(proto, model)
    return proto


def _inline(proto: onnx.ModelProto, model: Model) -> None:
    external = [t for t in Model(proto).tensors() if t.data_location == TensorProto.EXTERNAL]
    total = proto.ByteSize() + sum(model.array(tensor).nbytes for tensor in external)
    if total > INLINE_LIMIT:
        raise ModelError("the model is too large to be run in one piece here; skip the check with --no-verify")
    for tensor in external:
        name, doc = tensor.name, tensor.doc_string
        tensor.CopyFrom(numpy_helper.from_array(model.array(tensor), name))
        tensor.doc_string = doc
