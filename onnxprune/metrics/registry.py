"""Where metrics are registered: one decorator, by the name that `--metric` takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from onnxprune.errors import UsageError
from onnxprune.metrics.pair import Pair

AUTO = "auto"
"""The name that stands for whichever metric fits an output."""

Measure: TypeAlias = "Callable[[Pair], tuple[float, float]]"
"""What a batch adds to the numerator and to the denominator of a metric."""


@dataclass(frozen=True)
class Metric:
    """A number that says how well a model does on one output.

    It is `finish` of a ratio, both parts of which are summed over batches by `measure`. `best` is what nothing can
    surpass, 1 or 0, and the value of whatever equals its target. `classes` is the least number of classes that the
    output must score; 0 where it need not score any. With `labelled` the target is the labels, otherwise what the
    dense model gives. `numeric` is False where values need only be told apart.
    """

    name: str
    measure: Measure
    best: float
    classes: int = 0
    labelled: bool = False
    numeric: bool = True
    finish: Callable[[float], float] = float

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        return self.best > 0

    def drop(self, value: float, dense: float) -> float:
        """Return by how much a value is worse than that of the dense model; below 0 where it is better."""
        return dense - value if self.higher_is_better else value - dense


METRICS: dict[str, Metric] = {}


def metric(
    name: str,
    *,
    best: float,
    classes: int = 0,
    labelled: bool = False,
    numeric: bool = True,
    finish: Callable[[float], float] = float,
) -> Callable[[Measure], Measure]:
    """Register a function `(pair) -> (numerator, denominator)` as the metric `name`; see `Metric`."""

    def register(measure: Measure) -> Measure:
        if name in METRICS or name == AUTO:
            raise ValueError(f"two metrics named {name}")
        METRICS[name] = Metric(name, measure, best, classes, labelled, numeric, finish)
        return measure

    return register


def find(name: str) -> Metric:
    """Return a metric by its name. Raises `UsageError` where there is none."""
    if name not in METRICS:
        raise UsageError(f"no metric '{name}'; there are: {', '.join([AUTO, *sorted(METRICS)])}")
    return METRICS[name]
