"""What a JSON file holds, key by key: whatever is wrong is named by its place in the file."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from onnxprune.reading.plain import in_line

T = TypeVar("T")


class Entry:
    """A JSON object and where in the file it is. All that is asked of it raises `ValueError` where it has no such."""

    def __init__(self, data: Any, place: str = "") -> None:
        if not isinstance(data, dict):
            raise ValueError(f"{place or 'all of it'} must be an object")
        self._data, self._place = data, place

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def get(self, key: str, what: str, fits: Callable[[Any], bool]) -> Any:
        """Return the value of a key. Raises `ValueError`, which says what it must be."""
        if key not in self._data:
            raise ValueError(f"{self.place(key)} is missing; it must be {what}")
        if not fits(self._data[key]):
            raise ValueError(f"{self.place(key)} must be {what}")
        return self._data[key]

    def check_keys(self, known: Collection[str]) -> None:
        """Raise `ValueError` where there is a key that is not `known`: it may be misspelt."""
        if unknown := self._data.keys() - set(known):
            raise ValueError(f"{self.place(min(unknown))} is not known; there are: {', '.join(sorted(known))}")

    def place(self, key: str) -> str:
        """Return where the value of a key is, such as `dims[2].size`."""
        return in_line(f"{self._place}.{key}" if self._place else key)

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
        return tuple(self.get(key, "a list of texts", lambda value: isinstance(value, list) and are_texts(value)))

    def list(self, key: str) -> list[Any]:
        """Return a list of anything."""
        value: list[Any] = self.get(key, "a list", lambda value: isinstance(value, list))
        return value

    def object(self, key: str) -> dict[str, Any]:
        """Return an object."""
        value: dict[str, Any] = self.get(key, "an object", lambda value: isinstance(value, dict))
        return value

    def each(self, key: str, parse: Callable[[Entry], T], name: Callable[[T], Any]) -> tuple[T, ...]:
        """Return what the objects of a list are parsed to; no two of them have the same name."""
        found: dict[Any, T] = {}
        for number, entry in enumerate(self.list(key)):
            parsed = parse(Entry(entry, f"{self.place(key)}[{number}]"))
            if name(parsed) in found:
                raise ValueError(f"{self.place(key)} lists {in_line(repr(name(parsed)))} twice")
            found[name(parsed)] = parsed
        return tuple(found.values())


def are_texts(values: Iterable[Any]) -> bool:
    """Whether all values are texts."""
    return all(isinstance(value, str) for value in values)


def is_number(value: Any) -> bool:
    """Whether a value is a number, no truth value, that is finite as a float."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
