"""Reading a file of sensitivities, which may have been edited or cut short: what is wrong is named by its key."""

from __future__ import annotations

import math
from pathlib import Path

from onnxprune.errors import DataError
from onnxprune.reading import Entry, json_of
from onnxprune.reading.entries import are_texts, is_number
from onnxprune.sensitivity.result import SCHEMA, Curve, Point, Sensitivity


def load_sensitivity(path: str | Path) -> Sensitivity:
    """Read a file that `onnxprune sensitivity` wrote. Raises `DataError`, which names the key, where it is not one."""
    data = json_of(Path(path), DataError)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a file of sensitivities; its schema must be {SCHEMA}")
    try:
        return _sensitivity(Entry(data))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _sensitivity(entry: Entry) -> Sensitivity:
    return Sensitivity(
        entry.object("model"),
        entry.object("request"),
        entry.get("metrics", "metrics by output", lambda value: isinstance(value, dict) and are_texts(value.values())),
        entry.each("dims", _curve, lambda curve: curve.name),
        entry.each("blocks", _curve, lambda curve: curve.name),
    )


def _curve(entry: Entry) -> Curve:
    size = entry.count("size")
    points = entry.each("points", lambda point: _point(point, size), lambda point: point.amount)
    ascending = tuple(sorted(points, key=lambda point: point.amount))
    return Curve(entry.text("name"), size, entry.texts("members"), ascending)


def _point(entry: Entry, size: int) -> Point:
    amount = entry.get("amount", "a number between 0 and 1", lambda value: is_number(value) and 0 < value < 1)
    drop = entry.get("drop", "a number, or null where it is infinite", lambda value: value is None or is_number(value))
    return Point(float(amount), entry.count("kept", size), math.inf if drop is None else float(drop))
