"""The bytes of a model, in pieces: what `SerializeToString` gives, without ever holding it as a whole.

In protobuf's wire format a message is its fields, one after the other in the order of their numbers, each with its
number and, for messages, its length in front. So all but the weights is serialized as usual, and each weight by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

LARGEST = 2**31 - 1
"""Bytes that a message can have."""

LENGTH_DELIMITED = 2
"""The wire type of messages, strings and bytes."""


def pieces_of(model: onnx.ModelProto) -> Iterator[bytes] | None:
    """Return the bytes of a model in pieces, or None where it is too large for one message."""
    if len(UnknownFieldSet(model)) or len(UnknownFieldSet(model.graph)):
        return iter([model.SerializeToString()])  # fields of a newer format go with all the others alone
    before, after = _around(model, "graph")
    first, last = _around(model.graph, "initializer")
    headers = [_header(model.graph, "initializer", tensor.ByteSize()) for tensor in model.graph.initializer]
    weights = sum(
        len(header) + tensor.ByteSize() for header, tensor in zip(headers, model.graph.initializer, strict=True)
    )
    graph = _header(model, "graph", len(first) + weights + len(last))
    if sum(map(len, (before, graph, first, last, after))) + weights > LARGEST:
        return None
    return _pieces(before + graph + first, headers, model.graph, last + after)


def _pieces(first: bytes, headers: list[bytes], graph: onnx.GraphProto, last: bytes) -> Iterator[bytes]:
    yield first
    for header, tensor in zip(headers, graph.initializer, strict=True):
        yield header
        yield tensor.SerializeToString()
    yield last


def _around(message: Message, left_out: str) -> tuple[bytes, bytes]:
    """Return the bytes of the fields with lower and with higher numbers than that of one field."""
    parts = type(message)(), type(message)()
    number = message.DESCRIPTOR.fields_by_name[left_out].number
    for field, value in message.ListFields():
        if field.name != left_out:
            copy_field(parts[field.number > number], field.name, value)
    return parts[0].SerializeToString(), parts[1].SerializeToString()


def copy_field(message: Message, name: str, value: Any) -> None:
    """Put a value of another message of the same kind into a field."""
    if isinstance(value, (int, float, str, bytes)):
        setattr(message, name, value)
    elif isinstance(value, Message):
        getattr(message, name).CopyFrom(value)
    else:
        getattr(message, name).MergeFrom(value)


def _header(message: Message, field: str, length: int) -> bytes:
    """Return what stands in front of a message in a field: the field's number and the length."""
    return _varint(message.DESCRIPTOR.fields_by_name[field].number << 3 | LENGTH_DELIMITED) + _varint(length)


def _varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; all but the last have the eighth bit."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
