"""Ratios of times: what is called a difference, and what is noise."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onnxprune.bench.ratio import LEAST_NOISE, Ratio, Times, independent_values, median_interval, noise_of, ratio_of

TRIALS = 300
times = arrays(np.float64, st.integers(1, 60), elements=st.floats(0.1, 10))


def normal(rng: np.random.Generator, rounds: int, mean: float = 1.0, noise: float = 0.01) -> Times:
    return mean * (1 + noise * rng.standard_normal(rounds))


def drifting(rng: np.random.Generator, rounds: int, correlation: float) -> Times:
    """Values around 0 each of which resembles the one before."""
    values, steps = np.zeros(rounds), rng.standard_normal(rounds)
    values[0] = steps[0]
    for place in range(1, rounds):
        values[place] = correlation * values[place - 1] + np.sqrt(1 - correlation**2) * steps[place]
    return values


def alternating(count: int) -> Times:
    """The numbers from 0 up, in an order that crosses the median at every step."""
    lower, upper = np.arange(count // 2), np.arange(count // 2, count)
    order = np.empty(count)
    order[1::2], order[0::2] = lower, upper
    return order


@pytest.mark.parametrize("rounds", [10, 100])
@pytest.mark.parametrize("noise", [0.001, 0.01, 0.1])
def test_equal_models_are_hardly_ever_called_different(rounds: int, noise: float) -> None:
    rng = np.random.default_rng(0)
    found = [ratio_of(*(normal(rng, rounds, noise=noise) for _ in range(3))) for _ in range(TRIALS)]
    assert sum(ratio.is_faster or ratio.is_slower for ratio in found) <= TRIALS // 100


def test_a_copy_that_seems_slower_raises_the_noise_above_what_a_model_seems_faster() -> None:
    rng = np.random.default_rng(0)
    ratio = ratio_of(normal(rng, 50, 0.97, 0.002), normal(rng, 50, 1.0, 0.002), normal(rng, 50, 1.04, 0.002))
    assert ratio.noise > 0.035 and not ratio.is_faster
    assert ratio.verdict == f"no difference beyond the noise of {ratio.noise:.1%}"


@pytest.mark.parametrize(("mean", "verdict"), [(0.9, "faster"), (1.1, "slower")])
def test_a_tenth_is_found_in_noise_of_a_hundredth(mean: float, verdict: str) -> None:
    rng = np.random.default_rng(1)
    found = [ratio_of(normal(rng, 20, mean), normal(rng, 20), normal(rng, 20)) for _ in range(TRIALS)]
    assert all(ratio.verdict.endswith(verdict) for ratio in found)
    assert np.median([ratio.value for ratio in found]) == pytest.approx(mean, rel=0.005)


def test_a_machine_that_slows_down_slows_both() -> None:
    rng = np.random.default_rng(2)
    speed = np.linspace(1, 3, 50)
    ratio = ratio_of(speed * normal(rng, 50, 0.8), speed * normal(rng, 50), speed * normal(rng, 50))
    assert ratio.value == pytest.approx(0.8, rel=0.01) and ratio.high - ratio.low < 0.02


def test_a_few_interrupts_change_nothing() -> None:
    rng = np.random.default_rng(3)
    pruned, dense, copy = normal(rng, 40, 0.8), normal(rng, 40), normal(rng, 40)
    dense[::9] *= 5
    pruned[4::9] *= 5
    assert ratio_of(pruned, dense, copy).verdict == "1.25x faster"


def test_less_than_the_least_noise_is_no_difference() -> None:
    still = np.ones(20)
    assert ratio_of(0.995 * still, still, still) == Ratio(0.995, 0.995, 0.995, LEAST_NOISE)
    assert not ratio_of(0.995 * still, still, still).is_faster
    assert ratio_of(0.985 * still, still, still).is_faster


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [
        (Ratio(0.5, 0.48, 0.52, 0.01), "2x faster"),
        (Ratio(0.97, 0.96, 0.98, 0.01), "1.03x faster"),
        (Ratio(1.5, 1.45, 1.55, 0.01), "1.5x slower"),
        (Ratio(0.98, 0.97, 0.99, 0.03), "no difference beyond the noise of 3.0%"),
        (Ratio(0.9, 0.8, 1.02, 0.013), "undecided: 0.8 to 1.02 of the time, with noise of 1.3%"),
        (Ratio(0.98, 0.97, 0.99, 0.012), "undecided: 0.97 to 0.99 of the time, with noise of 1.2%"),
    ],
)
def test_verdicts_say_no_more_than_is_known(ratio: Ratio, verdict: str) -> None:
    assert ratio.verdict == verdict
    assert ratio.is_settled == (not verdict.startswith("undecided"))
    assert ratio.as_dict()["verdict"] == verdict


@given(times, times)
def test_no_model_is_faster_and_slower_at_once(a: Times, b: Times) -> None:
    rounds = min(len(a), len(b))
    ratio = ratio_of(a[:rounds], b[:rounds], b[:rounds])
    assert not (ratio.is_faster and ratio.is_slower)
    assert ratio.low <= ratio.value <= ratio.high and ratio.noise >= LEAST_NOISE


@given(times)
def test_noise_covers_the_copy_on_both_sides(copy: Times) -> None:
    noise = noise_of(copy, np.ones(len(copy)))
    low, high = median_interval(copy)
    assert 1 - noise <= low + 1e-12 and high <= 1 + noise + 1e-12


@pytest.mark.parametrize(("count", "outside"), [(1, 0), (5, 0), (8, 0), (9, 1), (20, 5), (100, 39), (1000, 468)])
def test_ranks_of_independent_values_are_those_of_the_sign_test(count: int, outside: int) -> None:
    assert median_interval(alternating(count)) == (outside, count - 1 - outside)


@pytest.mark.parametrize(("rounds", "correlation"), [(10, 0.0), (30, 0.0), (100, 0.3), (200, 0.6)])
def test_the_interval_holds_the_median_about_19_times_in_20(rounds: int, correlation: float) -> None:
    rng = np.random.default_rng(4)
    found = [median_interval(drifting(rng, rounds, correlation)) for _ in range(1000)]
    assert np.mean([low <= 0 <= high for low, high in found]) >= 0.92


def test_values_that_resemble_their_neighbours_say_less() -> None:
    rng = np.random.default_rng(5)
    counts = [independent_values(drifting(rng, 400, correlation)) for correlation in (0, 0.5, 0.9)]
    assert all(more > 1.5 * less for more, less in pairwise(counts))
    assert independent_values(alternating(400)) == 400


@given(st.integers(1, 50))
def test_equal_values_leave_no_doubt(count: int) -> None:
    assert median_interval(np.full(count, 1.5)) == (1.5, 1.5)
