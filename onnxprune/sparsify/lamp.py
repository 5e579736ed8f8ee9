"""How many numbers go of each weight by layer-adaptive magnitude (LAMP).

Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", 2021, equation 3: w^2 divided by the sum of v^2
over all |v| >= |w| of the same weight. The largest number of each weight has 1, whatever its scale, so no weight loses
all; and within a weight the scores are in the order of magnitudes. So sorted scores, without places, tell how many go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.sparsify.ranking import Scores

Array = NDArray[Any]

PART = 1 << 20
"""Scores that are computed at a time."""


@dataclass(frozen=True)
class LampScores:
    """The LAMP scores of one weight, or of its blocks, from the largest part down; `squares` scores them by `l2`."""

    squares: Scores

    @property
    def size(self) -> int:
        """The number of scores."""
        return self.squares.size

    def windows(self) -> Iterator[Array]:
        """Yield all scores, float32 [n]; a number that is NaN has none."""
        ascending = np.concatenate([window[~np.isnan(window)] for window in self.squares.windows()])
        ascending.sort()
        yield from beside_survivors(ascending, 1.0)

    def sample(self) -> Array:
        """Return about the scores of some numbers: each stands for as many as the sample leaves out."""
        found = self.squares.sample()
        ascending = np.sort(found[~np.isnan(found)])
        scores = beside_survivors(ascending, self.size / max(len(ascending), 1))
        return np.concatenate([np.zeros(0, np.float32), *scores])


def beside_survivors(ascending: Array, times: float) -> Iterator[Array]:
    """Yield the scores of ascending squares, each of which there is so many times, from the largest part down."""
    heavier = 0.0
    for stop in range(len(ascending), 0, -PART):
        part = ascending[max(stop - PART, 0) : stop]
        at_least = np.cumsum(part[::-1], dtype=np.float64)[::-1] * times + heavier
        with np.errstate(invalid="ignore"):  # beside an infinite number no other is worth anything, and it has no score
            scores = part / np.maximum(at_least, np.finfo(np.float64).tiny)
        yield scores.astype(np.float32)
        heavier = float(at_least[0])
