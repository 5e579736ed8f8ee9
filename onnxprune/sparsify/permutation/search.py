"""The search for an order of units in which an N:M pattern keeps the highest scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]
Order = NDArray[np.int64]
Columns = NDArray[np.float32]

TURNS = 5
"""How often the units are grouped, or shaken, anew. Deterministic, so that the same seed gives the same order."""

GROUP = 128
"""Units among which swaps are sought at once: the work grows with the units times this."""

SHAKEN = 0.1
"""The share of units that change places where a single group holds all of them."""

EPSILON = 1e-5
"""Gains below this share of what a column keeps may be rounding."""


def kept(scores: Scores, n: int, m: int) -> float:
    """Return the sum of the `n` highest scores of every `m` consecutive columns, of [rows, columns]."""
    by_stripe = scores.reshape(len(scores), -1, m)
    return float(np.partition(by_stripe, m - n, axis=2)[:, :, m - n :].sum(dtype=np.float64))


def find_order(
    scores: Scores, n: int, m: int, seed: int = 0, on_progress: Callable[[float], None] = lambda share: None
) -> Order:
    """Return the order of columns in which an n:m pattern keeps more: int64 [columns], column `order[p]` at position p.

    `scores` are non-negative, [rows, columns], columns a multiple of `m`. Stripes of a turn are put into groups at
    random, and pairs of columns swap places within a group as long as that gains anything; where one group holds all,
    some columns change places at random first, and what has come out worse is dropped. The columns of a stripe stand
    in their old order, and so do the stripes. Where nothing is gained the order is the identity.
    """
    size, rng = scores.shape[1], np.random.default_rng(seed)
    columns = np.ascontiguousarray((scores / (scores.max(initial=0.0) or 1.0)).T, np.float32)
    groups = -(-size // max(GROUP, 2 * m))
    best = np.arange(size)
    reached = kept(columns.T, n, m)
    for turn in range(TURNS):
        start = _shaken(best, rng) if turn and groups == 1 else best
        stripes = np.array_split(rng.permutation(size // m), groups)
        found = _swapped(columns, start, n, m, stripes)
        total = kept(columns[found].T, n, m)
        if total > reached:
            best, reached = found, total
        on_progress((turn + 1) / TURNS)
    best = _tidy(best, m)
    return best if kept(scores[:, best], n, m) > kept(scores, n, m) else np.arange(size)


def _shaken(order: Order, rng: np.random.Generator) -> Order:
    """Return an order in which some units, drawn at random, have changed places in a ring."""
    moved = rng.choice(order.size, max(2, round(order.size * SHAKEN)), replace=False)
    shaken: Order = order.copy()
    shaken[moved] = order[np.roll(moved, 1)]
    return shaken


def _swapped(columns: Columns, order: Order, n: int, m: int, groups: list[NDArray[np.int64]]) -> Order:
    """Return an order that is better, by swaps among the units of groups of stripes."""
    order = order.copy()
    for stripes in groups:
        places = (stripes[:, None] * m + np.arange(m)).ravel()
        order[places] = _Swaps(columns[order[places]], order[places], n, m).settled()
    return order


def _tidy(order: Order, m: int) -> Order:
    """Return the same stripes, by their first unit, with their units in their old order."""
    by_stripe = np.sort(order.reshape(-1, m), axis=1)
    return by_stripe[np.argsort(by_stripe[:, 0])].ravel()


class _Swaps:
    """Columns in stripes of M, and what it would gain to swap any two of them.

    With column x in the place of column j, a row of the stripe of j keeps max(x, t) and what does not depend on x,
    where t is the N-th highest of the other M - 1. So `kept[j, x]`, the sum of max(x, t) over rows, says all about x in
    the place of j, and a swap of j and x gains kept[j, x] + kept[x, j] - kept[j, j] - kept[x, x].
    """

    def __init__(self, columns: Columns, order: Order, n: int, m: int) -> None:
        self.columns, self.order = columns, order
        self.n, self.m = n, m
        self.stripes = len(order) // m
        self.kept = np.empty((len(order), len(order)), np.float32)
        self._update(np.arange(self.stripes))
        self.least = EPSILON * float(self.kept.max(initial=0.0))

    def settled(self) -> Order:
        """Swap until nothing is gained, at most as often as there are columns, and return the order."""
        for _ in range(self.order.size):
            here, there = self._best_swaps()
            if not here:
                break
            places, others = [*here, *there], [*there, *here]
            self.columns[places], self.order[places] = self.columns[others], self.order[others]
            self.kept[:, places] = self.kept[:, others]
            self._update(np.array(places) // self.m)
        return self.order

    def _update(self, stripes: NDArray[np.int64]) -> None:
        """Work out `kept` for the places of stripes that have changed."""
        values = self.columns.reshape(self.stripes, self.m, -1)[stripes]
        lowest = self.m - self.n
        ranked = np.partition(values, (lowest - 1, lowest), axis=1)
        last_in, first_out = ranked[:, lowest, None], ranked[:, lowest - 1, None]
        thresholds = np.where(values >= last_in, first_out, last_in).reshape(stripes.size * self.m, -1)
        places = (stripes[:, None] * self.m + np.arange(self.m)).ravel()
        larger = np.empty_like(self.columns)
        for place, threshold in zip(places, thresholds, strict=True):
            self.kept[place] = np.maximum(self.columns, threshold, out=larger).sum(axis=1)

    def _best_swaps(self) -> tuple[list[int], list[int]]:
        """Return pairs of places whose swaps gain most, the best first, at most one pair for each stripe."""
        own = self.kept.diagonal()
        gains = self.kept + self.kept.T - own - own[:, None]
        by_pair = gains.reshape(self.stripes, self.m, self.stripes, self.m).swapaxes(1, 2)
        by_pair = by_pair.reshape(self.stripes, self.stripes, -1)
        which = by_pair.argmax(axis=2)
        best = by_pair.max(axis=2)
        np.fill_diagonal(best, 0)
        here: list[int] = []
        there: list[int] = []
        for _ in range(self.stripes // 2):
            one, other = np.unravel_index(best.argmax(), best.shape)
            if best[one, other] <= self.least:
                break
            first, second = divmod(int(which[one, other]), self.m)
            here.append(int(one) * self.m + first)
            there.append(int(other) * self.m + second)
            best[[one, other]] = best[:, [one, other]] = 0
        return here, there
