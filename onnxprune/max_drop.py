"""The largest amount that can be pruned while the outputs stay close enough: a search that knows nothing of models."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from onnxprune.errors import BudgetError, UsageError

T = TypeVar("T")

TOLERANCE = 0.01
"""How far from the largest amount the one that is found may be."""
ROUNDING = 1e-9
"""What a drop may exceed the limit by as a float: 1 - 49/50 is more than 0.02."""
MAX_TRIES = 8
"""Tries at most; seven of them halve (0, 1) down to the tolerance."""


@dataclass(frozen=True)
class Tried(Generic[T]):
    """What came of pruning by some amount, and how much worse than the dense model it is."""

    result: T
    drop: float


@dataclass(frozen=True)
class Step:
    """One try: the amount, the drop (None where the amount could not be removed at all), and whether it will do."""

    amount: float
    drop: float | None
    within: bool


@dataclass(frozen=True)
class Found(Generic[T]):
    """The largest amount that was found within the limit, what came of it, and all tries by ascending amount."""

    amount: float
    result: T
    drop: float
    curve: tuple[Step, ...]


def find_amount(
    try_amount: Callable[[float], Tried[T]],
    limit: float,
    *,
    tolerance: float = TOLERANCE,
    max_tries: int = MAX_TRIES,
    on_try: Callable[[Step], None] = lambda step: None,
) -> Found[T]:
    """Bisect the amounts between 0 and 1 for the largest one whose drop is at most `limit`.

    `try_amount` prunes, repairs and judges; where it raises `BudgetError` the amount counts as too much. Only the best
    result so far is kept.

    The drop need not rise steadily with the amount. Whatever it does, what is returned was tried itself and is within
    the limit, is the largest such amount of all that were tried, and has a refused amount at most `tolerance` above it
    unless the tries run out or hardly anything is left. A bump that a try falls upon hides what lies beyond it.

    Raises `UsageError` for a limit that is no number from 0 up, and `BudgetError` where not even the smallest amount
    that was tried is within it.
    """
    if not 0 <= limit < math.inf:
        raise UsageError(f"--max-drop {limit}: it must be a number from 0 up, such as 0.01 for one percent")
    best: Tried[T] | None = None
    refusal: BudgetError | None = None
    low, high = 0.0, 1.0
    curve: list[Step] = []
    while high - low > tolerance and len(curve) < max_tries:
        amount = (low + high) / 2
        tried = None
        try:
            tried = try_amount(amount)
        except BudgetError as error:
            refusal = error
        within = tried is not None and tried.drop <= limit + ROUNDING
        if within:
            best, low = tried, amount
        else:
            high = amount
        curve.append(Step(amount, None if tried is None else tried.drop, within))
        on_try(curve[-1])
    curve.sort(key=lambda step: step.amount)
    if best is None:
        raise _nothing_within(limit, curve[0], refusal)
    return Found(low, best.result, best.drop, tuple(curve))


def _nothing_within(limit: float, smallest: Step, refusal: BudgetError | None) -> BudgetError:
    if smallest.drop is None:
        return BudgetError(f"--max-drop {limit:g}: not even an amount of {smallest.amount:.3g} can be had: {refusal}")
    return BudgetError(
        f"--max-drop {limit:g} cannot be kept: the smallest amount that was tried, {smallest.amount:.3g}, already has "
        f"a drop of {smallest.drop:.3g}; allow a larger drop"
    )
