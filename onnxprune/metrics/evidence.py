"""Which metric fits an output: what its values show about what they are."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from onnxprune.errors import UsageError
from onnxprune.metrics.pair import Array
from onnxprune.metrics.registry import AUTO, Metric, find

NEARLY = 1e-2
"""How far sums and lengths may be from 1; half precision leaves some 1e-3."""


@dataclass
class _Axis:
    """An axis that may hold class scores: whether they are probabilities, and which of them were the highest."""

    probabilities: bool = True
    leaders: set[int] = field(default_factory=set)


@dataclass
class _Rows:
    """Real outputs of one row for each sample: whether all rows have length 1, and all values lie between 0 and 1."""

    unit_length: bool = True
    within_unit: bool = True

    def look(self, rows: NDArray[np.float64]) -> None:
        self.unit_length &= bool(np.all(np.abs(np.linalg.norm(rows, axis=1) - 1) < NEARLY))
        self.within_unit &= bool(rows.min() >= 0 and rows.max() <= 1)


class Evidence:
    """What the values of one output show about what it is, gathered batch by batch from the dense model.

    Anything of the kind of class scores needs a class axis. It is the one along which probabilities, or their
    logarithms, sum to 1. Elsewhere it is a convention, once trailing axes of size 1 are left out: axis 1 of
    [samples, classes] and of images [samples, classes, height, width, ..], the last axis of sequences [samples,
    positions, classes].
    """

    def __init__(self, output: str) -> None:
        self.output = output
        self.shape: tuple[int, ...] = ()
        self._samples = 1
        self._kind = "f"
        self._counts_samples = True
        self._rows = _Rows()
        self._axes: dict[int, _Axis] = {}

    def add(self, values: Array, samples: int) -> None:
        """Take the output on `samples` samples into account."""
        self.shape, self._kind, self._samples = values.shape, values.dtype.kind, samples
        self._counts_samples &= values.shape[:1] == (samples,)
        if values.size == 0 or not self.is_numeric:
            return
        with np.errstate(invalid="ignore"):
            for axis in self._candidates():
                self._look_along(axis, values)
            if self.is_real and self._is_rows:
                self._rows.look(values.astype(np.float64).reshape(samples, -1))

    @property
    def is_real(self) -> bool:
        """Whether the values are real numbers; V are those that numpy lacks."""
        return self._kind in "fV"

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers or booleans, and not text."""
        return self._kind in "fViub"

    @property
    def class_axis(self) -> int | None:
        """The axis along which class scores lie, or would lie; None where there cannot be any."""
        usual = self._usual_axis()
        known = [axis for axis in (usual, *self._axes) if axis in self._axes]
        return next((axis for axis in known if self._axes[axis].probabilities), usual if usual in known else None)

    @property
    def classes(self) -> int:
        """The number of classes along the class axis; 0 where there is none."""
        return 0 if self.class_axis is None else self.shape[self.class_axis]

    @property
    def positions(self) -> int:
        """The number of places in a sample that have class scores of their own."""
        return math.prod(self.shape) // (self._samples * max(self.classes, 1))

    @property
    def metric(self) -> str:
        """The name of the metric that fits, the stricter one in doubt.

        `equal` for what are no real numbers. `top1-agreement` for probabilities anywhere, and for [samples, classes]
        or [samples, classes, 1, 1] unless the values show that these are no scores to choose the highest of: rows of
        length 1 are embeddings (`cosine`), and values between 0 and 1 that do not sum to 1 are independent
        probabilities or coordinates. Where the highest is the same throughout, agreement would show nothing. All that
        is left, scores by position that are no probabilities included, since these look like features, goes by
        `relative-error`.
        """
        if not self.is_real:
            return "equal"
        axis = None if self.class_axis is None else self._axes[self.class_axis]
        chooses = axis is not None and len(axis.leaders) > 1
        if axis is not None and axis.probabilities:
            return "top1-agreement" if chooses else "relative-error"
        if not self._is_rows or axis is None:
            return "relative-error"
        if self._rows.unit_length:
            return "cosine"
        return "top1-agreement" if chooses and not self._rows.within_unit else "relative-error"

    @property
    def _is_rows(self) -> bool:
        return self._counts_samples and len(_stripped(self.shape)) == 2

    def _candidates(self) -> list[int]:
        """Return the axes that may hold class scores; the only axis does so where there is just one sample."""
        axes = {1, len(self.shape) - 1, self._usual_axis()} if len(self.shape) > 1 else {0}
        counts_samples = len(self.shape) == 1 and self._samples > 1
        axes &= set(range(len(self.shape)))  # a single number has none
        return [] if counts_samples else [axis for axis in sorted(axes) if self.shape[axis] > 1]

    def _look_along(self, axis: int, values: Array) -> None:
        known = self._axes.setdefault(axis, _Axis())
        known.probabilities = known.probabilities and self.is_real and _are_probabilities(values, axis)
        known.leaders.update(np.unique(values.argmax(axis)).tolist())

    def _usual_axis(self) -> int:
        return {1: 0, 3: 2}.get(len(_stripped(self.shape)), 1)


def fitting(name: str, evidence: Evidence) -> Metric:
    """Return the metric called `name`, or that which fits the output for `auto`.

    Raises `UsageError` where there is none, or where it makes no sense for such an output.
    """
    metric = find(evidence.metric if name == AUTO else name)
    where = f"--metric {name}: output '{evidence.output}' {list(evidence.shape)}"
    if metric.numeric and not evidence.is_numeric:
        raise UsageError(f"{where} holds text; use --metric equal")
    if evidence.classes < metric.classes:
        found = f"{evidence.classes} classes" if evidence.classes else "no axis of class scores"
        raise UsageError(f"{where} has {found}, and at least {metric.classes} are needed; use --metric {AUTO}")
    return metric


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without trailing axes of size 1, down to two axes."""
    while len(shape) > 2 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _are_probabilities(values: Array, axis: int) -> bool:
    """Whether values, or their exponentials, are at least 0 and sum to 1 along an axis."""
    wide = values.astype(np.float64)
    if wide.min() < 0:
        if wide.max() > math.log1p(NEARLY):
            return False
        wide = np.exp(wide)
    return bool(np.all(np.abs(wide.sum(axis) - 1) < NEARLY))
