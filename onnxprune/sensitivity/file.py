"""Reading a file of sensitivities, which may have been edited or cut short: what is wrong is named by its key."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from onnxprune.errors import DataError
from onnxprune.sensitivity.result import SCHEMA, Curve, Point, Sensitivity

T = TypeVar("T")


def load_sensitivity(path: str | Path) -> Sensitivity:
    """Read a file that `onnxprune sensitivity` wrote. Raises `DataError`, which names the key, where it is not one."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file ({error})") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise DataError(f"{path}: not a file of sensitivities; its schema must be {SCHEMA}")
    try:
        return _sensitivity(_Entry(data, ""))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


class _Entry:
    """A JSON object and where in the file it is."""

    def __init__(self, data: Any, place: str) -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{place} must be an object")
        self._data, self._place = data, place

    def get(self, key: str, what: str, fits: Callable[[Any], bool]) -> Any:
        """Return the value of a key. Raises `ValueError`, which says what it must be."""
        if key not in self._data:
            raise ValueError(f"{self.place(key)} is missing; it must be {what}")
        if not fits(self._data[key]):
            raise ValueError(f"{self.place(key)} must be {what}")
        return self._data[key]

    def place(self, key: str) -> str:
        """Return where the value of a key is, such as `dims[2].size`."""
        return f"{self._place}.{key}" if self._place else key

    def text(self, key: str) -> str:
        """Return a text that is not empty."""
        value: str = self.get(key, "a text", lambda value: isinstance(value, str) and value != "")
        return value

    def count(self, key: str, most: float = math.inf) -> int:
        """Return a whole number from 1 to `most`."""
        what = "a whole number from 1" + (f" to {most}" if most < math.inf else " up")
        value: int = self.get(key, what, lambda value: type(value) is int and 1 <= value <= most)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(self.get(key, "a list of texts", lambda value: isinstance(value, list) and _are_texts(value)))

    def object(self, key: str) -> dict[str, Any]:
        """Return an object."""
        value: dict[str, Any] = self.get(key, "an object", lambda value: isinstance(value, dict))
        return value

    def each(self, key: str, parse: Callable[[_Entry], T], name: Callable[[T], Any]) -> tuple[T, ...]:
        """Return what the objects of a list are parsed to; no two of them have the same name."""
        entries = self.get(key, "a list", lambda value: isinstance(value, list))
        found: dict[Any, T] = {}
        for number, entry in enumerate(entries):
            parsed = parse(_Entry(entry, f"{self.place(key)}[{number}]"))
            if name(parsed) in found:
                raise ValueError(f"{self.place(key)} lists {name(parsed)!r} twice")
            found[name(parsed)] = parsed
        return tuple(found.values())


def _sensitivity(entry: _Entry) -> Sensitivity:
    return Sensitivity(
        entry.object("model"),
        entry.object("request"),
        entry.get("metrics", "metrics by output", lambda value: isinstance(value, dict) and _are_texts(value.values())),
        entry.each("dims", _curve, lambda curve: curve.name),
        entry.each("blocks", _curve, lambda curve: curve.name),
    )


def _curve(entry: _Entry) -> Curve:
    size = entry.count("size")
    points = entry.each("points", lambda point: _point(point, size), lambda point: point.amount)
    ascending = tuple(sorted(points, key=lambda point: point.amount))
    return Curve(entry.text("name"), size, entry.texts("members"), ascending)


def _point(entry: _Entry, size: int) -> Point:
    amount = entry.get("amount", "a number between 0 and 1", lambda value: _is_number(value) and 0 < value < 1)
    drop = entry.get("drop", "a number, or null where it is infinite", lambda value: value is None or _is_number(value))
    return Point(float(amount), entry.count("kept", size), math.inf if drop is None else float(drop))


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
