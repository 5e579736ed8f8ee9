"""The knapsack: the widths that keep all limits at the least loss.

Every dim offers some widths, each with a loss and a cost; one is to be chosen for each dim. For costs that add up over
the dims, all that a Lagrange multiplier can find are the corners of the lower convex hull of each dim's (cost saved,
loss) points, and they are found in the order of loss for each part of the cost that a step saves: a multiple-choice
knapsack (Sinha and Zoltners, 1979; HALP, Shen et al., 2022, and ZipLM, Kurtic et al., 2023, prune by it). The costs of
a network do not add up, since a layer costs what its two widths cost together: so the steps are counted off with the
true cost, and set anew at the widths that they lead to.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.measure import Counts
from onnxprune.select.choices import Bound, Choice, loss_of, room_of
from onnxprune.select.improve import exchanged, widened

ROUNDS = 6
"""Steps depend on the widths that they lead to: so often they are set anew, each time half way there."""

CLOSE = 0.01
"""Room below a bound, as a share of the dense model's, that is not worth looking for something closer."""

MAX_PASSED_OVER = 16

WORTH_OF_LOSS, WORTH_OF_RANK = 1.05, 3
"""What may be lost for coming close, as a multiple of what would be lost else: more of a saliency that only ranks."""


@dataclass(frozen=True)
class Step:
    """A dim goes down to one of its widths: `price` is the loss for each part of the cost that this saves."""

    price: float
    dim: Dim
    width: int


def fit(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], by_cost: bool) -> dict[Dim, int]:
    """Return the width of every dim: within the bounds where that can be, or as close to them as was found.

    With `by_cost` a step is weighed by what it saves of the measures that are not yet within their bounds; without, by
    the number of units, which suits a saliency that is no loss. No dim could be any wider within the bounds.
    """
    bounds = [bound for bound in bounds if bound.measure.dense]
    broken = [bound for bound in bounds if not bound.holds(bound.measure.dense)]
    dense = {dim: dim.size for dim in choices}
    if not broken:
        return dense
    base, found = dense, list[dict[Dim, int]]()
    for _ in range(ROUNDS if by_cost else 1):
        steps = sorted(_steps(choices, broken, base, by_cost), key=lambda step: step.price)
        counts = _walked(dense, steps, _fewest(dense, steps, bounds))
        found += _closer(choices, bounds, dense, steps)
        base = {dim: max(round(float(np.sqrt(base[dim] * counts[dim]))), 1) for dim in choices}
    within = [counts for counts in found if room_of(bounds, counts) >= 0]
    if not within:
        return max(found, key=lambda counts: room_of(bounds, counts))
    chosen = _best(choices, bounds, within, WORTH_OF_LOSS if by_cost else WORTH_OF_RANK)
    return exchanged(choices, bounds, chosen) if by_cost else chosen


def _best(
    choices: Mapping[Dim, Choice], bounds: Sequence[Bound], within: Sequence[dict[Dim, int]], worth: float
) -> dict[Dim, int]:
    """Return the closest to the bounds of those that lose little more than the one that loses least."""
    least = min(loss_of(choices, counts) for counts in within)
    good = [counts for counts in within if loss_of(choices, counts) <= worth * least]
    return min(good, key=lambda counts: (max(room_of(bounds, counts), CLOSE), loss_of(choices, counts)))


def _closer(
    choices: Mapping[Dim, Choice], bounds: Sequence[Bound], dense: Counts, steps: list[Step]
) -> Iterator[dict[Dim, int]]:
    """Yield what the steps lead to, and while that leaves much room, what they do without the one that took too much.

    That is a step that saves much at once, such as a whole head: smaller ones are taken instead.
    """
    for _ in range(1 + MAX_PASSED_OVER):
        number = _fewest(dense, steps, bounds)
        counts = widened(choices, bounds, _walked(dense, steps, number))
        yield counts
        if not number or room_of(bounds, counts) <= CLOSE:
            break
        last = steps[number - 1].dim
        steps = [step for place, step in enumerate(steps) if place < number - 1 or step.dim != last]


def _steps(choices: Mapping[Dim, Choice], broken: Sequence[Bound], base: Counts, by_cost: bool) -> Iterator[Step]:
    """Yield the steps of every dim from its own width down, with the other dims at their widths in `base`."""
    for dim, choice in choices.items():
        curves = [bound.measure.curve(dim, choice.widths, base) / bound.measure.dense for bound in broken]
        costs = np.sum(curves, axis=0)[::-1]
        # What is no cheaper than all that is wider is never worth its loss.
        cheaper = np.flatnonzero(costs < np.minimum.accumulate(np.append(np.inf, costs[:-1])))
        widths, loss = choice.widths[::-1][cheaper], choice.loss[::-1][cheaper]
        saved = costs[0] - costs[cheaper] if by_cost else (widths[0] - widths).astype(np.float64)
        yield from _corners(dim, widths, saved, loss)


def _corners(
    dim: Dim, widths: NDArray[np.int64], saved: NDArray[np.float64], loss: NDArray[np.float64]
) -> Iterator[Step]:
    """Yield the steps along the lower convex hull of (saved, loss) [n], which begins where nothing is saved."""
    corners = [0]
    for place in range(1, len(saved)):
        while len(corners) > 1 and _slope(saved, loss, corners[-2], place) <= _slope(saved, loss, *corners[-2:]):
            corners.pop()
        corners.append(place)
    for before, place in itertools.pairwise(corners):
        yield Step(_slope(saved, loss, before, place), dim, int(widths[place]))


def _slope(saved: NDArray[np.float64], loss: NDArray[np.float64], first: int, second: int) -> float:
    return float((loss[second] - loss[first]) / (saved[second] - saved[first]))


def _walked(dense: Counts, steps: Sequence[Step], number: int) -> dict[Dim, int]:
    return {**dense, **{step.dim: step.width for step in steps[:number]}}


def _fewest(dense: Counts, steps: Sequence[Step], bounds: Sequence[Bound]) -> int:
    """Return the smallest number of steps after which all bounds hold, or all of them: costs fall along the steps."""
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        counts = _walked(dense, steps, middle)
        if all(bound.holds(bound.measure.at(counts)) for bound in bounds):
            high = middle
        else:
            low = middle + 1
    return low
