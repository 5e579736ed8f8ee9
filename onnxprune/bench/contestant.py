"""One model in a race: warmed up, and measured a sample at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from onnxprune.bench.clock import Clock

SAMPLE_MS = 10.0
"""How long a sample lasts at least: some ten thousand steps of the clocks, and long beside an interrupt."""
WARM_UP_RUNS, WARM_UP_MS = 3, 100.0
"""Runs before the first sample, at least, and how long they go on: onnxruntime plans its memory in the first."""


@dataclass(frozen=True)
class Sample:
    """Milliseconds that one run took, as the mean of the runs in a sample."""

    wall_ms: float
    cpu_ms: float


class Contestant:
    """A model that runs when `run` is called."""

    def __init__(self, run: Callable[[], object], clock: Clock) -> None:
        self._run, self._clock = run, clock
        self._repeats = 1

    def warm_up(self) -> None:
        """Run until memory is planned and caches are filled, and find out how many runs make a sample."""
        times: list[float] = []
        while len(times) < WARM_UP_RUNS or sum(times) < WARM_UP_MS:
            times.append(self._timed(1).wall_ms)
        self._repeats = max(1, math.ceil(SAMPLE_MS / min(times)))

    def sample(self) -> Sample:
        """Measure some runs.

        Where they are short, one more goes ahead that does not count: it fetches back into the caches what the model
        that ran before has displaced.
        """
        if self._repeats > 1:
            self._run()
        return self._timed(self._repeats)

    def _timed(self, runs: int) -> Sample:
        wall, cpu = self._clock.wall_ns(), self._clock.cpu_ns()
        for _ in range(runs):
            self._run()
        cpu, wall = self._clock.cpu_ns() - cpu, self._clock.wall_ns() - wall
        return Sample(wall / 1e6 / runs, cpu / 1e6 / runs)
