"""Settling a limit on latency: what was chosen by the table is measured, and chosen anew where the table was wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onnxprune.axes import Dim
from onnxprune.bench import Race
from onnxprune.errors import BudgetError
from onnxprune.latency.stopwatch import DENSE, PRUNED
from onnxprune.limits import Limit
from onnxprune.measure import Measure
from onnxprune.select import Reached, Selection

SETTLING = 3.0
"""Seconds that a choice is measured for."""

TRIES = 4
LOWEST = 0.01
"""The share of the latency below which none is asked for, if more than that could not be had already."""

SHORT, OVER = 0.003, 0.012
"""How much less, and more, than asked for may be removed of the latency before another choice is made."""


def settled(
    choose: Callable[[Sequence[Limit]], Selection],
    limits: Sequence[Limit],
    predicted: Measure,
    measure: Callable[[Selection], Race],
) -> Selection:
    """Choose within limits, one of them on latency, until what is measured is what was asked for.

    The next choice gets the prediction at which, by what was measured so far, the goal would be met. Returns the
    closest that keeps the limit, or the closest of all; its latency is the measured one. Raises `BudgetError` where
    the first choice does.
    """
    others = [limit for limit in limits if limit.measure != "latency"]
    wanted = [limit for limit in limits if limit.measure == "latency"]
    most = min(limit.within(predicted.dense) / predicted.dense for limit in wanted)
    tried, known, lowest = list[Selection](), [(1.0, 1.0)], LOWEST
    for _ in range(TRIES):
        try:
            chosen = choose([*others, Limit("latency", most, is_relative=True)])
        except BudgetError:
            if not tried:
                raise
            lowest, most = most, (most + min(known)[0]) / 2
            continue
        if not chosen.masks and not tried:
            return chosen
        if any(_widths(chosen) == _widths(one) for one in tried) or not chosen.masks:
            break  # there would be nothing new to measure
        race = measure(chosen)
        dense, ratio = race.contestants[DENSE].median_ms, race.ratio(PRUNED).value
        goal = min(limit.most if limit.is_relative else limit.most / dense for limit in wanted)
        found = next(limit for limit in chosen.limits if limit.measure == "latency")
        tried.append(_with_latency(chosen, Reached("latency", 1 - goal, 1 - ratio)))
        if -OVER <= ratio - goal <= SHORT:
            break
        known.append((1 - found.removed, ratio))
        most = _predicted(known, goal, lowest)
    kept = [one for one in tried if _excess(one) <= SHORT]
    return max(kept, key=_excess) if kept else min(tried, key=_excess)


def _predicted(known: Sequence[tuple[float, float]], goal: float, lowest: float) -> float:
    """Return what to predict so that `goal` is measured, by the (predicted, measured) so far; the first is the dense.

    That is where the line through the two that came closest has the goal; of the dense model, which says least of how
    far the table is off, it makes use only to go back towards it. Where there is no such line, or it falls, the last
    prediction is taken to be wrong by a factor. What leads out of the span that has the goal in it, or below `lowest`,
    is drawn into the middle.
    """
    first, second = [*sorted(known[1:], key=lambda point: abs(point[1] - goal)), known[0]][:2]
    goes_on = second is known[0] and goal < first[1]
    if goes_on or (second[0] - first[0]) * (second[1] - first[1]) <= 0:
        wanted = known[-1][0] * goal / known[-1][1]
    else:
        wanted = first[0] + (second[0] - first[0]) / (second[1] - first[1]) * (goal - first[1])
    low = max((predicted for predicted, measured in known if measured < goal), default=lowest)
    high = min((predicted for predicted, measured in known if measured >= goal), default=1.0)
    return wanted if low < wanted < high else (low + high) / 2


def _widths(chosen: Selection) -> dict[Dim, int]:
    return {dim: int(mask.sum()) for dim, mask in chosen.masks.items()}


def _excess(chosen: Selection) -> float:
    """Return how much more of the latency remains than was asked for."""
    found = next(limit for limit in chosen.limits if limit.measure == "latency")
    return found.requested - found.removed


def _with_latency(chosen: Selection, measured: Reached) -> Selection:
    limits = tuple(measured if limit.measure == "latency" else limit for limit in chosen.limits)
    return replace(chosen, limits=limits)
