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
from onnxprune.measure import Counts, Measure

ROUNDS = 6
"""Steps depend on the widths that they lead to: so often they are set anew, each time half way there."""

CLOSE = 0.01
"""Room below a bound, as a share of the dense model's, that is not worth looking for something closer."""

MAX_PASSED_OVER = 16

WORTH_OF_LOSS, WORTH_OF_RANK = 1.25, 3
"""What may be lost for coming close, as a multiple of what would be lost else: more of a saliency that only ranks."""

SLACK = 1e-9
"""What a sum of floats may be above a limit by rounding, as a share of it."""


@dataclass(frozen=True)
class Choice:
    """What a dim may become: widths [n], rising, the last its own; and the loss [n] at each."""

    widths: NDArray[np.int64]
    loss: NDArray[np.float64]

    def loss_at(self, width: int) -> float:
        """Return the loss at one of the widths."""
        return float(self.loss[np.searchsorted(self.widths, width)])


@dataclass(frozen=True)
class Bound:
    """A measure and what it may come to at most."""

    measure: Measure
    most: float

    def holds(self, value: float) -> bool:
        """Whether a value of the measure is within the bound."""
        return value <= self.most * (1 + SLACK)


@dataclass(frozen=True)
class Step:
    """A dim goes down to one of its widths: `price` is the loss for each part of the cost that this saves."""

    price: float
    dim: Dim
    width: int


def fit(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], by_cost: bool) -> dict[Dim, int]:
    """Return the width of every dim: within the bounds where that can be, or the narrowest.

    With `by_cost` a step is weighed by what it saves of the measures that are not yet within their bounds; without, by
    the number of units, which suits a saliency that is no loss. No dim could be one width wider within the bounds.
    """
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
    within = [counts for counts in found if _room(bounds, counts) >= 0]
    if not within:
        return found[-1]
    least = min(_loss(choices, counts) for counts in within)
    worth = WORTH_OF_LOSS if by_cost else WORTH_OF_RANK
    good = [counts for counts in within if _loss(choices, counts) <= worth * least]
    return min(good, key=lambda counts: (max(_room(bounds, counts), CLOSE), _loss(choices, counts)))


def _loss(choices: Mapping[Dim, Choice], counts: Counts) -> float:
    return sum(choices[dim].loss_at(width) for dim, width in counts.items())


def _closer(
    choices: Mapping[Dim, Choice], bounds: Sequence[Bound], dense: Counts, steps: list[Step]
) -> Iterator[dict[Dim, int]]:
    """Yield what the steps lead to, and while that leaves much room, what they do without the one that took too much.

    That is a step that saves much at once, such as a whole head: smaller ones are taken instead.
    """
    for _ in range(1 + MAX_PASSED_OVER):
        number = _fewest(dense, steps, bounds)
        counts = _widened(choices, bounds, _walked(dense, steps, number))
        yield counts
        if not number or _room(bounds, counts) <= CLOSE:
            break
        last = steps[number - 1].dim
        steps = [step for place, step in enumerate(steps) if place < number - 1 or step.dim != last]


def _room(bounds: Sequence[Bound], counts: Counts) -> float:
    """Return how far the measures are below all bounds, as a share of the dense model's; negative: one is broken."""
    return min(float((bound.most * (1 + SLACK) - bound.measure.at(counts)) / bound.measure.dense) for bound in bounds)


def _steps(choices: Mapping[Dim, Choice], broken: Sequence[Bound], base: Counts, by_cost: bool) -> Iterator[Step]:
    """Yield the steps of every dim from its own width down, with the other dims at their widths in `base`."""
    for dim, choice in choices.items():
        costs = choice.widths.astype(np.float64)
        if by_cost:
            curves = [bound.measure.curve(dim, choice.widths, base) / bound.measure.dense for bound in broken]
            costs = np.sum(curves, axis=0)
        yield from _corners(dim, choice, costs)


def _corners(dim: Dim, choice: Choice, costs: NDArray[np.float64]) -> Iterator[Step]:
    """Yield the steps along the lower convex hull of (cost saved, loss), which begins where nothing is saved."""
    saved, loss = costs[-1] - costs[::-1], choice.loss[::-1]
    corners = [0]
    for place in range(1, len(saved)):
        if saved[place] <= saved[corners[-1]]:
            continue  # narrower, and no cheaper
        while len(corners) > 1 and _slope(saved, loss, corners[-2], place) <= _slope(saved, loss, *corners[-2:]):
            corners.pop()
        corners.append(place)
    for before, place in itertools.pairwise(corners):
        yield Step(_slope(saved, loss, before, place), dim, int(choice.widths[::-1][place]))


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


def _widened(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], counts: dict[Dim, int]) -> dict[Dim, int]:
    """Give back what the last step took too much: one width at a time, the most loss regained for its cost first."""
    values = [bound.measure.at(counts) for bound in bounds]
    if not all(bound.holds(value) for bound, value in zip(bounds, values, strict=True)):
        return counts
    counts, open_dims = dict(counts), set(choices)
    while open_dims:
        gains = sorted(
            (gain for dim in open_dims if (gain := _gain(dim, choices[dim], bounds, counts)) is not None),
            key=lambda gain: -gain.worth,
        )
        open_dims = {gain.dim for gain in gains}
        for gain in gains:
            # Widening one dim makes others dearer: what was found before is found again before it is done.
            found = _gain(gain.dim, choices[gain.dim], bounds, counts)
            after = None if found is None else [value + more for value, more in zip(values, found.costs, strict=True)]
            if found is None or after is None or not all(map(Bound.holds, bounds, after)):
                open_dims.discard(gain.dim)
                continue
            counts[gain.dim], values = found.width, after
    return counts


@dataclass(frozen=True)
class Gain:
    """A dim becomes one width wider: what each bounded measure grows by, and the loss regained for that."""

    dim: Dim
    width: int
    costs: tuple[float, ...]
    worth: float


def _gain(dim: Dim, choice: Choice, bounds: Sequence[Bound], counts: Counts) -> Gain | None:
    """Return what one width more would mean for a dim, or None where it has all its units."""
    place = int(np.searchsorted(choice.widths, counts[dim]))
    if place + 1 >= len(choice.widths):
        return None
    curves = [bound.measure.curve(dim, choice.widths[place : place + 2], counts) for bound in bounds]
    costs = tuple(float(curve[1] - curve[0]) for curve in curves)
    share = sum(max(cost, 0.0) / bound.measure.dense for cost, bound in zip(costs, bounds, strict=True))
    regained = float(choice.loss[place] - choice.loss[place + 1])
    return Gain(dim, int(choice.widths[place + 1]), costs, regained / max(share, 1e-12))
