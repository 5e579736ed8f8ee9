"""The lowest scores of many tensors, exactly, without ever holding all of them.

A sample tells roughly where the threshold lies. One read of everything then counts what is below a bracket around that
place and keeps the few scores inside it; the threshold is among them, or an edge of the bracket. Where it is not,
because the sample misled, a second read follows, with a bracket from a sample that was taken on the way: every n-th
score. The idea is that of SELECT (Floyd and Rivest, "Expected time bounds for selection", 1975), for a stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
OnProgress: TypeAlias = "Callable[[float], None]"

SAMPLE = 1 << 20
"""Scores in a sample at most. Of so few scores none is taken: they are all kept."""

SAMPLED = 256
"""One score in so many is in a sample."""

KEPT = 1 << 25
"""Scores kept at most, 128 MiB; not below `SAMPLE`. If a bracket holds more, the next is narrower."""

MARGIN = 16
"""Half the width of a bracket, in standard errors of the share of a sample below the threshold.

Neighbouring scores resemble each other, so that a sample of runs says less than as many scores drawn at random.
"""


class Ranked(Protocol):
    """A tensor of scores that are read in parts."""

    @property
    def size(self) -> int:
        """The number of scores."""

    def windows(self) -> Iterator[Floats]:
        """Yield all scores, float32 [n] each, none negative, in the order in which they are stored."""

    def sample(self) -> Floats:
        """Return some scores, float32 [n], at least one, from all over the tensor. If they mislead, that costs time."""


@dataclass(frozen=True)
class Cut:
    """Which scores of a tensor go: all below `value`, and the first `ties` that equal it; `zeros` in all."""

    value: float
    ties: int
    zeros: int

    def masks(self, windows: Iterable[Floats]) -> Iterator[Mask]:
        """Yield which scores of each window go, bool [n], for all windows of the tensor in their order."""
        left = self.ties
        for window in windows:
            goes = window < self.value
            if left:
                equal = np.flatnonzero(window == self.value)[:left]
                goes[equal] = True
                left -= len(equal)
            yield goes


def cuts(ranked: Sequence[Ranked], wanted: int, on_progress: OnProgress = lambda share: None) -> list[Cut]:
    """Return which scores go so that exactly the `wanted` lowest of all tensors do, one cut for each tensor.

    Of equal scores those of earlier tensors go first, and those stored earlier. NaN never goes: where fewer than
    `wanted` scores are numbers, all of these do. Scores are read once, seldom twice; each time `on_progress` counts
    from 0 to 1.
    """
    size = sum(one.size for one in ranked)
    if not 0 <= wanted <= size:
        raise ValueError(f"{wanted} of {size} scores are wanted")
    if wanted == 0:
        return [Cut(0.0, 0, 0) for _ in ranked]
    span = _Span(np.float32(0), np.float32(np.inf), 0, size)
    drawn = _first_sample(ranked, size) if size > SAMPLE else np.empty(0, np.float32)
    while True:
        sample = np.sort(drawn[(drawn >= span.low) & (drawn <= span.high)])
        scan = _Scan(*span.bracket(sample, wanted))
        scan.read(ranked, size, on_progress)
        found = scan.cuts(wanted)
        if found is not None:
            return found
        span, drawn = scan.narrowed(span, wanted), scan.sample


def _first_sample(ranked: Sequence[Ranked], size: int) -> Floats:
    """Return a sample of all scores to which each tensor adds in proportion to its size."""
    share = min(SAMPLE / size, 1 / SAMPLED)
    parts = [np.empty(0, np.float32)]
    for one in ranked:
        part = one.sample() if one.size else parts[0]
        parts.append(part[np.linspace(0, len(part), math.ceil(one.size * share), endpoint=False).astype(np.int64)])
    return np.concatenate(parts)


@dataclass(frozen=True)
class _Span:
    """Where the threshold is: from `low` to `high`, with `before` scores below and at most `size` within.

    NaN counts as if it were within as long as the span reaches to infinity.
    """

    low: np.float32
    high: np.float32
    before: int
    size: int

    def bracket(self, sample: Floats, wanted: int) -> tuple[np.float32, np.float32]:
        """Return an interval that is narrower, and likely holds the threshold, by the sorted sample of the span."""
        if self.size <= SAMPLE:
            return self.low, self.high
        share = (wanted - self.before) / self.size
        place = share * len(sample)
        margin = MARGIN * (math.sqrt(share * (1 - share) * len(sample)) + 1)
        first, last = math.floor(place - margin), math.ceil(place + margin)
        low = sample[first] if first >= 0 else self.low
        high = sample[last] if last < len(sample) else self.high
        if (low, high) == (self.low, self.high):
            high = self._middle()
        return low, high

    def _middle(self) -> np.float32:
        """Return the float in the middle of all floats of the span: read as integers, they keep their order."""
        ends = np.array([self.low, self.high]).view(np.uint32)
        middle: np.float32 = (ends[:1] + (ends[1:] - ends[:1]) // 2).view(np.float32)[0]
        return middle


@dataclass
class _Seen:
    """What a scan saw of one tensor: how many scores are below the bracket, at its edges, and inside.

    `kept` are those inside, as far as there is room.
    """

    below: int = 0
    at_low: int = 0
    inside: int = 0
    at_high: int = 0
    kept: list[Floats] = field(default_factory=list)

    def cut(self, value: np.float32, low: np.float32, high: np.float32) -> tuple[int, int]:
        """Return how many scores are below a value of the bracket, and how many equal it."""
        if value == low:
            return self.below, self.at_low
        if value == high:
            return self.below + self.at_low + self.inside, self.at_high
        less = sum(int(np.count_nonzero(kept < value)) for kept in self.kept)
        equal = sum(int(np.count_nonzero(kept == value)) for kept in self.kept)
        return self.below + self.at_low + less, equal


class _Scan:
    """One read of all scores against a bracket."""

    def __init__(self, low: np.float32, high: np.float32) -> None:
        self._low, self._high = low, high
        self._seen: list[_Seen] = []
        self._sampled: list[Floats] = []
        self._kept = 0

    def read(self, ranked: Sequence[Ranked], size: int, on_progress: OnProgress) -> None:
        """Read all scores."""
        step = size // SAMPLE | 1  # an odd one meets every column of a matrix
        done = 0
        for one in ranked:
            self._seen.append(_Seen())
            for window in one.windows():
                self._sampled.append(window[-done % step :: step].copy())
                self._sort_out(window, self._seen[-1])
                done += len(window)
                on_progress(done / size)

    def _sort_out(self, window: Floats, seen: _Seen) -> None:
        """Count what is below the bracket and at its edges, and keep what is inside."""
        below, at_most_low = np.count_nonzero(window < self._low), window <= self._low
        inside = window[(window < self._high) & ~at_most_low]
        seen.below += int(below)
        seen.at_low += int(np.count_nonzero(at_most_low) - below)
        if self._high > self._low:
            seen.at_high += int(np.count_nonzero(window == self._high))
        seen.inside += len(inside)
        self._kept += len(inside)
        if self._kept <= KEPT:
            seen.kept.append(inside)

    @property
    def sample(self) -> Floats:
        """Every n-th score of all."""
        return np.concatenate(self._sampled)

    def cuts(self, wanted: int) -> list[Cut] | None:
        """Return the cuts at the wanted rank, or None where the scan did not keep the score that has it."""
        value = self._value(wanted)
        if value is None:
            return None
        counted = [seen.cut(value, self._low, self._high) for seen in self._seen]
        left = wanted - sum(less for less, _ in counted)
        found: list[Cut] = []
        for less, equal in counted:
            ties = min(equal, left)
            left -= ties
            found.append(Cut(float(value), ties, less + ties))
        return found

    def _value(self, wanted: int) -> np.float32 | None:
        """Return the score of a rank, counted from 1, if it is an edge of the bracket or was kept.

        Where so many scores are no numbers that there is none, infinity is.
        """
        below, at_low, inside, at_high = self._sums()
        rank = wanted - below
        if 0 < rank <= at_low:
            return self._low
        if at_low + inside < rank and (rank <= at_low + inside + at_high or self._high == np.inf):
            return self._high
        if not at_low < rank <= at_low + inside or inside > KEPT:
            return None
        kept = np.concatenate([part for seen in self._seen for part in seen.kept])
        kept.partition(rank - at_low - 1)
        value: np.float32 = kept[rank - at_low - 1]
        return value

    def narrowed(self, span: _Span, wanted: int) -> _Span:
        """Return the part of a span that holds the wanted rank: what is below the bracket, in it, or above."""
        below, *within = self._sums()
        up_to = below + sum(within)
        if wanted <= below:
            return _Span(span.low, np.nextafter(self._low, np.float32(-1)), span.before, below - span.before)
        if wanted <= up_to:
            return _Span(self._low, self._high, below, sum(within))
        with np.errstate(over="ignore"):  # infinity is next to the largest float
            above = np.nextafter(self._high, np.float32(np.inf))
        return _Span(above, span.high, up_to, span.before + span.size - up_to)

    def _sums(self) -> tuple[int, int, int, int]:
        counted = np.array([(seen.below, seen.at_low, seen.inside, seen.at_high) for seen in self._seen])
        below, at_low, inside, at_high = (int(count) for count in counted.sum(axis=0))
        return below, at_low, inside, at_high
