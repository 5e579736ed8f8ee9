"""Calibration samples: batches that the model can be run on as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.lazy import Lazy
from onnxprune.errors import DataError
from onnxprune.runtime import Feeds


@dataclass(frozen=True)
class Calibration:
    """Inputs to look at a model on.

    Each of `batches` holds every graph input and can be fed as it is; where they are no tuple, each is read anew
    whenever it is asked for. `sizes` counts the samples in each. `real` is False where the samples were made up.
    `source` says in a few words where they came from. `labels`, int64 [samples], are there only where they were asked
    for.
    """

    batches: Sequence[Feeds]
    sizes: tuple[int, ...]
    source: str
    real: bool
    labels: NDArray[np.int64] | None = None

    @staticmethod
    def of(batches: Iterable[Feeds]) -> Calibration:
        """Return batches that were made in Python; the first axis of the first input counts the samples of each."""
        kept = tuple(batches)
        if not kept:
            raise DataError("calibration: no batches were given; each is a mapping from input names to arrays")
        sizes = tuple(max(1, len(np.atleast_1d(next(iter(batch.values()))))) for batch in kept)
        return Calibration(kept, sizes, f"{sum(sizes)} samples given in Python", True)

    @property
    def samples(self) -> int:
        """The number of samples."""
        return sum(self.sizes)

    def held_back(self, share: float) -> tuple[Calibration, Calibration]:
        """Return what is left to calibrate on, and about `share` of the batches, spread evenly, to judge by.

        Both hold the only batch where there is just one.
        """
        count = len(self.batches)
        if count < 2:
            return self, self
        wanted = min(max(1, round(share * count)), count - 1)
        judged = {int(place) for place in np.linspace(0, count - 1, wanted + 2)[1:-1].round()}
        return self._only(set(range(count)) - judged), self._only(judged)

    def _only(self, places: set[int]) -> Calibration:
        chosen = sorted(places)
        ends = np.cumsum((0, *self.sizes))
        labels = self.labels
        if labels is not None:
            labels = np.concatenate([labels[ends[place] : ends[place + 1]] for place in chosen])
        batches: Sequence[Feeds] = Lazy(len(chosen), partial(_at, self.batches, chosen))
        if isinstance(self.batches, tuple):
            batches = tuple(batches)
        return replace(self, batches=batches, sizes=tuple(self.sizes[place] for place in chosen), labels=labels)


def _at(batches: Sequence[Feeds], places: Sequence[int], number: int) -> Feeds:
    return batches[places[number]]
