"""Settling a limit on latency: what was chosen by the table is measured, and chosen anew where the table was wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from onnxprune.bench import Race
from onnxprune.latency.stopwatch import DENSE, PRUNED
from onnxprune.limits import Limit
from onnxprune.measure import Measure
from onnxprune.select import Reached, Selection

SETTLING = 3.0
"""Seconds that a choice is measured for."""

TRIES = 4
SHORT, OVER = 0.003, 0.012
"""How much less, and more, than asked for may be removed of the latency before another choice is made."""


def settled(
    choose: Callable[[Sequence[Limit]], Selection],
    limits: Sequence[Limit],
    predicted: Measure,
    measure: Callable[[Selection], Race],
) -> Selection:
    """Choose within limits, one of them on latency, until what is measured is what was asked for.

    The next choice gets the prediction at which the measured shares so far, and the dense model, would have the goal
    between them. Returns the closest that keeps the limit, or the closest of all; its latency is the measured one.
    Raises what `choose` does.
    """
    others = [limit for limit in limits if limit.measure != "latency"]
    wanted = [limit for limit in limits if limit.measure == "latency"]
    most = min(limit.within(predicted.dense) / predicted.dense for limit in wanted)
    tried, known = list[Selection](), [(1.0, 1.0)]
    for _ in range(TRIES):
        chosen = choose([*others, Limit("latency", most, is_relative=True)])
        if not chosen.masks:
            return chosen
        race = measure(chosen)
        dense, ratio = race.contestants[DENSE].median_ms, race.ratio(PRUNED).value
        goal = min(limit.most if limit.is_relative else limit.most / dense for limit in wanted)
        found = next(limit for limit in chosen.limits if limit.measure == "latency")
        tried.append(_with_latency(chosen, Reached("latency", 1 - goal, 1 - ratio)))
        if -OVER <= ratio - goal <= SHORT:
            break
        known.append((1 - found.removed, ratio))
        most = _predicted(known, goal)
    kept = [one for one in tried if _excess(one) <= SHORT]
    return max(kept, key=_excess) if kept else min(tried, key=_excess)


def _predicted(known: Sequence[tuple[float, float]], goal: float) -> float:
    """Return what to predict so that `goal` is measured: on the line through the (predicted, measured) around it."""
    above = min((point for point in known if point[1] >= goal), key=lambda point: point[1], default=None)
    below = max((point for point in known if point[1] < goal), key=lambda point: point[1], default=None)
    first, second = (above, below) if above and below else sorted(known, key=lambda point: abs(point[1] - goal))[:2]
    if first[1] == second[1]:
        return first[0]
    slope = (second[0] - first[0]) / (second[1] - first[1])
    return min(max(first[0] + slope * (goal - first[1]), 0.01), 1.0)


def _excess(chosen: Selection) -> float:
    """Return how much more of the latency remains than was asked for."""
    found = next(limit for limit in chosen.limits if limit.measure == "latency")
    return found.requested - found.removed


def _with_latency(chosen: Selection, measured: Reached) -> Selection:
    limits = tuple(measured if limit.measure == "latency" else limit for limit in chosen.limits)
    return replace(chosen, limits=limits)
