"""What the simplifier loses, put back: a simplified model is the given one with other nodes and constants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import onnx
from onnx import helper

from onnxprune.errors import ModelError, VerificationError
from onnxprune.model import Model, tensors_read

QUANTIZERS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
FIRST_IR_WITH_PLAIN_INITIALIZERS = 4
"""Before that, every initializer is listed as an input too."""


def restored(given: onnx.ModelProto, slim: onnx.ModelProto, hidden: Mapping[str, onnx.TensorProto]) -> onnx.ModelProto:
    """Turn `given` into the simplified model: the nodes and constants of `slim`, everything else as it was.

    Inputs, outputs, metadata and notes stay to the letter; so do notes on nodes, and what was declared of tensors,
    where a node of the same kind still makes the same outputs. Raises `ModelError` where an output got lost.
    """
    graph, before = given.graph, _makers(given.graph)
    infos = [info for info in graph.value_info if info.name in before]
    initializers = [*slim.graph.initializer, *_still_read(slim.graph, hidden)]
    stored = {tensor.name for tensor in graph.initializer}
    _list_as_inputs(given, stored, initializers)
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(slim.graph.node)
    graph.initializer.extend(initializers)
    after = _makers(graph)
    same = {name for name, node in after.items() if name in before and _kind(node) == _kind(before[name])}
    for node in graph.node:
        if node.output[0] in same:
            _copy_notes(before[node.output[0]], node)
    graph.value_info.extend(info for info in infos if info.name in same)
    known = {tensor.name for tensor in initializers} | after.keys() | {info.name for info in graph.input}
    notes = [note for note in graph.quantization_annotation if note.tensor_name in known]
    del graph.quantization_annotation[:]
    graph.quantization_annotation.extend(notes)
    _import(given, slim.opset_import)
    if lost := [info.name for info in graph.output if info.name not in known]:
        raise ModelError(f"onnxslim lost output '{lost[0]}' of the model; leave out --simplify")
    return given


def check_quantizers(before: Model, after: Model) -> None:
    """Raise `VerificationError` where quantization was folded away: runtimes look for it in the graph."""
    had, has = _quantizers(before.proto.graph), _quantizers(after.proto.graph)
    for op_type in QUANTIZERS:
        if has[op_type] < had[op_type]:
            raise VerificationError(
                f"onnxslim left {has[op_type]} of {had[op_type]} {op_type} nodes, and quantization must stay in the "
                "graph; leave out --simplify"
            )


def _quantizers(graph: onnx.GraphProto) -> Counter[str]:
    """Count the quantizing nodes that the outputs depend on."""
    needed = {info.name for info in graph.output}
    found = Counter[str]()
    for node in reversed(graph.node):
        if not needed.isdisjoint(node.output):
            needed.update(tensors_read(node))
            found[node.op_type] += node.op_type in QUANTIZERS
    return found


def _makers(graph: onnx.GraphProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in graph.node for name in node.output if name}


def _kind(node: onnx.NodeProto) -> tuple[str, ...]:
    return (node.domain, node.op_type, *node.output)


def _still_read(graph: onnx.GraphProto, hidden: Mapping[str, onnx.TensorProto]) -> Iterable[onnx.TensorProto]:
    """Yield those of the hidden constants that are still needed, under the names that they are read by."""
    read = {name for node in graph.node for name in tensors_read(node)}
    for name, tensor in hidden.items():
        if name in read:
            named = onnx.TensorProto()
            named.CopyFrom(tensor)
            named.name = name
            yield named


def _list_as_inputs(given: onnx.ModelProto, stored: set[str], initializers: list[onnx.TensorProto]) -> None:
    """List as inputs those of the initializers that were, and in models of the first versions all."""
    left = {tensor.name for tensor in initializers}
    inputs = [info for info in given.graph.input if info.name not in stored or info.name in left]
    listed = {info.name for info in inputs}
    del given.graph.input[:]
    given.graph.input.extend(inputs)
    if given.ir_version < FIRST_IR_WITH_PLAIN_INITIALIZERS:
        given.graph.input.extend(
            helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            for tensor in initializers
            if tensor.name not in listed
        )


def _copy_notes(source: onnx.NodeProto, target: onnx.NodeProto) -> None:
    if source.HasField("doc_string"):
        target.doc_string = source.doc_string
    if hasattr(source, "metadata_props"):  # since onnx 1.16
        target.metadata_props.extend(source.metadata_props)


def _import(given: onnx.ModelProto, wanted: Iterable[onnx.OperatorSetIdProto]) -> None:
    known = {entry.domain for entry in given.opset_import}
    given.opset_import.extend(entry for entry in wanted if entry.domain not in known)
