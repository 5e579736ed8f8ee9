"""The scores of a weight, read in parts as far as its criterion allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.granularity import Blocks, Granularity, Pattern
from onnxprune.model import Model
from onnxprune.scales import Scales
from onnxprune.sparsify.criteria import ElementCriterion, Evidence
from onnxprune.sparsify.threshold import Cut
from onnxprune.sparsify.weights import Weight

Array = NDArray[Any]
Mask = NDArray[np.bool_]

SAMPLED = 256
"""One number in so many is looked at first to guess where the threshold is, in runs of `RUN`."""
RUN = 4096


@dataclass(frozen=True)
class Scores:
    """What the numbers of one weight, or its blocks, are worth by a criterion."""

    model: Model
    weight: Weight
    scales: Scales
    criterion: ElementCriterion
    granularity: Granularity
    evidence: Evidence

    @property
    def size(self) -> int:
        """The number of scores: of blocks, or of single numbers."""
        return self.weight.size // (self.granularity.size if isinstance(self.granularity, Blocks) else 1)

    @property
    def rows(self) -> int:
        """How many rows of the first axis can be marked without the others, or a multiple of it; 0 for none but all."""
        if not self._in_parts:
            return 0
        is_along_rows = isinstance(self.granularity, Pattern) and self.weight.inputs == 0
        return self.granularity.channels if is_along_rows else 1

    def windows(self) -> Iterator[Array]:
        """Yield all scores, float32 [n], in the order in which numbers, or blocks of the matrix, are stored."""
        if self._in_parts:
            yield from (self._scored(part.reshape(-1)) for part in self.model.parts(self.weight.tensor))
        else:
            yield self._pooled(self.model.array(self.weight.tensor)).ravel()

    def sample(self) -> Array:
        """Return some of the scores, from all over the weight."""
        if not self._in_parts:
            return np.concatenate(list(self.windows()))
        flat = self.model.array(self.weight.tensor).reshape(-1)
        runs = max(1, self.size // (SAMPLED * RUN))
        starts = np.linspace(0, max(self.size - RUN, 0), runs + 1, dtype=np.int64)
        return np.concatenate([self._scored(flat[start : start + RUN]) for start in starts])

    def of_stored(self) -> Array:
        """Return the scores of all numbers of the weight, in its shape."""
        return self._whole(self.model.array(self.weight.tensor))

    def below(self, parts: Iterator[Array], cut: Cut) -> Iterator[tuple[Array, Mask]]:
        """Yield parts of the weight, and which numbers go by a threshold."""
        if self._in_parts:
            yield from self._below_in_parts(parts, cut)
            return
        for values in parts:
            (goes,) = cut.masks(iter([self._pooled(values).ravel()]))
            if isinstance(self.granularity, Blocks) and self.granularity.size > 1:
                yield values, self.weight.stored(self.granularity.whole(goes.reshape(self._pooled_shape)))
            else:
                yield values, goes.reshape(values.shape)

    def _below_in_parts(self, parts: Iterator[Array], cut: Cut) -> Iterator[tuple[Array, Mask]]:
        latest: deque[Array] = deque(maxlen=1)

        def windows() -> Iterator[Array]:
            for part in parts:
                latest.append(part)
                yield self._scored(part.reshape(-1))

        for goes in cut.masks(windows()):
            yield latest[0], goes.reshape(latest[0].shape)

    def patterned(self, parts: Iterator[Array], pattern: Pattern) -> Iterator[tuple[Array, Mask]]:
        """Yield parts of the weight, and which numbers go by a pattern."""
        assert self.weight.inputs is not None
        for values in parts:
            scores = self._scored(values) if self._in_parts else self._whole(values)
            yield values, pattern.along(scores, self.weight.inputs)

    @property
    def _in_parts(self) -> bool:
        """Whether single numbers can be scored without the others."""
        is_alone = not isinstance(self.granularity, Blocks) or self.granularity.size == 1
        return is_alone and self.criterion.by_element and not self.weight.quantized

    def _scored(self, values: Array) -> Array:
        found = values if values.dtype == np.float32 else values.astype(np.float32)
        with np.errstate(all="ignore"):  # numbers that are infinite or NaN stay
            return self.criterion.score(found, self.evidence)

    def _real(self, values: Array) -> Array:
        if self.weight.quantized:
            return self.scales.real_values(self.weight.use, values)
        return np.asarray(values, np.float32)

    def _whole(self, values: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self.criterion.score(self._real(values), self.evidence), np.float32)

    def _pooled(self, values: Array) -> Array:
        scores = self._whole(values)
        if isinstance(self.granularity, Blocks) and self.granularity.size > 1:
            return self.granularity.pooled(self.weight.matrix(scores))
        return scores

    @cached_property
    def _pooled_shape(self) -> tuple[int, ...]:
        assert isinstance(self.granularity, Blocks)
        _, columns, outs = self.weight.matrix(np.broadcast_to(np.int8(0), self.weight.shape)).shape
        return 1, columns // self.granularity.channels, outs // self.granularity.outs
