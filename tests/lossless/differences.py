"""Where two messages differ, byte for byte."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

import onnx
from google.protobuf.message import Message


def assert_same(dense: onnx.ModelProto, pruned: onnx.ModelProto) -> None:
    """Assert that two models are the same bytes, and name the first field that differs where they are not."""
    if dense.SerializeToString(deterministic=True) != pruned.SerializeToString(deterministic=True):
        raise AssertionError(first_difference(dense, pruned, "model"))


def first_difference(dense: Message, pruned: Message, where: str) -> str:
    """Return the path of the first field in which two messages differ, and what stands there."""
    for field in dense.DESCRIPTOR.fields:
        old, new = getattr(dense, field.name), getattr(pruned, field.name)
        path = f"{where}.{field.name}"
        if field.is_repeated:
            for place, (one, other) in enumerate(zip_longest(old, new)):
                if one is None or other is None:
                    return f"{path}: {len(old)} in the dense model, {len(new)} in the pruned one"
                if _bytes(one) != _bytes(other):
                    inside = f"{path}[{place}]"
                    return (
                        first_difference(one, other, inside) if field.message_type else f"{inside}: {one!r} {other!r}"
                    )
        elif field.has_presence and dense.HasField(field.name) != pruned.HasField(field.name):
            return f"{path}: there in {'dense' if dense.HasField(field.name) else 'pruned'} only"
        elif _bytes(old) != _bytes(new):
            return first_difference(old, new, path) if field.message_type else f"{path}: {old}, {new}"
    return f"{where}: fields that are not known"


def _bytes(value: Any) -> bytes:
    return value.SerializeToString(deterministic=True) if isinstance(value, Message) else repr(value).encode()
