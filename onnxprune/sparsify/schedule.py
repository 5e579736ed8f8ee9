"""Schedules: how many weights, or blocks, become zero in each weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.sparsify.threshold import Cut, Ranked, cuts
from onnxprune.sparsify.weights import Weight

Array = NDArray[Any]
OnProgress = Callable[[float], None]


def by_ranking(ranked: Sequence[Ranked], wanted: int, most: float, on_progress: OnProgress) -> list[Cut]:
    """Rank everything together: exactly `wanted` go. No weight loses more than the share `most` of its numbers.

    What a weight at its limit does not lose, the others do; where all are at their limits fewer go.
    """
    limits = [int(most * one.size) for one in ranked]
    found: dict[int, Cut] = {}
    while open_ := [place for place in range(len(ranked)) if place not in found]:
        left = min(wanted - sum(cut.zeros for cut in found.values()), sum(ranked[place].size for place in open_))
        ranking = dict(zip(open_, cuts([ranked[place] for place in open_], left, on_progress), strict=True))
        over = [place for place, cut in ranking.items() if cut.zeros > limits[place]]
        found.update({place: cuts([ranked[place]], limits[place])[0] for place in over})
        if not over:
            found.update(ranking)
    return [found[place] for place in range(len(ranked))]


def evenly(ranked: Sequence[Ranked], wanted: int, most: float) -> list[Cut]:
    """Take the same share of each weight; exactly `wanted` go."""
    sizes = np.array([one.size for one in ranked], float)
    return each(ranked, _whole_numbers(sizes * min(wanted / sizes.sum(), most), min(wanted, int(most * sizes.sum()))))


def by_fan(weights: Sequence[Weight], ranked: Sequence[Ranked], wanted: int, most: float) -> list[Cut]:
    """Take less of weights that are small for their axes: Erdos-Renyi-Kernel (ERK) rates; exactly `wanted` go.

    Evci et al., "Rigging the Lottery" (RigL), 2020, section 3 (1): the share that stays of a weight is proportional to
    the sum of its axes over their product, and at most 1.
    """
    sizes = np.array([one.size for one in ranked], float)
    fans = np.array([sum(weight.shape) / weight.size for weight in weights])
    least = 1 - most
    density = _filled(fans, sizes, sizes.sum() - wanted, least)
    return each(ranked, _whole_numbers(sizes * (1 - density), wanted))


def _filled(fans: Array, sizes: Array, kept: float, least: float) -> Array:
    """Return densities proportional to `fans`, from `least` to 1, that keep so many numbers."""
    low, high = 0.0, 1.0 / fans.min()
    for _ in range(100):
        scale = (low + high) / 2
        low, high = (scale, high) if np.clip(scale * fans, least, 1) @ sizes < kept else (low, scale)
    return np.asarray(np.clip(high * fans, least, 1))


def _whole_numbers(shares: Array, total: int) -> list[int]:
    """Round so that the sum is `total`: what has the largest rests is rounded up."""
    down = np.floor(shares + 1e-6).astype(np.int64)
    rests = np.argsort(down - shares, kind="stable")
    down[rests[: max(0, total - int(down.sum()))]] += 1
    return [int(count) for count in down]


def each(ranked: Sequence[Ranked], zeros: Sequence[int]) -> list[Cut]:
    """Take so many of each weight, whatever their scores are beside those of the others."""
    return [cuts([one], count)[0] for one, count in zip(ranked, zeros, strict=True)]
