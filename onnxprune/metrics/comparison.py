"""How well a model does on one output, by several metrics at once, summed up over batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxprune.errors import DataError, UnsupportedError
from onnxprune.metrics.evidence import Evidence
from onnxprune.metrics.pair import Array, Pair
from onnxprune.metrics.registry import Metric


@dataclass(frozen=True)
class Score:
    """The value of a metric, that of the dense model, and by how much the value is worse.

    The drop is infinite where the model gives NaN, or infinities that the dense one does not give. `dense` and `drop`
    are None where there is no dense model.
    """

    value: float
    dense: float | None = None
    drop: float | None = None


class Comparison:
    """One output of a model, measured against labels and against the dense model, as far as these are given.

    `max_abs` is the largest absolute difference from the dense model, `finite` tells whether the model gave neither
    NaN nor infinities that the dense model does not give.
    """

    def __init__(self, evidence: Evidence, metrics: Sequence[Metric]) -> None:
        self.max_abs = 0.0
        self.finite = True
        self._evidence = evidence
        self._given = {metric: _Ratio(metric) for metric in metrics}
        self._dense = {metric: _Ratio(metric) for metric in metrics if metric.labelled}
        self._has_dense = False

    def add(self, given: Array, dense: Array | None, samples: int, labels: Array | None = None) -> None:
        """Take a batch into account. Metrics whose target is not given are left out.

        Raises `DataError` where the dense model gives NaN, and `UnsupportedError` where both give different shapes.
        """
        if dense is not None:
            self._has_dense = True
            self._check(given, dense)
            pair = self._pair(given, dense, samples)
            self._measure_apart(pair)
            self._add({metric: ratio for metric, ratio in self._given.items() if not metric.labelled}, pair)
        elif self._evidence.is_numeric:
            self.finite &= bool(np.isfinite(given).all())
        if labels is not None:
            labelled = {metric: self._given[metric] for metric in self._dense}
            self._add(labelled, self._pair(given, labels, samples))
        if labels is not None and dense is not None:
            self._add(self._dense, self._pair(dense, labels, samples))

    @property
    def scores(self) -> dict[str, Score]:
        """The scores by the names of the metrics, without those whose target was never given."""
        return {metric.name: self._score(metric) for metric, ratio in self._given.items() if ratio.measured}

    def _score(self, metric: Metric) -> Score:
        value = self._given[metric].value
        if not self._has_dense:
            return Score(value)
        dense = self._dense[metric].value if metric.labelled else metric.best
        return Score(value, dense, metric.drop(value, dense) if self.finite else math.inf)

    def _pair(self, given: Array, target: Array, samples: int) -> Pair:
        axis = self._evidence.class_axis
        return Pair(given, target, samples, -1 if axis is None else axis)

    def _check(self, given: Array, dense: Array) -> None:
        output = self._evidence.output
        if given.shape != dense.shape:
            raise UnsupportedError(
                f"output '{output}' is {list(given.shape)}, but {list(dense.shape)} from the dense model; "
                "where its size depends on the values, name another output to compare"
            )
        if self._evidence.is_real and np.isnan(dense).any():
            raise DataError(f"output '{output}' of the dense model is NaN on these samples; choose others")

    def _measure_apart(self, pair: Pair) -> None:
        if not self._evidence.is_numeric or pair.target.size == 0:
            return
        given, dense = pair.vectors
        with np.errstate(invalid="ignore"):
            apart = float(np.abs(given - dense).max())
        self.finite &= math.isfinite(apart)
        self.max_abs = max(self.max_abs, apart if math.isfinite(apart) else math.inf)

    @staticmethod
    def _add(ratios: dict[Metric, _Ratio], pair: Pair) -> None:
        with np.errstate(invalid="ignore"):
            for ratio in ratios.values():
                ratio.add(pair)


class _Ratio:
    """A metric whose numerator and denominator are summed up."""

    def __init__(self, metric: Metric) -> None:
        self.measured = False
        self._metric = metric
        self._sums = np.zeros(2)

    def add(self, pair: Pair) -> None:
        self.measured = True
        self._sums += self._metric.measure(pair)

    @property
    def value(self) -> float:
        above, below = self._sums.tolist()
        if below == 0:
            return self._metric.best if above == 0 else math.inf
        return self._metric.finish(above / below)
