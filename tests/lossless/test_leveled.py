"""The comparison sees a change of any one field of a model, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import pytest
from decorated import decorated, messages, with_unknown_fields
from differences import assert_same
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from leveled import assert_only_planned
from networks import branchy

import onnxprune


def change(message: Message, field: FieldDescriptor) -> None:
    """Change one field of a message to something else."""
    value = getattr(message, field.name)
    if field.is_repeated:
        del value[-1]
    elif field.message_type is not None or isinstance(value, (str, bytes)):
        message.ClearField(field.name)
    else:
        setattr(message, field.name, value + 1)


def places_of_fields(model: onnx.ModelProto) -> Iterator[tuple[str, int, FieldDescriptor]]:
    """Yield some messages, as numbers in the order of `messages`, that have something in a field, for every field."""
    found: dict[str, list[tuple[int, FieldDescriptor]]] = {}
    for number, message in enumerate(messages(model)):
        for field, _ in message.ListFields():
            found.setdefault(f"{message.DESCRIPTOR.name}.{field.name}", []).append((number, field))
    for name, places in found.items():
        for place in {0, len(places) // 2, len(places) - 1}:
            yield name, *places[place]


def is_seen(dense: onnx.ModelProto, model: onnx.ModelProto, plan: Any) -> bool:
    try:
        assert_only_planned(dense, model, plan)
    except (AssertionError, IndexError):
        return True
    return False


MASKED = {"raw_data", "dim_value"}
"""Where values and sizes were to change, the comparison does not know what they are now."""


@pytest.mark.parametrize("options", [{"round_to": "none"}, {"granularity": "element"}], ids=["channels", "zeros"])
def test_a_change_of_any_field_is_seen_but_for_values_and_sizes_that_were_to_change(options: dict) -> None:
    dense = decorated(branchy())
    result = onnxprune.prune(dense, 0.3, calibration="none", check=False, **options)
    seen: dict[str, list[bool]] = {}
    for name, number, field in places_of_fields(result.model):
        model = onnx.ModelProto()
        model.CopyFrom(result.model)
        change(list(messages(model))[number], field)
        seen.setdefault(name, []).append(is_seen(dense, model, result.plan))
    assert {name.split(".")[1] for name, places in seen.items() if not all(places)} <= MASKED
    assert all(any(places) for places in seen.values()) and len(seen) > 60


def test_a_lost_field_of_a_newer_format_is_seen() -> None:
    dense = with_unknown_fields(decorated(branchy()))
    result = onnxprune.prune(dense, 0.3, calibration="none", check=False)
    for number in range(0, len(list(messages(result.model))), 17):
        model = onnx.ModelProto()
        model.CopyFrom(result.model)
        list(messages(model))[number].DiscardUnknownFields()
        assert is_seen(dense, model, result.plan)


def test_the_first_difference_is_named() -> None:
    one, other = decorated(branchy()), decorated(branchy())
    other.graph.node[3].metadata_props[1].value = "another"
    with pytest.raises(AssertionError, match=r"^model\.graph\.node\[3\]\.metadata_props\[1\]\.value: .*, another$"):
        assert_same(one, other)
