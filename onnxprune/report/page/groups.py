"""Which layers are tied together: every dim with the weights that it runs through."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

AXIS = re.compile(r"^(.*)\[(\d+)\][^\[]*$", re.DOTALL)
DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Tied:
    """A dim, the axes that are part of it, and a strip: one mark for each weight, at the place that it has in all."""

    name: str
    size: int
    kept: int
    members: list[str]
    weights: int
    strip: str


def tied(data: Mapping[str, Any]) -> tuple[list[Tied], int]:
    """Return the dims, and how many weights there are: tensors with two axes or more, in the order of their names."""
    dims = data.get("dims") or []
    everything = [name for dim in dims for name in dim["members"]]
    weights = _weights([*everything, *(entry["name"] for entry in data.get("not_pruned") or ())])
    return [_tied(dim, weights) for dim in dims], len(weights)


def is_off(dim: Mapping[str, Any], multiple: int) -> bool:
    """Say whether a dim is wider than what kernels take at a time, and no multiple of it.

    Dims that are parts of an axis, such as heads, are not judged: what counts is the width of the axis.
    """
    is_part = any(not name.endswith("]") for name in dim["members"])
    return bool(dim["kept"] > multiple and dim["kept"] % multiple) and not is_part


def _tied(dim: Mapping[str, Any], weights: Mapping[str, int]) -> Tied:
    touched = sorted({weights[name] for name, _ in map(_axis, dim["members"]) if name in weights})
    return Tied(dim["name"], dim["size"], dim["kept"], dim["members"], len(touched), _strip(touched))


def _strip(places: Sequence[int]) -> str:
    """Return the marks as one path, 10 high, with 1 for each weight and what is between two."""
    return "".join(f"M{place}.1 0h.8v10h-.8z" for place in places)


def _weights(axes: Iterable[str]) -> dict[str, int]:
    """Return the place of each tensor that has more than one axis among `axes`; biases and norms have one."""
    found: dict[str, set[int]] = {}
    for name, axis in map(_axis, axes):
        found.setdefault(name, set()).add(axis)
    names = sorted((name for name, known in found.items() if len(known) > 1), key=_natural)
    return {name: place for place, name in enumerate(names)}


def _axis(name: str) -> tuple[str, int]:
    found = AXIS.match(name)
    return (found[1], int(found[2])) if found else (name, 0)


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which layer 2 comes before layer 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in DIGITS.split(name)]
