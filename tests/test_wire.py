"""A model in pieces has the bytes that it has as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from networks import branchy, plain
from onnx import TensorProto, helper

from onnxprune import wire
from onnxprune.wire import pieces_of

MODELS = Path(__file__).parents[1] / "models"


def noted() -> onnx.ModelProto:
    """A model that has something in nearly every field."""
    proto = plain()
    proto.doc_string, proto.producer_name, proto.model_version = "notes", "someone", 3
    proto.graph.doc_string = "more notes"
    proto.metadata_props.add(key="classes", value="1000")
    proto.graph.value_info.append(helper.make_tensor_value_info("pool", TensorProto.FLOAT, None))
    proto.graph.quantization_annotation.add(tensor_name="x")
    proto.functions.append(
        helper.make_function("own", "f", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], proto.opset_import)
    )
    return proto


@pytest.mark.parametrize("make", [plain, branchy, noted])
def test_pieces_are_the_bytes_of_the_whole(make: Callable[[], onnx.ModelProto]) -> None:
    proto = make()
    pieces = pieces_of(proto)
    assert pieces is not None and b"".join(pieces) == proto.SerializeToString()


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_models_on_disk_keep_their_bytes(path: Path) -> None:
    proto = onnx.load(path)
    pieces = pieces_of(proto)
    assert pieces is not None and b"".join(pieces) == proto.SerializeToString()


def test_fields_of_a_newer_format_are_kept() -> None:
    newer = plain().SerializeToString() + bytes([0xFA, 0x3F, 1, 7])  # field 1023
    proto = onnx.ModelProto.FromString(newer)
    pieces = pieces_of(proto)
    assert pieces is not None and b"".join(pieces) == proto.SerializeToString()
    assert b"\xfa\x3f\x01\x07" in proto.SerializeToString()


def test_a_model_too_large_for_one_message_has_no_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    size = plain().ByteSize()
    monkeypatch.setattr(wire, "LARGEST", size)
    assert pieces_of(plain()) is not None
    monkeypatch.setattr(wire, "LARGEST", size - 1)
    assert pieces_of(plain()) is None
