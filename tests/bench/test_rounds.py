"""Rounds: who runs when, and for how long."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from clocks import Time

from onnxprune.bench.contestant import SAMPLE_MS, WARM_UP_MS, WARM_UP_RUNS, Contestant
from onnxprune.bench.rounds import MIN_ROUNDS, MOST_REST_S, SLICE_S, run_rounds

NAMES = ("dense", "copy", "pruned")


def order_of_runs(seed: int = 0, seconds: float = 1.0, milliseconds: float = 20.0) -> list[str]:
    """The names of the models in the order in which they ran."""
    time, ran = Time(), list[str]()

    def run(name: str) -> None:
        ran.append(name)
        time.passes(milliseconds)

    contestants = {name: Contestant(partial(run, name), time.clock) for name in NAMES}
    run_rounds(contestants, seconds, np.random.default_rng(seed), time.clock, False, lambda share: None)
    return ran


def rounds_of(ran: list[str]) -> list[tuple[str, ...]]:
    return list(zip(*[iter(ran)] * len(NAMES), strict=True))


def test_every_model_runs_once_a_round_in_an_order_of_its_own() -> None:
    rounds = rounds_of(order_of_runs())
    assert all(sorted(order) == sorted(NAMES) for order in rounds)
    assert len(set(rounds)) > 3


def test_every_model_is_first_as_often_as_the_others() -> None:
    firsts = [order[0] for order in rounds_of(order_of_runs(seconds=30))]
    assert all(abs(firsts.count(name) / len(firsts) - 1 / 3) < 0.08 for name in NAMES)


def test_the_seed_decides_the_order() -> None:
    assert order_of_runs(1) == order_of_runs(1) != order_of_runs(2)


def test_rounds_fill_the_time() -> None:
    assert len(order_of_runs(seconds=1.2)) == 20 * len(NAMES)


def test_there_are_enough_rounds_whatever_they_take() -> None:
    assert len(order_of_runs(seconds=0.001)) == MIN_ROUNDS * len(NAMES)


@pytest.mark.parametrize("seconds", [0.001, 5.0])
def test_progress_goes_up_to_the_end(seconds: float) -> None:
    time, shares = Time(), list[float]()
    contestants = {"a": Contestant(time.runs(lambda: 50.0), time.clock)}
    run_rounds(contestants, seconds, np.random.default_rng(0), time.clock, False, shares.append)
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == 1


@pytest.mark.parametrize(("spinning", "slices"), [(0, 1), (35, 3), (10_000, round(MOST_REST_S / SLICE_S))])
def test_at_several_threads_each_waits_until_the_others_sleep(spinning: float, slices: int) -> None:
    time = Time()

    def run() -> None:
        time.passes(20)
        time.spinning = spinning

    time.spinning = spinning
    contestants = {"a": Contestant(run, time.clock)}
    run_rounds(contestants, 0.001, np.random.default_rng(0), time.clock, True, lambda share: None)
    assert time.slept == pytest.approx(MIN_ROUNDS * slices * SLICE_S * 1000)


def test_a_sample_is_a_run_where_that_is_long_enough() -> None:
    time = Time()
    contestant = Contestant(time.runs(lambda: 40.0), time.clock)
    contestant.warm_up()
    assert time.wall == pytest.approx(WARM_UP_RUNS * 40)
    sample = contestant.sample()
    assert time.wall == pytest.approx(WARM_UP_RUNS * 40 + 40)
    assert (sample.wall_ms, sample.cpu_ms) == pytest.approx((40, 40), rel=1e-4)


def test_short_runs_are_repeated_and_the_first_does_not_count() -> None:
    time = Time()
    durations = [1.0] * round(WARM_UP_MS) + [3.0] + [0.5] * 9
    contestant = Contestant(time.runs(lambda: durations.pop(0) if durations else 1.5), time.clock)
    contestant.warm_up()
    sample = contestant.sample()
    assert sample.wall_ms == pytest.approx((9 * 0.5 + 1.5) / SAMPLE_MS)


def test_waiting_is_in_the_wall_time_alone() -> None:
    time = Time()
    contestant = Contestant(lambda: time.passes(30, 20), time.clock)
    contestant.warm_up()
    sample = contestant.sample()
    assert (sample.wall_ms, sample.cpu_ms) == pytest.approx((30, 20), rel=1e-4)
