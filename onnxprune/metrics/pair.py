"""One output on the samples of a batch beside what it is measured against, laid out as metrics need them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Pair:
    """What a model gives for `samples` samples, and the target: what the dense model gives, or labels [samples].

    `class_axis` is the axis along which class scores lie, where there are any.
    """

    given: Array
    target: Array
    samples: int
    class_axis: int = -1

    @property
    def given_scores(self) -> Array:
        """Class scores [rows, classes]: a row for each sample or, where it has several, for each position."""
        return self._by_class(self.given)

    @property
    def target_scores(self) -> Array:
        """As `given_scores`, of the dense model."""
        return self._by_class(self.target)

    @cached_property
    def vectors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both as float64 [samples, elements], or [1, elements] where the first axis does not count samples.

        Infinities that both share, as masks leave them, are 0 in both.
        """
        rows = self.samples if self.target.shape[:1] == (self.samples,) else 1
        given = self.given.astype(np.float64).reshape(rows, -1)
        target = self.target.astype(np.float64).reshape(rows, -1)
        shared = np.isinf(target) & (given == target)
        if shared.any():
            given[shared] = target[shared] = 0
        return given, target

    def _by_class(self, values: Array) -> Array:
        moved = np.moveaxis(values, self.class_axis, -1)
        return moved.reshape(-1, moved.shape[-1])
