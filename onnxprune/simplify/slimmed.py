"""The simplifier at work: onnxslim, with what would harm pruning left out."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
from collections.abc import Mapping
from typing import Any

import onnx
from onnx import helper

from onnxprune.errors import ModelError, UsageError

LEFT_OUT = ("subexpression_elimination", "weight_tying")
"""What would harm. Once the target shapes of queries, keys and values are one tensor, no width of theirs can change
alone; and small constants that happen to be equal are tied for good."""


def version() -> str:
    """Return the name and version of the simplifier. Raises `UsageError` where it is not installed."""
    _simplifier()
    return f"onnxslim {importlib.metadata.version('onnxslim')}"


def slimmed(
    proto: onnx.ModelProto, hidden: Mapping[str, onnx.TensorProto], infer_shapes: bool = True
) -> onnx.ModelProto:
    """Return what the simplifier makes of a copy of a model. Raises `ModelError` where it crashes.

    The `hidden` constants are inputs to it. It loses most of what is no computation: see `restored`.
    """
    slim, copy, said = _simplifier(), _without(proto, hidden), io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            made = slim(copy, skip_optimizations=list(LEFT_OUT), no_shape_infer=not infer_shapes)
    except (Exception, SystemExit) as error:  # whatever it trips over
        raise ModelError(_in_one_line(error, said.getvalue())) from error
    if not isinstance(made, onnx.ModelProto):
        raise ModelError(_in_one_line(None, said.getvalue()))
    return made


def _simplifier() -> Any:
    try:
        return importlib.import_module("onnxslim").slim
    except ImportError as error:
        raise UsageError("--simplify needs onnxslim: pip install 'onnxprune[simplify]'") from error


def _in_one_line(error: BaseException | None, said: str) -> str:
    lines = said.strip().splitlines()
    what = "it returned nothing" if error is None else f"{type(error).__name__}: {error}"
    reason = " ".join([what, *(["| it said:", lines[-1]] if lines else [])])
    return f"onnxslim cannot simplify the model; leave out --simplify ({' '.join(reason.split())[:300]})"


def _without(proto: onnx.ModelProto, hidden: Mapping[str, onnx.TensorProto]) -> onnx.ModelProto:
    """Return a copy of a model in which some of its constants are inputs, and no shape of an output is declared.

    Some models declare the wrong one, which the simplifier would believe.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in stored]
    inputs += [helper.make_tensor_value_info(name, tensor.data_type, tensor.dims) for name, tensor in hidden.items()]
    nodes = [node for node in graph.node if node.op_type != "Constant" or node.output[0] not in hidden]
    initializers = [tensor for tensor in graph.initializer if tensor.name not in hidden]
    del graph.input[:], graph.node[:], graph.initializer[:]
    graph.input.extend(inputs)
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
    for info in graph.output:
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    return copy
