"""Made-up time: clocks that move on only when a model runs, and models that take as long as they are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from onnxprune.bench.clock import Clock


class Time:
    """The wall and the CPU time of a made-up process, in milliseconds since it began."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self.slept = 0.0
        self.spinning = 0.0
        """Milliseconds that some thread goes on computing while the others sleep."""
        self.clock = Clock(lambda: round(self.wall * 1e6), self._cpu_ns, self._sleep)

    def passes(self, wall: float, cpu: float | None = None) -> None:
        """Let time pass, all of it computing unless told otherwise."""
        self.wall += wall
        self.cpu += wall if cpu is None else cpu

    def runs(self, milliseconds: Callable[[], float]) -> Callable[[], None]:
        """Return a model whose runs take so long."""
        return lambda: self.passes(milliseconds())

    def _cpu_ns(self) -> int:
        self.cpu += 1e-6  # so that a clock that is read moves on, as real ones do
        return round(self.cpu * 1e6)

    def _sleep(self, seconds: float) -> None:
        computing = min(self.spinning, 1000 * seconds)
        self.spinning -= computing
        self.slept += 1000 * seconds
        self.passes(1000 * seconds, computing)


def noisy(mean: float, noise: float, rng: np.random.Generator) -> Callable[[], float]:
    """Return a duration drawn anew with each call, with a relative standard deviation."""
    return lambda: mean * max(0.1, 1 + noise * float(rng.standard_normal()))
