"""What a selection chooses among, and what it has to keep to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.measure import Counts, Measure

SLACK = 1e-9
"""What a sum of floats may be above a limit by rounding, as a share of it."""


@dataclass(frozen=True)
class Choice:
    """What a dim may become: widths [n], rising, the last its own; and the loss [n] at each."""

    widths: NDArray[np.int64]
    loss: NDArray[np.float64]

    def place(self, width: int) -> int:
        """Return where one of the widths stands."""
        return int(np.searchsorted(self.widths, width))

    def loss_at(self, width: int) -> float:
        """Return the loss at one of the widths."""
        return float(self.loss[self.place(width)])


@dataclass(frozen=True)
class Bound:
    """A measure and what it may come to at most."""

    measure: Measure
    most: float

    def holds(self, value: float) -> bool:
        """Whether a value of the measure is within the bound."""
        return value <= self.most * (1 + SLACK)

    def room(self, counts: Counts) -> float:
        """Return how far the measure is below the bound; negative: it is broken."""
        return float(self.most * (1 + SLACK) - self.measure.at(counts))


def loss_of(choices: Mapping[Dim, Choice], counts: Counts) -> float:
    """Return the loss of all dims together."""
    return sum(choices[dim].loss_at(width) for dim, width in counts.items())


def room_of(bounds: Sequence[Bound], counts: Counts) -> float:
    """Return how far the measures are below all bounds, as a share of the dense model's; negative: one is broken."""
    return min(bound.room(counts) / bound.measure.dense for bound in bounds)
