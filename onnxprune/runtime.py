"""Running models in onnxruntime: the one place that imports it, and only when something is run."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from onnxprune.errors import ModelError
from onnxprune.files.scratch import scratch_folder
from onnxprune.model import Model

ENGINE = "onnxruntime"
"""What targets call the runtime that models are run in here."""

# From 1.29 on, onnxruntime reports over the network what it runs and keeps an identifier of the machine. Whoever prunes
# a model did not ask for that. Only a word before its import stops it whole; one that the user said stands.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Feeds = Mapping[str, NDArray[Any]]
SILENT = 4
"""How severe an event has to be for onnxruntime to print it: fatal. What goes wrong is raised anyway."""

INLINE_LIMIT = 1_900_000_000
"""Bytes up to which a model with external data is put into one message to be run."""
PLACE = re.compile(r"/\S+:\d+ [^()]*\([^()]*\)(?: const)? (?:\[with [^\]]*\] )?")
"""Where in its own source onnxruntime noticed an error: a file and a C++ function."""


class Session:
    """A model that is loaded once and run on many inputs, on the CPU."""

    def __init__(
        self,
        model: Model | bytes | Path,
        outputs: Sequence[str] | None = None,
        optimize: bool = True,
        threads: int | None = None,
        profile_prefix: str | None = None,
        fuse_quantized: bool = True,
    ) -> None:
        """Load a model, a file or its content. Its runs return the named tensors, by default the graph's outputs.

        Any tensor of the graph of a model can be named, and only outputs of a file.

        `threads` is how many work on one operator; by default one for each core.
        Without `fuse_quantized`, what stands between DequantizeLinear and QuantizeLinear is computed in real numbers.
        With `profile_prefix`, the times of all operators are recorded for `profile`. Raises `ModelError` where
        onnxruntime cannot load it.
        """
        import onnxruntime  # takes a while and some 30 MB

        data = _runnable(model, outputs).SerializeToString() if isinstance(model, Model) else model
        onnxruntime.set_default_logger_severity(SILENT)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        if threads is not None:
            options.intra_op_num_threads = threads
        if profile_prefix is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile_prefix
        if not fuse_quantized:
            options.add_session_config_entry("session.disable_quant_qdq", "1")
        if not optimize:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._outputs = outputs
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], disabled_optimizers=_left_out(model)
            )
        except Exception as error:  # onnxruntime raises a dozen types of its own that share no base
            raise _cannot_run(error) from error

    def run(self, feeds: Feeds) -> list[NDArray[Any]]:
        """Return the outputs for some inputs. Raises `ModelError` where they do not fit the model."""
        try:
            results: list[NDArray[Any]] = self._session.run(self._outputs, dict(feeds))
        except Exception as error:  # as above
            raise _cannot_run(error) from error
        return results

    def profile(self) -> list[dict[str, Any]]:
        """End the recording, and return its events as onnxruntime wrote them."""
        file = Path(self._session.end_profiling())
        try:
            events: list[dict[str, Any]] = json.loads(file.read_text())
        finally:
            file.unlink()
        return events


def run(
    model: Model,
    feeds: Feeds,
    outputs: Sequence[str] | None = None,
    optimize: bool = True,
    fuse_quantized: bool = True,
) -> list[NDArray[Any]]:
    """Run a model once; see `Session`."""
    return Session(model, outputs, optimize, fuse_quantized=fuse_quantized).run(feeds)


def version() -> str:
    """Return the version of onnxruntime."""
    import onnxruntime

    return str(onnxruntime.__version__)


def blocked_channels() -> int:
    """Return how many channels the blocked layout of onnxruntime has on this machine; 1 where it has none."""
    import onnxruntime

    channels, kernel = 32, np.ones((1, 32, 1, 1), np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "probe",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 8, 8])],
        [numpy_helper.from_array(kernel, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with scratch_folder() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = SILENT
        options.optimized_model_filepath = str(folder / "optimized.onnx")
        onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        optimized = onnx.load(options.optimized_model_filepath)
    return max(tensor.dims[0] for tensor in optimized.graph.initializer)


def _cannot_run(error: Exception) -> ModelError:
    reason = PLACE.sub("", " ".join(str(error).split()))
    return ModelError(f"onnxruntime cannot run the model: {reason[:300]}")


def _runnable(model: Model, outputs: Sequence[str] | None) -> onnx.ModelProto:
    if not outputs and not model.has_external_data():
        return model.proto
    proto = in_one_piece(model)
    known = {info.name for info in proto.graph.output}
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs or () if name not in known)
    return proto


def _left_out(model: Model | bytes | Path) -> list[str]:
    """Return the optimizers that onnxruntime has to leave out, for it would crash with them (tried: 1.32).

    One follows the bias of a LayerNormalization behind a sum, also where that is an input without a name.
    """
    nodes = [node for graph in model.graphs.values() for node in graph.node] if isinstance(model, Model) else []
    has_nameless = any(node.op_type == "LayerNormalization" and "" in node.input for node in nodes)
    return ["SkipLayerNormFusion"] if has_nameless or not isinstance(model, Model) else []


def in_one_piece(model: Model) -> onnx.ModelProto:
    """Return a model with all its values in the message itself. Raises `ModelError` where it is too large for that."""
    if is_large(model):
        raise ModelError("the model is too large to be run in one piece here (1.9 GB); skip the check with --no-verify")
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for tensor in Model(proto).tensors():
        if tensor.data_location == TensorProto.EXTERNAL:
            name, doc = tensor.name, tensor.doc_string
            tensor.CopyFrom(numpy_helper.from_array(model.array(tensor), name))
            tensor.doc_string = doc
    return proto


def is_large(model: Model) -> bool:
    """Whether a model with its external data is too large for one message, by its weights: the rest is small."""
    return sum(bytes_of(tensor) for tensor in model.tensors()) > INLINE_LIMIT


def bytes_of(tensor: TensorProto) -> int:
    """Return how many bytes the numbers of a tensor take."""
    return math.prod(tensor.dims) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
