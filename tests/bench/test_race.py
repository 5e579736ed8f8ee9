"""Races of models: on clocks that are made up, and a few on real ones that look at no times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
import pytest
from clocks import Time, noisy
from networks import plain, unprunable

from onnxprune.bench import Race, race
from onnxprune.bench.contestant import Contestant, Sample
from onnxprune.bench.race import COPY, result_of
from onnxprune.bench.rounds import MIN_ROUNDS, run_rounds
from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.runtime import Feeds, Session

X = {"x": np.zeros((2, 3, 5, 5), np.float32)}


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A made-up time in which every run takes 20 ms, of which it computes 19."""
    time = Time()

    def run(self: Session, feeds: Feeds) -> list[Any]:
        time.passes(20, 19)
        return []

    monkeypatch.setattr(Session, "run", run)
    return time


def simulated(means: Mapping[str, float], noise: float, seed: int) -> Race:
    """A race of models that take so many milliseconds."""
    time, rng = Time(), np.random.default_rng(seed)
    baseline = next(iter(means))
    contestants = {
        name: Contestant(time.runs(noisy(mean, noise, rng)), time.clock)
        for name, mean in {baseline: means[baseline], COPY: means[baseline], **means}.items()
    }
    return result_of(run_rounds(contestants, 2.0, rng, time.clock, False, lambda share: None), 1, "cpu")


def test_a_model_is_not_faster_than_itself(time: Time) -> None:
    models = {"a": Model(plain()), "b": Model(plain())}
    found = race(models, X, seconds=1.0, clock=time.clock)
    ratio = found.ratio("b")
    assert (ratio.value, found.noise) == (pytest.approx(1), 0.01)
    assert ratio.verdict == "no difference beyond the noise of 1.0%"


def test_noise_is_hardly_ever_taken_for_a_difference() -> None:
    races = [simulated({"a": 20, "b": 20}, 0.05, seed) for seed in range(50)]
    assert not any(race.ratio("b").is_faster or race.ratio("b").is_slower for race in races)


def test_a_model_that_is_faster_is_found_to_be() -> None:
    races = [simulated({"a": 20, "b": 18}, 0.01, seed) for seed in range(50)]
    assert all(race.ratio("b").is_faster for race in races)


def test_at_one_thread_ratios_are_of_cpu_time_and_latency_is_wall_time(time: Time) -> None:
    found = race({"a": Model(plain())}, X, seconds=1.0, clock=time.clock)
    latency = found.contestants["a"]
    assert (latency.median_ms, latency.cpu_ms) == pytest.approx((20, 19), rel=1e-3)
    assert found.clock == "cpu" and found.waiting_share == pytest.approx(0.05, rel=1e-3)


def test_a_cpu_clock_that_is_too_coarse_is_not_used(time: Time) -> None:
    coarse = replace(time.clock, cpu_ns=count(step=16_000_000).__next__)
    assert race({"a": Model(plain())}, X, seconds=1.0, clock=coarse).clock == "wall"


def test_at_several_threads_ratios_are_of_wall_time(time: Time) -> None:
    found = race({"a": Model(plain())}, X, threads=2, seconds=0.1, clock=time.clock)
    assert (found.threads, found.clock, found.waiting_share) == (2, "wall", None)
    assert time.slept > 0


@pytest.mark.parametrize(("clock", "value"), [("cpu", 0.5), ("wall", 2.0)])
def test_the_clock_decides_what_ratios_are_of(clock: str, value: float) -> None:
    dense, pruned = [Sample(10, 8)] * 12, [Sample(20, 4)] * 12
    assert result_of({"a": dense, COPY: dense, "b": pruned}, 1, clock).ratio("b").value == value


def test_the_spread_is_from_the_tenth_to_the_ninetieth_percentile() -> None:
    samples = [Sample(wall, 1.0) for wall in range(101)]
    latency = result_of({"a": samples[1:], COPY: samples[1:]}, 1, "wall").contestants["a"]
    assert (latency.low_ms, latency.median_ms, latency.high_ms) == pytest.approx((10.9, 50.5, 90.1))


def test_models_are_really_run() -> None:
    models = {"dense": Model(plain()), "other": Model(unprunable())}
    shares = list[float]()
    found = race(models, X, seconds=0.05, on_progress=shares.append)
    assert list(found.contestants) == ["dense", "other"] and list(found.ratios) == ["other"]
    assert found.rounds >= MIN_ROUNDS and shares[-1] == 1
    for latency in found.contestants.values():
        assert 0 < latency.low_ms <= latency.median_ms <= latency.high_ms and latency.cpu_ms > 0
    assert found.as_dict()["ratios"]["other"]["verdict"] == found.ratio("other").verdict


def test_a_model_that_cannot_be_run_is_named() -> None:
    with pytest.raises(ModelError, match=r"^narrow: onnxruntime cannot run the model"):
        race({"narrow": Model(plain(batch=1))}, X, seconds=0.01)
