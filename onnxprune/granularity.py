"""Granularity: which weights become zero together.

A weight is seen as a matrix, [groups, columns, outs]: `columns` are the taps of a kernel times the input channels of a
group, channels innermost, and `outs` the outputs of a group (see `linear.Layer.matrix`).
"""

from __future__ import annotations

import itertools
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.errors import UsageError

Array = NDArray[Any]
Mask = NDArray[np.bool_]

CHANNEL, ELEMENT = "channel", "element"

FORMS = "channel, element, N:M (such as 2:4) or block:RxC (such as block:1x4)"


class Granularity(ABC):
    """Which weights become zero together. `channels` and `outs` are what goes together along either side."""

    channels: int
    outs: int

    @abstractmethod
    def lowest(self, scores: Array, zeros: int) -> Mask:
        """Return which weights become zero, bool [groups, columns, outs]: those of the lowest scores.

        As many as `zeros`, or the next lower number that the granularity allows.
        """

    def misfit(self, channels: int, outs: int) -> str | None:
        """Return why a weight with so many input channels and outputs per group cannot have it, or None if it can."""
        if channels % self.channels:
            return f"its {channels} input channels are not a multiple of {self.channels}"
        if outs % self.outs:
            return f"its {outs} outputs are not a multiple of {self.outs}"
        return None


@dataclass(frozen=True)
class Blocks(Granularity):
    """Blocks of `outs` outputs times `channels` input channels of one tap; 1x1 are single elements."""

    outs: int
    channels: int

    def __str__(self) -> str:
        return ELEMENT if self.size == 1 else f"block:{self.outs}x{self.channels}"

    @property
    def size(self) -> int:
        """The number of weights in a block."""
        return self.outs * self.channels

    def pooled(self, scores: Array) -> Array:
        """Return the sum of the scores of each block, [groups, columns / channels, outs / outs of a block]."""
        if self.size == 1:
            return scores
        return np.asarray(self._apart(scores).sum(axis=(2, 4)))

    def whole(self, blocks: Mask) -> Mask:
        """Return a mask of blocks as one of weights."""
        if self.size == 1:
            return blocks
        return np.repeat(np.repeat(blocks, self.channels, axis=1), self.outs, axis=2)

    def lowest(self, scores: Array, zeros: int) -> Mask:
        """Take the blocks with the lowest sums; of equal ones those that come first."""
        pooled, blocks = self.pooled(scores), zeros // self.size
        if not blocks:
            return np.zeros(scores.shape, bool)
        threshold = np.partition(pooled, blocks - 1, axis=None)[blocks - 1]
        goes = pooled < threshold
        ties = np.flatnonzero(pooled == threshold)[: blocks - np.count_nonzero(goes)]
        goes.flat[ties] = True
        return self.whole(goes)

    def _apart(self, scores: Array) -> Array:
        groups, columns, outs = scores.shape
        return scores.reshape(groups, columns // self.channels, self.channels, outs // self.outs, self.outs)


FEW = 32
"""Elements of a pattern up to which comparing each with each is faster than sorting them."""


@dataclass(frozen=True)
class Pattern(Granularity):
    """N:M: of any `m` consecutive input channels, at most `n` are not zero."""

    n: int
    m: int
    outs: int = 1

    def __str__(self) -> str:
        return f"{self.n}:{self.m}"

    @property
    def channels(self) -> int:  # type: ignore[override]
        """Input channels that a pattern spans."""
        return self.m

    @property
    def share(self) -> float:
        """The share of zeros."""
        return 1 - self.n / self.m

    def lowest(self, scores: Array, zeros: int = 0) -> Mask:
        """Take the m - n lowest of every m; of equal ones those that come first. `zeros` follows from the pattern."""
        return self.along(scores, 1)

    def along(self, scores: Array, axis: int) -> Mask:
        """Return which scores go, bool in the shape of scores, whose input channels are along an axis."""
        apart = scores.reshape(*scores.shape[:axis], -1, self.m, *scores.shape[axis + 1 :])
        if self.m > FEW:
            order = np.argsort(apart, axis + 1, kind="stable")
            return (np.argsort(order, axis + 1) < self.m - self.n).reshape(scores.shape)
        taken = [apart.take(place, axis + 1) for place in range(self.m)]
        goes = np.zeros(apart.shape, bool)
        below = [np.zeros(taken[0].shape, np.uint8) for _ in taken]
        for first, second in itertools.combinations(range(self.m), 2):
            is_lower = taken[first] <= taken[second]
            below[second] += is_lower
            below[first] += ~is_lower
        for place, count in enumerate(below):
            goes[(slice(None),) * (axis + 1) + (place,)] = count < self.m - self.n
        return goes.reshape(scores.shape)


ELEMENTS = Blocks(1, 1)


def granularity_of(text: str) -> Granularity | None:
    """Return what `--granularity` names; None for `channel`, where units go as a whole. Raises `UsageError`."""
    if text == CHANNEL:
        return None
    if text == ELEMENT:
        return ELEMENTS
    if found := re.fullmatch(r"(\d{1,4}):(\d{1,4})", text):
        n, m = int(found[1]), int(found[2])
        if not 0 < n < m:
            raise UsageError(f"--granularity {text}: of M weights N stay, so N must be from 1 to M - 1, such as 2:4")
        return Pattern(n, m)
    if found := re.fullmatch(r"block:(\d{1,9})x(\d{1,9})", text):
        outs, channels = int(found[1]), int(found[2])
        if min(outs, channels) < 1:
            raise UsageError(f"--granularity {text}: a block has at least one output and one input channel")
        return Blocks(outs, channels)
    raise UsageError(f"--granularity {text}: it must be {FORMS}")
