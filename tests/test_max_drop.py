"""Searching for the largest amount whose drop is within a limit, over made-up curves of the drop."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from onnxprune.errors import BudgetError, UsageError, VerificationError
from onnxprune.max_drop import MAX_TRIES, TOLERANCE, Step, Tried, find_amount

Curve = Callable[[float], float]


def pruning(curve: Curve, most: float = 1.0) -> Callable[[float], Tried[str]]:
    """A try whose drop is that of the curve and that cannot remove more than `most`."""

    def try_amount(amount: float) -> Tried[str]:
        if amount > most:
            raise BudgetError(f"reached {most:.0%}")
        return Tried(f"pruned by {amount}", curve(amount))

    return try_amount


def bump(amount: float) -> float:
    """Within 0.1 up to 0.6, but for a bump from 0.35 to 0.45."""
    return 0.2 if 0.35 < amount < 0.45 else amount / 6


@pytest.mark.parametrize("largest", [0.02, 0.111, 0.5, 0.63, 0.98])
def test_on_a_rising_curve_the_largest_amount_is_found_to_the_tolerance(largest: float) -> None:
    found = find_amount(pruning(lambda amount: amount**2), largest**2)
    assert largest - TOLERANCE <= found.amount <= largest


def test_what_is_returned_is_what_came_of_the_amount() -> None:
    found = find_amount(pruning(lambda amount: amount / 10), 0.04)
    assert found.result == f"pruned by {found.amount}" and found.drop == found.amount / 10


def test_a_drop_that_equals_the_limit_is_within_it() -> None:
    assert find_amount(pruning(lambda amount: 0.25 if amount <= 0.5 else 1.0), 0.25).amount == 0.5


def test_a_model_that_only_gets_better_is_pruned_to_the_end() -> None:
    assert find_amount(pruning(lambda amount: -amount), 0.0).amount > 1 - TOLERANCE


@pytest.mark.parametrize("curve", [bump, math.sqrt, lambda amount: 0.5 + 0.5 * math.sin(40 * amount)])
def test_whatever_the_curve_the_result_is_the_largest_amount_within_the_limit_of_all_tried(curve: Curve) -> None:
    found = find_amount(pruning(curve), 0.1)
    assert curve(found.amount) <= 0.1
    assert found.amount == max(step.amount for step in found.curve if step.within)
    above = min(step.amount for step in found.curve if step.amount > found.amount)
    assert not next(step.within for step in found.curve if step.amount == above) and above <= found.amount + TOLERANCE


def test_a_bump_that_no_try_falls_upon_does_no_harm() -> None:
    assert find_amount(pruning(bump), 0.1).amount > 0.6 - TOLERANCE


def test_an_amount_that_cannot_be_removed_counts_as_too_much() -> None:
    found = find_amount(pruning(lambda amount: 0.0, most=0.8), 0.01)
    assert 0.8 - TOLERANCE <= found.amount <= 0.8
    assert {step.drop for step in found.curve if step.amount > 0.8} == {None}
    assert not any(step.within for step in found.curve if step.amount > 0.8)


def test_the_curve_holds_every_try_by_ascending_amount() -> None:
    seen: list[Step] = []
    found = find_amount(pruning(lambda amount: amount), 0.3, on_try=seen.append)
    assert found.curve == tuple(sorted(seen, key=lambda step: step.amount)) and seen[0].amount == 0.5
    assert len(seen) <= MAX_TRIES and all(step.within == (step.amount <= 0.3) for step in seen)


def test_tries_run_out_before_the_tolerance_is_met() -> None:
    found = find_amount(pruning(lambda amount: amount), 0.3, max_tries=3)
    assert [step.amount for step in found.curve] == [0.25, 0.375, 0.5] and found.amount == 0.25


def test_a_wider_tolerance_takes_fewer_tries() -> None:
    wide, narrow = (find_amount(pruning(lambda amount: amount), 0.3, tolerance=t) for t in (0.1, 0.01))
    assert len(wide.curve) < len(narrow.curve) and abs(wide.amount - 0.3) <= 0.1


def test_the_same_curve_is_walked_the_same_way_again() -> None:
    assert find_amount(pruning(bump), 0.05) == find_amount(pruning(bump), 0.05)


def test_where_nothing_is_within_the_limit_the_smallest_try_is_named() -> None:
    with pytest.raises(BudgetError, match=r"--max-drop 0.1 .*smallest amount that was tried, 0.00781.* drop of 0.4"):
        find_amount(pruning(lambda amount: 0.4), 0.1)


def test_where_nothing_can_be_removed_the_error_says_what_stopped_it() -> None:
    with pytest.raises(BudgetError, match=r"not even an amount of 0.00781 can be had: reached 0%"):
        find_amount(pruning(lambda amount: 0.0, most=0.0), 0.1)


@pytest.mark.parametrize("broken", [math.inf, math.nan])
def test_outputs_that_are_not_finite_are_never_within_the_limit(broken: float) -> None:
    found = find_amount(pruning(lambda amount: broken if amount > 0.2 else 0.0), 0.5)
    assert 0.2 - TOLERANCE <= found.amount <= 0.2


def test_only_a_budget_that_cannot_be_met_counts_as_too_much() -> None:
    def fail(amount: float) -> Tried[str]:
        raise VerificationError("differs")

    with pytest.raises(VerificationError, match="differs"):
        find_amount(fail, 0.1)


@pytest.mark.parametrize("limit", [-0.1, math.inf, math.nan])
def test_a_limit_that_is_no_number_from_0_up_is_refused(limit: float) -> None:
    with pytest.raises(UsageError, match="--max-drop"):
        find_amount(pruning(lambda amount: 0.0), limit)


def test_a_drop_of_just_the_limit_is_within_it_also_as_a_float() -> None:
    assert find_amount(lambda amount: Tried(amount, 1 - 49 / 50), 0.02).amount > 0.9
