"""The ratio of two models' times: its value, how sure it is, and whether it is more than noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Times = NDArray[np.float64]
"""Of a contestant, one a round: shape [rounds]. Rounds are in the same order for all."""

ONE_IN = 40
"""The median lies below an interval once in so many times at most, and above it as often: so 95% intervals."""

LEAST_NOISE = 0.01
"""Less than this is never called a difference: on a quiet machine, copies of a model differ by about half as much."""


@dataclass(frozen=True)
class Ratio:
    """The time of a model over that of the baseline.

    `value` is the median of the ratios of single rounds, and `low` to `high` its 95% interval. `noise` is how far from
    1 the interval of a copy of the baseline reaches, at least `LEAST_NOISE`.
    """

    value: float
    low: float
    high: float
    noise: float

    @property
    def is_faster(self) -> bool:
        """Whether the model is faster for certain: the whole interval lies below 1 by more than the noise."""
        return self.high < 1 - self.noise

    @property
    def is_slower(self) -> bool:
        """Whether the model is slower for certain."""
        return self.low > 1 + self.noise

    @property
    def is_settled(self) -> bool:
        """Whether there is a difference for certain, or none that stands out of the noise."""
        return self.is_faster or self.is_slower or abs(self.value - 1) <= self.noise

    @property
    def verdict(self) -> str:
        """What may be said of it, as part of a sentence."""
        if self.is_faster:
            return f"{1 / self.value:.3g}x faster"
        if self.is_slower:
            return f"{self.value:.3g}x slower"
        if self.is_settled:
            return f"no difference beyond the noise of {self.noise:.1%}"
        return f"undecided: {self.low:.3g} to {self.high:.3g} of the time, with noise of {self.noise:.1%}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"value": self.value, "low": self.low, "high": self.high, "noise": self.noise, "verdict": self.verdict}


def ratio_of(times: Times, baseline: Times, copy: Times) -> Ratio:
    """Return the ratio of some times to those of a baseline, with the noise that a copy of the baseline shows.

    Times are compared round by round: what slows the machine down for longer than a round slows both.
    """
    ratios = times / baseline
    return Ratio(float(np.median(ratios)), *median_interval(ratios), noise_of(copy, baseline))


def noise_of(copy: Times, baseline: Times) -> float:
    """Return how far from 1 the interval of a copy's ratio to the baseline reaches, at least `LEAST_NOISE`."""
    low, high = median_interval(copy / baseline)
    return max(LEAST_NOISE, 1 - low, high - 1)


def median_interval(values: Times) -> tuple[float, float]:
    """Return the 95% interval of the median of what `values` [n] are drawn from, by order statistics.

    The number of independent values that lie below the median is binomial, whatever their distribution. Values in a row
    that resemble each other say as much as fewer independent ones, and then the interval is that of fewer. It is never
    wider than the values themselves.
    """
    ordered = np.sort(values)
    independent = independent_values(values)
    outside = math.floor(_ranks_outside(independent) / independent * len(values))
    return float(ordered[outside]), float(ordered[-1 - outside])


def independent_values(values: Times) -> int:
    """Return how many independent values say as much about the median as `values` [n], from 1 to n.

    That is n (1 - r) / (1 + r), where r is the correlation of neighbours' sides of the median (Bayley and Hammersley,
    1946, for a correlation that fades as r, r^2, ..).
    """
    sides = np.sign(values - np.median(values))
    power = float(sides @ sides)
    correlation = max(0.0, float(sides[:-1] @ sides[1:]) / power) if power else 0.0
    return max(1, math.floor(len(values) * (1 - correlation) / (1 + correlation)))


def _ranks_outside(count: int) -> int:
    """Return how many of so many ordered independent values lie outside of the interval at either end."""
    outcomes = below = 1  # of `count` throws of a coin: those with exactly, and with at most, so many heads
    heads = 0
    while below * ONE_IN <= 2**count:
        heads += 1
        outcomes = outcomes * (count - heads + 1) // heads
        below += outcomes
    return max(0, heads - 1)
