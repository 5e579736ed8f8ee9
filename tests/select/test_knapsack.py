"""The knapsack against all combinations of widths: within the bounds where that can be, and close to the least loss."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import RISING, Cost, Jagged, Problem, additive, jagged, problem, problems

from onnxprune.axes import Dim
from onnxprune.cost import Term
from onnxprune.measure import Measure
from onnxprune.select.choices import Bound, Choice
from onnxprune.select.improve import exchanged, widened
from onnxprune.select.knapsack import fit

WORST, OFTEN, USUALLY = 2.0, 1.1, 0.95
"""The loss is at most so many times the least there is; and in such a share of cases at most so many times."""


def solved(given_problem: Problem, by_cost: bool = True) -> dict[Dim, int]:
    return fit(given_problem.choices, given_problem.bounds, by_cost)


@settings(deadline=None, max_examples=150)
@given(problems((*RISING, jagged)), st.booleans())
def test_the_bounds_hold_wherever_any_widths_keep_them(made_up: Problem, by_cost: bool) -> None:
    assert made_up.is_within(solved(made_up, by_cost)) == (made_up.optimum() is not None)


@settings(deadline=None, max_examples=150)
@given(problems((*RISING, jagged)), st.booleans())
def test_no_dim_could_be_any_wider_within_the_bounds(made_up: Problem, by_cost: bool) -> None:
    counts = solved(made_up, by_cost)
    if made_up.is_within(counts):
        for dim, choice in made_up.choices.items():
            wider = choice.widths[choice.widths > counts[dim]]
            assert not any(made_up.is_within({**counts, dim: int(width)}) for width in wider)


@settings(deadline=None, max_examples=100)
@given(problems())
def test_the_loss_is_never_far_from_the_least(made_up: Problem) -> None:
    least = made_up.optimum()
    assert least is None or made_up.loss(solved(made_up)) <= WORST * least + 1e-9


def test_the_loss_is_nearly_always_close_to_the_least() -> None:
    shares = np.random.default_rng(0).uniform(0.1, 0.9, 200)
    costs: list[list[Cost]] = [[cost] for cost in RISING] + [[first, additive] for first in RISING]
    ratios = []
    for seed, (share, cost) in enumerate(zip(shares, itertools.cycle(costs), strict=False)):
        made_up = problem(seed, cost, share)
        least = made_up.optimum()
        assert least is not None
        ratios.append(made_up.loss(solved(made_up)) / least if least else 1.0)
    assert np.mean(np.array(ratios) <= OFTEN) >= USUALLY


@settings(deadline=None, max_examples=60)
@given(problems((jagged,), most=1), st.booleans())
def test_a_width_that_costs_more_than_a_wider_one_is_never_chosen(made_up: Problem, by_cost: bool) -> None:
    (bound,) = made_up.bounds
    counts = solved(made_up, by_cost)
    for dim, choice in made_up.choices.items():
        curve = bound.measure.curve(dim, choice.widths, counts)[choice.widths >= counts[dim]]
        assert curve[0] == curve.min()


def test_widths_that_kernels_do_not_take_whole_are_left_out() -> None:
    dim = Dim(0, 16)
    choice = Choice(np.arange(1, 17), np.arange(15.0, -1, -1))
    bound = Bound(Measure([Jagged(1.0, dim, 4)]), 13.0)
    assert fit({dim: choice}, [bound], by_cost=True) == fit({dim: choice}, [bound], by_cost=False) == {dim: 12}


@settings(deadline=None, max_examples=30)
@given(problems((*RISING, jagged)), st.booleans())
def test_the_same_problem_has_the_same_answer(made_up: Problem, by_cost: bool) -> None:
    assert list(solved(made_up, by_cost).items()) == list(solved(made_up, by_cost).items())


@settings(deadline=None, max_examples=50)
@given(problems(most=1), st.booleans())
def test_what_cannot_be_kept_is_approached_as_far_as_can_be(made_up: Problem, by_cost: bool) -> None:
    (bound,) = made_up.bounds
    narrowest = {dim: int(choice.widths[0]) for dim, choice in made_up.choices.items()}
    least = bound.measure.at(narrowest)
    counts = fit(made_up.choices, [Bound(bound.measure, least * 0.9)], by_cost)
    assert bound.measure.at(counts) == least


def test_what_is_within_the_bounds_stays_whole() -> None:
    made_up = problem(0, [additive], share=1.0)
    assert solved(made_up) == {dim: dim.size for dim in made_up.choices}


def test_no_dims_have_no_widths() -> None:
    assert fit({}, [Bound(Measure([], fixed=10), 5)], by_cost=True) == {}


@pytest.mark.parametrize("by_cost", [True, False])
def test_a_measure_that_the_model_has_none_of_bounds_nothing(by_cost: bool) -> None:
    made_up = problem(0, [additive])
    nothing = Bound(Measure([]), 0.0)
    assert fit(made_up.choices, [*made_up.bounds, nothing], by_cost) == solved(made_up, by_cost)


def test_at_equal_loss_the_dim_goes_that_saves_more() -> None:
    cheap, dear = Dim(0, 8), Dim(1, 8)
    choice = Choice(np.arange(1, 9), np.arange(7.0, -1, -1))
    bound = Bound(Measure([Term(1, (cheap,)), Term(10, (dear,))]), 48)
    assert fit({cheap: choice, dear: choice}, [bound], by_cost=True) == {cheap: 8, dear: 4}


def test_a_saliency_that_is_no_loss_is_weighed_by_units_alone() -> None:
    cheap, dear = Dim(0, 8), Dim(1, 8)
    low, high = (Choice(np.arange(1, 9), scale * np.arange(7.0, -1, -1)) for scale in (1.0, 2.0))
    bound = Bound(Measure([Term(1, (cheap,)), Term(10, (dear,))]), 83)
    assert fit({cheap: low, dear: high}, [bound], by_cost=False) == {cheap: 3, dear: 8}
    assert fit({cheap: low, dear: high}, [bound], by_cost=True) == {cheap: 8, dear: 7}


def test_a_step_that_takes_too_much_is_passed_over_for_smaller_ones() -> None:
    heads, hidden = Dim(0, 3), Dim(1, 48)
    choices = {
        heads: Choice(np.arange(1, 4), np.array([20.0, 10.0, 0.0])),
        hidden: Choice(np.arange(1, 49), np.arange(47.0, -1, -1)),
    }
    bound = Bound(Measure([Term(16, (heads,)), Term(1, (hidden,))]), 86)
    assert fit(choices, [bound], by_cost=True) == {heads: 3, hidden: 38}


@settings(deadline=None, max_examples=50)
@given(problems())
def test_dead_units_go_at_no_loss(made_up: Problem) -> None:
    free = {dim: Choice(choice.widths, np.zeros(len(choice.widths))) for dim, choice in made_up.choices.items()}
    counts = fit(free, made_up.bounds, by_cost=True)
    assert made_up.is_within(counts)


def test_units_of_infinite_worth_stay_while_others_can_go() -> None:
    dead, vital = Dim(0, 8), Dim(1, 8)
    choices = {
        dead: Choice(np.arange(1, 9), np.arange(7.0, -1, -1)),
        vital: Choice(np.arange(1, 9), 1e30 * np.arange(7.0, -1, -1)),
    }
    bound = Bound(Measure([Term(1, (dead,)), Term(100, (vital,))]), 803)
    assert fit(choices, [bound], by_cost=True) == {dead: 3, vital: 8}


@settings(deadline=None, max_examples=50)
@given(problems())
def test_an_exchange_never_loses_more_and_keeps_the_bounds(made_up: Problem) -> None:
    narrowest = {dim: int(choice.widths[0]) for dim, choice in made_up.choices.items()}
    start = widened(made_up.choices, made_up.bounds, narrowest)
    after = exchanged(made_up.choices, made_up.bounds, start)
    assert made_up.loss(after) <= made_up.loss(start)
    assert made_up.is_within(after)


def test_an_exchange_finds_what_one_dim_alone_cannot() -> None:
    first, second = Dim(0, 2), Dim(1, 2)
    choices = {
        first: Choice(np.array([1, 2]), np.array([1.0, 0.0])),
        second: Choice(np.array([1, 2]), np.array([5.0, 0.0])),
    }
    bounds = [Bound(Measure([Term(10, (first,)), Term(10, (second,))]), 30)]
    start = {first: 2, second: 1}
    assert widened(choices, bounds, start) == start
    assert exchanged(choices, bounds, start) == {first: 1, second: 2}


def test_counts_that_break_a_bound_are_not_widened() -> None:
    dim = Dim(0, 4)
    choice = Choice(np.arange(1, 5), np.arange(3.0, -1, -1))
    assert widened({dim: choice}, [Bound(Measure([Term(1, (dim,))]), 1)], {dim: 2}) == {dim: 2}
