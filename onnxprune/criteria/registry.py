"""Where importance criteria are registered: one decorator, by the name that `--criterion` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.calibrate.statistics import Statistics
from onnxprune.errors import UsageError
from onnxprune.tracing import Trace

Saliency: TypeAlias = Mapping[Dim, NDArray[Any]]
"""Dim -> float64 [dim.size]: how much would be lost with each unit."""


class Needs(IntEnum):
    """What a criterion has to know beyond the weights; each includes those before."""

    WEIGHTS = 0
    MOMENTS = 1
    COVARIANCES = 2


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at: the traced model, a seed, and statistics by a layer's first output.

    `statistics` is empty for criteria that need no more than the weights.
    """

    trace: Trace
    seed: int
    statistics: Mapping[str, Statistics]


Criterion: TypeAlias = "Callable[[Evidence], Saliency]"

CRITERIA: dict[str, Criterion] = {}
NEEDS: dict[str, Needs] = {}
LOSSES: set[str] = set()
"""Criteria whose values are losses that add up, over units and over dims: those are weighed against what they save."""


def criterion(name: str, needs: Needs = Needs.WEIGHTS, is_loss: bool = False) -> Callable[[Criterion], Criterion]:
    """Register a function `(evidence) -> saliency` as the criterion `name`; `is_loss`: see `LOSSES`."""

    def register(function: Criterion) -> Criterion:
        if name in CRITERIA:
            raise ValueError(f"two criteria named {name}")
        CRITERIA[name], NEEDS[name] = function, needs
        if is_loss:
            LOSSES.add(name)
        return function

    return register


def best_criterion(with_data: bool) -> str:
    """Return the criterion that the benchmarks show best with or without samples (docs/benchmarks.md)."""
    return "obs" if with_data else "lamp"


def is_loss(name: str) -> bool:
    """Whether the values of a criterion are losses that add up."""
    return name in LOSSES


def needs_of(name: str) -> Needs:
    """Return what a criterion needs. Raises `UsageError` for an unknown one."""
    if name not in NEEDS:
        raise UsageError(f"no criterion '{name}'; there are: {', '.join(sorted(CRITERIA))}")
    return NEEDS[name]


def score(trace: Trace, name: str, seed: int, statistics: Mapping[str, Statistics] | None = None) -> Saliency:
    """Return the saliency of every unit of every prunable dim. Raises `UsageError` for an unknown criterion."""
    needs = needs_of(name)
    if needs and statistics is None:
        raise UsageError(f"--criterion {name} looks at activations: it cannot be used with --calibration none")
    with np.errstate(all="ignore"):  # weights may be infinite or NaN; units of such a value stay
        return CRITERIA[name](Evidence(trace, seed, statistics or {}))
