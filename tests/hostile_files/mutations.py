"""Files of JSON and TOML that somebody edited badly: real ones with anything dropped, retyped or put elsewhere."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import strategies as st

Place: TypeAlias = "tuple[Any, Any]"
"""A list or an object, and an index or key of it."""

NUMBERS = st.sampled_from([0, 1, -1, 2, 0.5, -0.0, 1e308, 1e-320, 2**31, 2**63, -(2**63), 10**30, 10**400])
ODD = (
    NUMBERS
    | st.booleans()
    | st.none()
    | st.text(max_size=4)
    | st.sampled_from(["0", "../../etc/passwd", "/dev/zero", "a\0b", "\ud800", "none", "x" * 5000, math.nan, math.inf])
    | st.sampled_from([[], {}, [[]], [{}], {"": None}, [1, 1, 1], ["a", "a"], [True], {"a": {"b": []}}])
)


def places(data: Any) -> Iterator[Place]:
    """Yield every place in plain data."""
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield data, key
        yield from places(data[key])


@st.composite
def edited(draw: st.DrawFn, data: Any) -> Any:
    """Plain data with one to four edits anywhere in it."""
    found = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 4))):
        known = list(places(found))
        if not known:
            break
        holder, key = draw(st.sampled_from(known))
        other, other_key = draw(st.sampled_from(known))
        edit = draw(st.sampled_from(["drop", "replace", "replace", "swap", "repeat", "rename"]))
        if edit == "drop":
            del holder[key]
        elif edit == "replace":
            holder[key] = copy.deepcopy(draw(ODD))
        elif edit == "swap":
            holder[key] = copy.deepcopy(other[other_key])
        elif isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif edit == "rename":
            holder[draw(st.text(max_size=3))] = holder.pop(key)
    return found


@st.composite
def edited_text(draw: st.DrawFn, data: Any) -> bytes:
    """The same as a file of JSON, now and then with bytes changed, a key twice, or far too deep."""
    text = bytearray(json.dumps(draw(edited(data))).encode("utf-8", "surrogatepass"))
    change = draw(st.sampled_from(["none"] * 6 + ["cut", "byte", "twice", "deep", "mark"]))
    if change == "cut":
        return bytes(text[: draw(st.integers(0, len(text)))])
    if change == "byte" and text:
        text[draw(st.integers(0, len(text) - 1))] = draw(st.integers(0, 255))
    if change == "twice":
        return b'{"schema": 1,' + bytes(text[1:])
    if change == "deep":
        return bytes(text[:-1]) + b', "deep": ' + b"[" * 100_000
    return b"\xef\xbb\xbf" + bytes(text) if change == "mark" else bytes(text)
