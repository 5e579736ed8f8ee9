"""The two clocks: the time that passes, and the time that this process computes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Functions that return nanoseconds of wall time, and of the CPU time of all threads of this process; and a wait.

    `sleep` takes seconds.
    """

    wall_ns: Callable[[], int] = time.perf_counter_ns
    cpu_ns: Callable[[], int] = time.process_time_ns
    sleep: Callable[[float], None] = time.sleep

    def cpu_step_ms(self) -> float:
        """Return by how many milliseconds the CPU time moves on: below 0.001 on Linux, about 16 on Windows."""
        began = now = self.cpu_ns()
        while now == began:
            now = self.cpu_ns()
        return (now - began) / 1e6
