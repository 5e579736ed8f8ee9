"""How zeros have to lie together by a granularity, looked at in a weight as it is stored: for the check alone.

`granularity` marks them in matrices. The two share nothing, so that a mistake in one shows in the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.errors import UsageError
from onnxprune.multiplied import Multiplied
from onnxprune.sparsify.unchanged import broken

Mask = NDArray[np.bool_]
Spans = Mapping[int, int]
"""How many positions of an axis belong together, by the axis; one, where it is not named."""


@dataclass(frozen=True)
class Grouped:
    """Groups of `channels` input channels times `outs` outputs, of which at most `most` numbers are not zero.

    With `most` 0, a group is zero as a whole or may hold anything.
    """

    channels: int
    outs: int
    most: int

    @staticmethod
    def of(text: str) -> Grouped:
        """Read what `--granularity` names: element, N:M or block:RxC. Raises `UsageError`."""
        if text == "element":
            return Grouped(1, 1, 0)
        if found := re.fullmatch(r"([1-9]\d*):([1-9]\d*)", text):
            return Grouped(int(found[2]), 1, int(found[1]))
        if found := re.fullmatch(r"block:([1-9]\d*)x([1-9]\d*)", text):
            return Grouped(int(found[2]), int(found[1]), 0)
        raise UsageError(f"granularity '{text}': only element, N:M and block:RxC can be checked")

    def spans(self, name: str, use: Multiplied) -> Spans:
        """Return what belongs together in a weight as one node reads it. Raises `VerificationError`."""
        wanted = {"input channels": (use.inputs, self.channels), "outputs": (use.outs, self.outs)}
        spans: dict[int, int] = {}
        for what, (axis, length) in wanted.items():
            if axis is not None and length > 1:
                spans[axis] = length
            elif length > 1:
                raise broken(name, f"as node '{use.node}' reads it, its {what} are not along one axis of it")
        return spans

    def count(self, name: str, start: int, is_zero: Mask, new: Mask | None, spans: Spans) -> int:
        """Return how many zeros of some rows of a weight, from row `start` on, lie in groups as they have to.

        `new` tells which of them were not zero before, where that is known; none of those may lie elsewhere. Raises
        `VerificationError`.
        """
        if not spans:
            return int(np.count_nonzero(is_zero))
        zeros = _in_groups(name, is_zero, spans)
        if self.most:
            full = zeros < self.channels - self.most
            if full.any():
                place = _where(full, start, spans)
                raise broken(name, f"at [{place}] more than {self.most} of {self.channels} numbers are not zero")
            return int(np.count_nonzero(is_zero))
        whole = zeros == self.channels * self.outs
        if new is not None and (stray := (_in_groups(name, new, spans) > 0) & ~whole).any():
            place = _where(stray, start, spans)
            raise broken(name, f"at [{place}] some numbers became zero and others of the same block did not")
        return int(np.count_nonzero(whole)) * self.channels * self.outs


def _in_groups(name: str, marked: Mask, spans: Spans) -> NDArray[Any]:
    """Return how many numbers of each group are marked. It adds up slices: numpy is slow to sum over short axes."""
    shape, inner = _apart(name, marked.shape, spans)
    places = np.moveaxis(marked.reshape(shape), inner, range(len(inner)))
    count = np.zeros(places.shape[len(inner) :], np.min_scalar_type(prod(spans.values())))
    for place in np.ndindex(*places.shape[: len(inner)]):
        count += places[place]
    return count


def _apart(name: str, shape: tuple[int, ...], spans: Spans) -> tuple[list[int], tuple[int, ...]]:
    """Return a shape in which the positions of a group have axes of their own, and these axes."""
    apart: list[int] = []
    inner: list[int] = []
    for axis, length in enumerate(shape):
        span = spans.get(axis, 1)
        if length % span:
            raise broken(name, f"its axis {axis} is not a multiple of {span}")
        apart.append(length // span)
        if span > 1:
            inner.append(len(apart))
            apart.append(span)
    return apart, tuple(inner)


def _where(groups: Mask, start: int, spans: Spans) -> str:
    """Return the place of the first group that is marked, in terms of the stored weight."""
    first = [int(place) for place in np.argwhere(groups)[0]]
    lengths = [spans.get(axis, 1) for axis in range(len(first))]
    starts = [
        place * length + (0 if axis else start) for axis, (place, length) in enumerate(zip(first, lengths, strict=True))
    ]
    return ", ".join(
        f"{begin}:{begin + length}" if length > 1 else str(begin) for begin, length in zip(starts, lengths, strict=True)
    )
