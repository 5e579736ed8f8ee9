"""Models with something in every field that pruning has no business with."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import Message
from onnx import AttributeProto, TensorProto, helper, numpy_helper, shape_inference

from onnxprune.model import Model

NAMES = "{0: 'person', 1: 'bicycle', 2: 'naïve café', 3: '猫'}"
"""Where exporters of detectors keep the names of their classes."""

UNKNOWN = 5000
"""The number of a field that no version of the format has."""

IR_VERSION = 10
"""The oldest version in which everything may have metadata_props."""


def decorated(proto: onnx.ModelProto, ir_version: int = IR_VERSION) -> onnx.ModelProto:
    """Return a copy with notes of every kind wherever the format has room for them, and names and types declared.

    The graph gets tensors that nothing reads, stored in different ways; every third node loses its name.
    """
    proto = shape_inference.infer_shapes(proto, data_prop=True)
    proto.ir_version = ir_version
    numbers = count()
    for graph in Model(proto).graphs.values():
        _decorate_graph(graph, numbers)
    _decorate_model(proto)
    return proto


def _decorate_model(proto: onnx.ModelProto) -> None:
    proto.producer_name, proto.producer_version, proto.domain = "pytorch", "2.9.0+cpu", "org.example.vision"
    proto.model_version = 2**40 + 7
    proto.doc_string = "line one\nline two\twith a tab, and ünïcödé"
    _note(proto, "names", NAMES)
    _note(proto, "stride", "32")
    _note(proto, "imgsz", "[640, 640]")
    _note(proto, "", "")
    proto.opset_import.insert(0, helper.make_opsetid("org.example.unused", 3))
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    proto.training_info.add().algorithm.doc_string = "trained elsewhere"
    _spare_tensors(proto.graph)
    if proto.ir_version < 4:  # every tensor is declared as an input, too
        spare = (tensor for tensor in proto.graph.initializer if tensor.name.startswith("spare."))
        proto.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in spare)
    _annotate(proto.graph)
    _place_on_devices(proto)


def _decorate_graph(graph: onnx.GraphProto, numbers: Iterator[int]) -> None:
    _document(graph, numbers)
    for number, node in enumerate(graph.node):
        _document(node, numbers)
        if number % 3 == 2:
            node.ClearField("name")
        if number % 2 and not node.domain:
            node.domain = ""
        for attribute in node.attribute:
            attribute.doc_string = f"doc {next(numbers)}"
            if attribute.type == AttributeProto.TENSOR:
                _document(attribute.t, numbers)
    for tensor in graph.initializer:
        _document(tensor, numbers)
    for info in (*graph.input, *graph.output, *graph.value_info):
        _document(info, numbers)
        info.type.denotation = "IMAGE"
        for number, dim in enumerate(info.type.tensor_type.shape.dim):
            dim.denotation = ("DATA_BATCH", "DATA_CHANNEL", "DATA_FEATURE")[min(number, 2)]


def _document(message: Any, numbers: Iterator[int]) -> None:
    number = next(numbers)
    message.doc_string = f"doc {number}" if number % 5 < 4 else ""  # there but empty is not the same bytes as not there
    _note(message, "origin", f"module.{next(numbers)}")
    _note(message, "origin", "the same key again")


def _note(message: Any, key: str, value: str) -> None:
    if hasattr(message, "metadata_props"):  # of all but models since onnx 1.16 or 1.17
        message.metadata_props.add(key=key, value=value)


def _spare_tensors(graph: onnx.GraphProto) -> None:
    """Add tensors that no node reads, in all the ways in which a tensor can be stored in the message."""
    graph.initializer.insert(0, helper.make_tensor("spare.typed", TensorProto.FLOAT, [2, 2], [1, 2, 3, 4]))
    graph.initializer.insert(2, numpy_helper.from_array(np.arange(6, dtype=np.float16).reshape(2, 3), "spare.raw"))
    graph.initializer.append(helper.make_tensor("spare.half", TensorProto.FLOAT16, [2], [0.5, -0.0]))
    graph.initializer.append(helper.make_tensor("spare.words", TensorProto.STRING, [2], [b"caf\xc3\xa9", b"\xff\x00"]))
    graph.initializer.append(helper.make_tensor("spare.packed", TensorProto.INT4, [3], [-8, 7, 1]))
    graph.initializer.append(helper.make_tensor("spare.double", TensorProto.DOUBLE, [1], [np.pi]))
    graph.initializer.append(helper.make_tensor("spare.empty", TensorProto.INT64, [0], []))


def _annotate(graph: onnx.GraphProto) -> None:
    for name in {name for node in graph.node for name in list(node.input)[:2] if name}:
        annotation = graph.quantization_annotation.add(tensor_name=name)
        annotation.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="spare.double")
        annotation.quant_parameter_tensor_names.add(key="ZERO_POINT_TENSOR", value="spare.empty")
    graph.quantization_annotation.sort(key=lambda entry: entry.tensor_name)


def _place_on_devices(proto: onnx.ModelProto) -> None:
    """Say on which devices nodes run, where this onnx knows of that."""
    if not hasattr(proto, "configuration"):
        return
    proto.configuration.add(name="two", num_devices=2, device=["gpu:0", "gpu:1"])
    for node in proto.graph.node:
        placed = node.device_configurations.add(configuration_id="two", pipeline_stage=1)
        placed.sharding_spec.add(tensor_name=node.output[0], device=[0, 1])


def with_unknown_fields(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy in which every message has a field of a number that is not known: that of a newer format."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    for number, message in enumerate(list(messages(copy))):
        message.MergeFromString(_varint(UNKNOWN << 3) + _varint(number))
    return copy


def messages(message: Message) -> Iterator[Message]:
    """Yield a message and all that are in it."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from messages(inner)


def _varint(number: int) -> bytes:
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7) if number > 0x7F else bytes([number])
