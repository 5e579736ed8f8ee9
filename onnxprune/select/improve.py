"""Small changes to widths that keep the bounds: what was taken too much is given back, and dims exchange widths.

What goes along a queue of steps ends somewhere below the bounds, the more so the fewer dims there are and the more
their steps save at once. Widths are changed here one or two dims at a time, by the true cost at the other widths.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.measure import Counts
from onnxprune.select.choices import Bound, Choice, loss_of

MOVES = 32
"""So many exchanges at most, each of which looks at all pairs of dims: in a large model the last gain little."""

REACH = 2
"""So many widths, up or down, may a dim go in one exchange."""

TRIED = 8
"""So many exchanges, the best by what each of the two dims costs alone, are tried for what they cost together."""

WORTH_A_MOVE = 1e-9
"""What an exchange has to gain, as a share of the loss, lest rounding keeps it going."""


@dataclass(frozen=True)
class Change:
    """A dim gets another width: what each bounded measure grows by [bounds], and the loss, the others as they are."""

    dim: Dim
    width: int
    costs: NDArray[np.float64]
    loss: float


def widened(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], counts: Counts) -> dict[Dim, int]:
    """Give back what was taken too much: the most loss regained for its cost first, one width of a dim at a time.

    In the end no dim could have any larger width within the bounds. Counts that break a bound stay as they are.
    """
    before, after = dict[Dim, int](), dict(counts)
    if any(bound.room(counts) < 0 for bound in bounds):
        return after
    # A width that kernels take whole may cost less than a narrower one: then there is room once more.
    while after != before:
        before, after = after, _widened_once(choices, bounds, after)
    return after


def _widened_once(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], counts: Counts) -> dict[Dim, int]:
    """Widen each dim until there is no room for it."""
    counts, rooms = dict(counts), np.array([bound.room(counts) for bound in bounds])
    open_dims = list(choices)
    while open_dims:
        gains = [gain for dim in open_dims if (gain := _gain(dim, choices[dim], bounds, counts, rooms)) is not None]
        gains.sort(key=lambda gain: -_worth(gain, bounds))
        closed = set[Dim]()
        for gain in gains:
            # Widening one dim makes others dearer: what was found before is found again before it is done.
            found = _gain(gain.dim, choices[gain.dim], bounds, counts, rooms)
            if found is None:
                closed.add(gain.dim)
            else:
                counts[found.dim], rooms = found.width, rooms - found.costs
        open_dims = [gain.dim for gain in gains if gain.dim not in closed]
    return counts


def _gain(
    dim: Dim, choice: Choice, bounds: Sequence[Bound], counts: Counts, rooms: NDArray[np.float64]
) -> Change | None:
    """Return the next larger width of a dim that there is room for, or None."""
    place = choice.place(counts[dim])
    costs = _costs(dim, choice.widths[place:], bounds, counts)
    fitting = np.flatnonzero(np.all(costs[1:] <= rooms, axis=1)) + 1
    if not len(fitting):
        return None
    ahead = int(fitting[0])
    return _change(dim, choice, place, place + ahead, costs[ahead])


def _costs(
    dim: Dim, widths: NDArray[np.int64], bounds: Sequence[Bound], counts: Counts, here: int = 0
) -> NDArray[np.float64]:
    """Return what each bounded measure grows by from one width of a dim to the others: shape [widths, bounds]."""
    curves = [bound.measure.curve(dim, widths, counts) for bound in bounds]
    return np.stack([curve - curve[here] for curve in curves], axis=1)


def _change(dim: Dim, choice: Choice, place: int, other: int, costs: NDArray[np.float64]) -> Change:
    return Change(dim, int(choice.widths[other]), costs, float(choice.loss[other] - choice.loss[place]))


def _worth(gain: Change, bounds: Sequence[Bound]) -> float:
    """Return the loss regained for each part of the dense model's cost."""
    dense = np.array([bound.measure.dense for bound in bounds])
    return -gain.loss / max(float(np.sum(np.maximum(gain.costs, 0) / dense)), 1e-12)


def exchanged(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], counts: Counts) -> dict[Dim, int]:
    """Let one dim become narrower and another wider for it wherever less is lost then, and the bounds are kept."""
    counts = dict(counts)
    for _ in range(MOVES):
        better = _exchange(choices, bounds, counts)
        if better is None:
            break
        counts = widened(choices, bounds, better)
    return counts


def _exchange(choices: Mapping[Dim, Choice], bounds: Sequence[Bound], counts: Counts) -> dict[Dim, int] | None:
    """Return the counts after the exchange that gains most, or None where none gains."""
    wider, narrower = list[Change](), list[Change]()
    for dim, choice in choices.items():
        place = choice.place(counts[dim])
        first = max(place - REACH, 0)
        costs = _costs(dim, choice.widths[first : place + REACH + 1], bounds, counts, here=place - first)
        changes = [_change(dim, choice, place, first + n, cost) for n, cost in enumerate(costs)]
        narrower += changes[: place - first]
        wider += changes[place - first + 1 :]
    if not wider or not narrower:
        return None
    rooms = [bound.room(counts) for bound in bounds]
    gains = np.add.outer([up.loss for up in wider], [down.loss for down in narrower])
    costs = np.array([up.costs for up in wider])[:, None] + np.array([down.costs for down in narrower])
    open_pairs = np.all(costs <= rooms, axis=-1) & (gains < -WORTH_A_MOVE * loss_of(choices, counts))
    pairs = np.argwhere(open_pairs)[np.argsort(gains[open_pairs], kind="stable")[:TRIED]]
    for up, down in ((wider[first], narrower[second]) for first, second in pairs):
        after = {**counts, down.dim: down.width, up.dim: up.width}
        if up.dim != down.dim and all(bound.room(after) >= 0 for bound in bounds):
            return after
    return None
