"""How a model is stored: its size, external data, sparse tensors, and what a download of it weighs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnx import TensorProto

from onnxprune.compressed import CompressedSize
from onnxprune.readiness.requirements.registry import requirement
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.runtime import bytes_of

MEGABYTE = 1e6

CLOSE = 0.9
"""The share of the largest size from which all that is not a weight is counted too."""


@requirement("size")
def size(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that the model file, without external data, has at most {"most"} bytes."""
    inside = (tensor for tensor in subject.given.tensors() if tensor.data_location != TensorProto.EXTERNAL)
    length = sum(bytes_of(tensor) for tensor in inside)
    if length > CLOSE * value["most"]:  # not before, for it takes the time of writing the model
        length = subject.given.proto.ByteSize()
    found = f"{length / MEGABYTE:.3g} MB of weights in the file"
    return Observation(length <= value["most"], found, details={"bytes": length})


@requirement("external_data")
def external_data(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that there is external data only where it {"is_read"}."""
    has_data = subject.given.has_external_data()
    found = "has weights in files beside it" if has_data else "has all its weights in one file"
    return Observation(bool(value["is_read"]) or not has_data, found)


@requirement("sparse_tensors")
def sparse_tensors(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Check that there are sparse tensors only where they {"are_read"}."""
    count = sum(len(graph.sparse_initializer) for graph in subject.given.graphs.values())
    return Observation(bool(value["are_read"]) or not count, f"{count} tensors are stored sparse")


@requirement("download")
def download(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Tell what the model weighs, and what is sent where the server compresses it; see `compressed`."""
    whole, sent = 0, CompressedSize()
    for piece in _bytes(subject):
        whole += sent.write(piece)
    found = f"{whole / MEGABYTE:.3g} MB, {sent.size / MEGABYTE:.3g} MB when it is compressed on the way"
    return Observation(True, found, details={"bytes": whole, "compressed_bytes": sent.size}, is_told=True)


def _bytes(subject: Subject) -> Iterator[bytes | memoryview]:
    """Yield the model file and the external data, some bytes at a time."""
    model = subject.given
    yield model.proto.SerializeToString()
    for tensor in model.tensors():
        if tensor.data_location == TensorProto.EXTERNAL:
            yield from model.extent(tensor).windows()
