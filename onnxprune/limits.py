"""What a model may cost at most: so much of its parameters, MACs, latency, bytes or channels, absolute or relative."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from onnxprune.errors import UsageError

UNITS = {
    "params": {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9},
    "macs": {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12},
    "latency": {"": 1.0, "US": 1e-3, "MS": 1.0, "S": 1e3},
    "size": {
        "": 1.0,
        "B": 1.0,
        **{f"{letter}{rest}": 1024.0**power for power, letter in enumerate("KMGT", 1) for rest in ("", "B", "IB")},
    },
}
"""Budgets that have a `--target-..` option -> what units are worth: numbers, MACs, milliseconds, bytes."""

EXAMPLES = {"params": "2M", "macs": "1.5G", "latency": "8ms", "size": "10MB"}


TOLERANCE, TENTH = 0.01, 0.1
"""What an amount may be missed by, unless that is more than a tenth of what is to remain."""


@dataclass(frozen=True)
class Limit:
    """A quantity, and what it may be at most: a value, or where it `is_relative` a multiple of the dense model's."""

    measure: str
    most: float
    is_relative: bool = False

    def within(self, dense: float) -> float:
        """Return the most that is allowed where the dense model has `dense`."""
        return self.most * dense if self.is_relative else self.most

    def removes(self, dense: float) -> float:
        """Return the share of what the dense model has that must go; below 0 where more is allowed than it has."""
        if self.is_relative:
            return 1 - self.most
        return 1 - self.most / dense if dense else 0.0


def is_met(requested: float, removed: float) -> bool:
    """Whether the share that was removed is what was asked for, or so little less that nobody minds."""
    return removed >= requested - min(TOLERANCE, TENTH * (1 - requested))


def limit_of(measure: str, text: str | float) -> Limit:
    """Read the most that may remain, such as 2M, 1.5G, 8ms, 10MB or 0.5x. Raises `UsageError`."""
    pattern = r"(\d*\.?\d+(?:e[+-]?\d+)?) *([a-z]*)"
    found = re.fullmatch(pattern, str(text).strip(), re.IGNORECASE | re.ASCII)
    unit = found[2].upper() if found else ""
    units = UNITS[measure]
    if found is None or (unit != "X" and unit not in units):
        raise UsageError(f"--target-{measure} {text}: give a number such as {EXAMPLES[measure]}, or 0.5x for one half")
    value = float(found[1]) * units.get(unit, 1.0)
    if not 0 < value < math.inf:
        raise UsageError(f"--target-{measure} {text}: it must be a number above 0")
    return Limit(measure, value, unit == "X")
