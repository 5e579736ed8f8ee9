"""A race: models that take turns, and what their times say in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from onnxprune.bench.clock import Clock
from onnxprune.bench.contestant import SAMPLE_MS, Contestant, Sample
from onnxprune.bench.ratio import Ratio, Times, noise_of, ratio_of
from onnxprune.bench.rounds import run_rounds
from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.runtime import Feeds, Session

CLOCK = Clock()
COPY = "\0copy of the baseline"
"""A name that no model has."""

FINE_STEP = 0.01
"""The CPU clock is fine enough if it moves on by at most this share of a sample; that of Windows does not."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one run: the median, tenth and ninetieth percentile of wall time, and the median of CPU time."""

    median_ms: float
    low_ms: float
    high_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Race:
    """What was measured in so many rounds with so many threads.

    `contestants` has the latency of every model, the baseline first, and `ratios` that of all others to it. `clock`
    says which time the ratios are formed of, "cpu" or "wall", and `noise` is how far from 1 the ratio of the copy of
    the baseline reaches. `waiting_share` is the share of the wall time in which the process did not compute: at one
    thread that is when others had the processor, at several it says nothing and is None.
    """

    threads: int
    rounds: int
    clock: str
    noise: float
    waiting_share: float | None
    contestants: Mapping[str, Latency]
    ratios: Mapping[str, Ratio]

    def ratio(self, name: str) -> Ratio:
        """Return the ratio of a model's time to the baseline's. Raises `KeyError` for the baseline itself."""
        return self.ratios[name]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "ratios": {name: ratio.as_dict() for name, ratio in self.ratios.items()}}


def race(
    models: Mapping[str, Model],
    feeds: Feeds,
    threads: int = 1,
    seconds: float = 10.0,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
    clock: Clock = CLOCK,
) -> Race:
    """Measure how long models take on the same inputs, the first of them the baseline.

    Every model is loaded once, the baseline twice, and warmed up; then they take turns for about `seconds`, at least
    `MIN_ROUNDS` rounds, in an order drawn with `seed`. Raises `ModelError` where one cannot be run on the inputs.

    With one thread onnxruntime computes in the thread that calls it, so that CPU time is the time of the model, and
    what else the machine does hardly matters: ratios are formed of it. With several, wall time is what counts. The
    threads of onnxruntime then go on spinning for some 35 ms after a run, in case there is another. That is its
    default and makes it faster, so it is left as it is; but a model's threads would still spin on the cores when it is
    the next one's turn. So each waits until they sleep.
    """
    baseline = next(iter(models))
    loaded = {baseline: models[baseline], COPY: models[baseline], **models}
    contestants = {}
    for name, model in loaded.items():
        with naming(name):
            contestants[name] = Contestant(partial(Session(model, threads=threads).run, feeds), clock)
            contestants[name].warm_up()
    at_rest = threads > 1
    samples = run_rounds(contestants, seconds, np.random.default_rng(seed), clock, at_rest, on_progress)
    by_cpu = threads == 1 and clock.cpu_step_ms() <= FINE_STEP * SAMPLE_MS
    return result_of(samples, threads, "cpu" if by_cpu else "wall")


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say in a `ModelError` which of several models it is about."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error


def result_of(samples: Mapping[str, Sequence[Sample]], threads: int, clock: str) -> Race:
    """Return what samples say: those of the baseline, of `COPY` and of the other models, a sample for each round."""
    wall = {name: np.array([sample.wall_ms for sample in taken]) for name, taken in samples.items()}
    cpu = {name: np.array([sample.cpu_ms for sample in taken]) for name, taken in samples.items()}
    times = cpu if clock == "cpu" else wall
    baseline, *others = (name for name in samples if name != COPY)
    return Race(
        threads,
        rounds=len(wall[baseline]),
        clock=clock,
        noise=noise_of(times[COPY], times[baseline]),
        waiting_share=_waiting(wall, cpu) if threads == 1 else None,
        contestants={name: _latency(wall[name], cpu[name]) for name in (baseline, *others)},
        ratios={name: ratio_of(times[name], times[baseline], times[COPY]) for name in others},
    )


def _latency(wall: Times, cpu: Times) -> Latency:
    low, median, high = np.quantile(wall, (0.1, 0.5, 0.9))
    return Latency(float(median), float(low), float(high), float(np.median(cpu)))


def _waiting(wall: Mapping[str, Times], cpu: Mapping[str, Times]) -> float:
    """Return the share of the wall time that was not CPU time."""
    passed, computed = (float(sum(times.sum() for times in taken.values())) for taken in (wall, cpu))
    return max(0.0, 1 - computed / passed)
