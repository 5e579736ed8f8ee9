"""Where importance criteria are registered: one decorator, by the name that `--criterion` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.errors import UsageError
from onnxprune.tracing import Trace

Saliency: TypeAlias = Mapping[Dim, NDArray[Any]]
"""Dim -> float64 [dim.size]: how much would be lost with each unit."""

Criterion: TypeAlias = "Callable[[Trace, int], Saliency]"

CRITERIA: dict[str, Criterion] = {}


def criterion(name: str) -> Callable[[Criterion], Criterion]:
    """Register a function `(trace, seed) -> saliency` as the criterion `name`."""

    def register(function: Criterion) -> Criterion:
        if name in CRITERIA:
            raise ValueError(f"two criteria named {name}")
        CRITERIA[name] = function
        return function

    return register


def score(trace: Trace, name: str, seed: int) -> Saliency:
    """Return the saliency of every unit of every prunable dim. Raises `UsageError` for an unknown criterion."""
    if name not in CRITERIA:
        raise UsageError(f"no criterion '{name}'; there are: {', '.join(sorted(CRITERIA))}")
    return CRITERIA[name](trace, seed)
