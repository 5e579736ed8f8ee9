"""Settling: what a wrong table predicted is measured and chosen anew, until the goal is met or no try is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import race_of

from onnxprune.axes import Dim
from onnxprune.bench import Race
from onnxprune.cost import Term
from onnxprune.errors import BudgetError
from onnxprune.latency.settle import OVER, SHORT, TRIES, settled
from onnxprune.limits import Limit
from onnxprune.measure import Measure
from onnxprune.select import Reached, Selection

DIM = Dim(0, 1000)
PREDICTED = Measure([Term(1, (DIM,))])
"""The table says that a model takes as long as it has units."""

SMALLEST = 50


def half() -> list[Limit]:
    return [Limit("latency", 0.5, is_relative=True)]


def width(selection: Selection) -> int:
    return int(selection.masks[DIM].sum()) if selection.masks else DIM.size


def latency(selection: Selection) -> Reached:
    return next(limit for limit in selection.limits if limit.measure == "latency")


class World:
    """Choices by the table, and what models really take: `takes` is the share of the dense model's time by width."""

    def __init__(
        self, takes: Callable[[int], float], step: int = 1, best_effort: bool = False, dense_ms: float = 1000
    ) -> None:
        self.takes, self.step, self.best_effort, self.dense_ms = takes, step, best_effort, dense_ms
        self.asked: list[float] = []
        self.measured: list[int] = []

    def choose(self, limits: Sequence[Limit]) -> Selection:
        (limit,) = (limit for limit in limits if limit.measure == "latency")
        most = limit.within(PREDICTED.dense)
        self.asked.append(most / DIM.size)
        kept = min(max(int(most) // self.step * self.step, SMALLEST), DIM.size)
        if kept > most and not self.best_effort:
            raise BudgetError("cannot be had")
        masks = {DIM: np.arange(DIM.size) < kept} if kept < DIM.size else {}
        others = tuple(Reached(other.measure, 0.0, 0.0) for other in limits if other.measure != "latency")
        return Selection(masks, (*others, Reached("latency", 1 - most / DIM.size, 1 - kept / DIM.size)), {})

    def measure(self, selection: Selection) -> Race:
        self.measured.append(width(selection))
        return race_of(self.takes(width(selection)), dense_ms=self.dense_ms)

    def settled(self, limits: Sequence[Limit] | None = None) -> Selection:
        return settled(self.choose, half() if limits is None else limits, PREDICTED, self.measure)


def exact(kept: int) -> float:
    return kept / DIM.size


def test_where_the_table_is_right_one_choice_is_measured() -> None:
    world = World(exact)
    assert width(world.settled()) == 500
    assert world.measured == [500]


@pytest.mark.parametrize(
    "takes",
    [
        lambda kept: 1.3 * exact(kept),
        lambda kept: 0.6 * exact(kept),
        lambda kept: 0.2 + 0.8 * exact(kept),
        lambda kept: 1.2 * exact(kept) - 0.2,
        lambda kept: exact(kept) ** 1.5,
        lambda kept: exact(kept) ** 0.7,
    ],
    ids=["dear by a factor", "cheap by a factor", "an offset", "a negative offset", "convex", "concave"],
)
def test_a_table_that_is_wrong_in_a_smooth_way_is_set_right(takes: Callable[[int], float]) -> None:
    world = World(takes)
    reached = latency(world.settled())
    assert -SHORT <= reached.removed - reached.requested <= OVER
    assert len(world.measured) <= TRIES


@given(st.floats(0.3, 2), st.floats(0, 0.5), st.floats(0.2, 0.9))
def test_a_table_that_is_wrong_by_a_factor_and_an_offset_is_set_right_in_three_tries(
    factor: float, offset: float, goal: float
) -> None:
    world = World(lambda kept: offset + factor * exact(kept))
    if not any(abs(world.takes(kept) - goal) <= SHORT for kept in range(2 * SMALLEST, 900)):
        return
    reached = latency(world.settled([Limit("latency", goal, is_relative=True)]))
    assert -SHORT - 1e-9 <= reached.removed - reached.requested <= OVER
    assert len(world.measured) <= 3


def test_what_is_told_of_the_latency_is_what_was_measured() -> None:
    world = World(lambda kept: 0.2 + 0.8 * exact(kept))
    selection = world.settled()
    reached = latency(selection)
    assert reached.removed == pytest.approx(1 - world.takes(width(selection)))
    assert reached.requested == pytest.approx(0.5)


@given(st.integers(0, 999), st.floats(0.01, 0.2), st.floats(0.1, 0.9))
def test_noise_neither_keeps_it_going_nor_hides_the_best_that_was_seen(seed: int, noise: float, goal: float) -> None:
    rng = np.random.default_rng(seed)
    seen: dict[int, float] = {}

    def takes(kept: int) -> float:
        seen[kept] = max(0.01, exact(kept) + noise * float(rng.standard_normal()))
        return seen[kept]

    world = World(takes)
    selection = world.settled([Limit("latency", goal, is_relative=True)])
    assert 1 <= len(world.measured) <= TRIES
    ratio = seen[width(selection)]
    kept = [value for value in seen.values() if value <= goal + SHORT + 1e-9]
    assert ratio == (max(kept) if kept else min(seen.values()))


def test_where_no_choice_is_within_the_tolerance_the_closest_that_keeps_the_limit_is_taken() -> None:
    world = World(exact, step=150)
    assert width(world.settled()) == 450


def test_the_same_widths_are_not_measured_twice() -> None:
    world = World(lambda kept: 0.4 if kept < 550 else 0.8, step=275)
    world.settled()
    assert len(world.measured) == len(set(world.measured))


def test_a_goal_that_cannot_be_reached_is_the_error_of_the_first_choice() -> None:
    with pytest.raises(BudgetError, match="cannot be had"):
        World(exact).settled([Limit("latency", 0.01, is_relative=True)])


def test_a_goal_that_turns_out_to_be_out_of_reach_gives_the_closest_that_was_measured() -> None:
    world = World(lambda kept: max(0.6, exact(kept)))
    selection = world.settled()
    assert latency(selection).removed == pytest.approx(0.4)
    assert len(world.measured) <= TRIES


def test_with_best_effort_the_narrowest_is_measured_once() -> None:
    world = World(lambda kept: max(0.6, exact(kept)), best_effort=True)
    selection = world.settled([Limit("latency", 0.04, is_relative=True)])
    assert world.measured == [SMALLEST]
    assert width(selection) == SMALLEST


@pytest.mark.parametrize("slower", [1.05, 1.5])
def test_a_pruned_model_that_is_slower_leads_to_fewer_units_and_not_to_more(slower: float) -> None:
    world = World(lambda kept: slower if kept > 300 else 0.3)
    selection = world.settled()
    assert world.asked[1] < world.asked[0]
    assert width(selection) <= 500


def test_nothing_to_prune_is_nothing_to_measure() -> None:
    world = World(exact)
    selection = world.settled([Limit("latency", 2.0, is_relative=True)])
    assert selection.masks == {} and world.measured == []


def test_an_absolute_goal_is_a_share_of_what_the_dense_model_was_measured_to_take() -> None:
    # The table says that it takes 1000 ms, and 1250 are measured.
    world = World(exact, dense_ms=1250)
    reached = latency(world.settled([Limit("latency", 500)]))
    assert world.asked[0] == 0.5
    assert reached.requested == pytest.approx(0.6)
    assert reached.removed == pytest.approx(0.6, abs=OVER)


def test_of_two_goals_the_tighter_is_settled() -> None:
    limits = [Limit("latency", 0.7, is_relative=True), Limit("latency", 0.4, is_relative=True)]
    assert latency(World(exact).settled(limits)).removed == pytest.approx(0.6, abs=OVER)


def test_other_limits_are_handed_on_with_each_choice() -> None:
    world = World(lambda kept: 0.2 + 0.8 * exact(kept))
    given_to: list[list[Limit]] = []
    params = Limit("params", 0.5, is_relative=True)

    def choose(limits: Sequence[Limit]) -> Selection:
        given_to.append(list(limits))
        return world.choose(limits)

    selection = settled(choose, [params, *half()], PREDICTED, world.measure)
    assert len(given_to) > 1 and all(params in limits for limits in given_to)
    assert [limit.measure for limit in selection.limits] == ["params", "latency"]
