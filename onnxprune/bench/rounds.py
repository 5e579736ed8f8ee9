"""Rounds: every contestant once, in an order that is drawn anew each time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from onnxprune.bench.clock import Clock
from onnxprune.bench.contestant import Contestant, Sample

MIN_ROUNDS = 10
"""Rounds at least: with fewer than six even the least and the largest ratio enclose no 95% interval of the median."""

SLICE_S, MOST_REST_S = 0.02, 0.2
IDLE = 0.1
"""A process rests once its CPU time moves on by less than this share of the wall time, over a slice of seconds."""


def run_rounds(
    contestants: Mapping[str, Contestant],
    seconds: float,
    rng: np.random.Generator,
    clock: Clock,
    at_rest: bool,
    on_progress: Callable[[float], None],
) -> dict[str, list[Sample]]:
    """Return a sample of every contestant for each round, in as many rounds as begin within `seconds`.

    There are at least `MIN_ROUNDS`, whatever they take. With `at_rest` the process first comes to rest before each
    sample.
    """
    found: dict[str, list[Sample]] = {name: [] for name in contestants}
    names, began, rounds, passed = list(contestants), clock.wall_ns(), 0, 0.0
    while rounds < MIN_ROUNDS or passed < seconds:
        for place in rng.permutation(len(names)):
            if at_rest:
                _rest(clock)
            found[names[place]].append(contestants[names[place]].sample())
        rounds += 1
        passed = (clock.wall_ns() - began) / 1e9
        on_progress(min(1.0, rounds / MIN_ROUNDS, passed / seconds))
    return found


def _rest(clock: Clock) -> None:
    """Wait until no thread of this process computes, for a fifth of a second at most."""
    for _ in range(round(MOST_REST_S / SLICE_S)):
        wall, cpu = clock.wall_ns(), clock.cpu_ns()
        clock.sleep(SLICE_S)
        if clock.cpu_ns() - cpu < IDLE * (clock.wall_ns() - wall):
            return
