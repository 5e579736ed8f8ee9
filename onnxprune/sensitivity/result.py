"""What was measured, as plain data that can be saved and read again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onnxprune.files import write_files

SCHEMA = "onnxprune-sensitivity/1"


@dataclass(frozen=True)
class Point:
    """With `amount` of the units to go, `kept` stayed, and the output that suffers most was worse by `drop`.

    The drop is infinite where the pruned model gives NaN or infinities that the dense one does not give.
    """

    amount: float
    kept: int
    drop: float


@dataclass(frozen=True)
class Curve:
    """The points of one dim, or of one block, by ascending amount.

    `size` is the number of units, in a block of all its dims. `members` are the weight axes of a dim, as in a plan, or
    the names of the dims of a block.
    """

    name: str
    size: int
    members: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def mean_drop(self) -> float:
        """The drop over all amounts on average: how sensitive it is. Not a number where nothing was measured."""
        return sum(point.drop for point in self.points) / len(self.points) if self.points else math.nan


def most_sensitive_first(curves: Iterable[Curve]) -> list[Curve]:
    """Return curves by falling mean drop; equal ones stay in order."""
    return sorted(curves, key=lambda curve: -curve.mean_drop)


@dataclass(frozen=True)
class Sensitivity:
    """The sensitivity of a model, as far as it was measured. Fields as in the file; see docs/sensitivity.md.

    `model` identifies the dense model, and `request` holds all that the drops depend on. `metrics` are by output.
    """

    model: Mapping[str, Any]
    request: Mapping[str, Any]
    metrics: Mapping[str, str]
    dims: tuple[Curve, ...] = ()
    blocks: tuple[Curve, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON: an infinite drop is None."""
        data = {"schema": SCHEMA, **asdict(self)}
        for curve in (*data["dims"], *data["blocks"]):
            for point in curve["points"]:
                point["drop"] = point["drop"] if math.isfinite(point["drop"]) else None
        return data

    def save(self, path: Path) -> None:
        """Write the file, all of it or nothing; replace one that is there. Raises `OutputError`."""
        text = json.dumps(self.as_dict(), indent=1, allow_nan=False) + "\n"
        write_files({path: lambda stream: stream.write(text.encode())}, overwrite=True)
