"""Models raced on the same inputs, at one batch size after the other, and what to know when reading the times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from onnxprune.bench.race import Race, naming, race
from onnxprune.bench.same_inputs import check_same_inputs
from onnxprune.errors import UsageError
from onnxprune.feeds import usable_feeds
from onnxprune.machine import Machine, this_machine
from onnxprune.model import Model
from onnxprune.options import LatencyOptions
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import trace

OnProgress: TypeAlias = "Callable[[float], None]"
"""Called with the share that is done, from 0 to 1."""

BUSY = 0.1
"""The share of the wall time that a run may wait for the processor before it is said."""


@dataclass(frozen=True)
class AtBatchSize:
    """A race on inputs of the same number of samples."""

    batch_size: int
    inputs: Mapping[str, tuple[int, ...]]
    race: Race

    def samples_per_second(self, name: str) -> float:
        """Return how many samples a model takes in a second of wall time, one run after the other."""
        return self.batch_size / self.race.contestants[name].median_ms * 1000

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        rates = {name: self.samples_per_second(name) for name in self.race.contestants}
        inputs = {name: list(shape) for name, shape in self.inputs.items()}
        return {"batch_size": self.batch_size, "inputs": inputs, **self.race.as_dict(), "samples_per_second": rates}


@dataclass(frozen=True)
class Benchmark:
    """All races, and where and how they were run. `seconds` and `seed` are as they were asked for."""

    machine: Machine
    threads: int
    seconds: float
    seed: int
    races: tuple[AtBatchSize, ...]

    @property
    def warnings(self) -> list[str]:
        """What makes the times worse, or less sure, than they could be."""
        found = []
        if self.threads > self.machine.cores:
            found.append(f"{self.threads} threads share {self.machine.cores} logical cores: they wait for each other")
        for one in self.races:
            waiting = one.race.waiting_share
            if waiting is not None and waiting > BUSY:
                found.append(
                    f"the machine was busy: at batch size {one.batch_size} the models waited for the processor "
                    f"{waiting:.0%} of the time, which their latency includes"
                )
        if any(not ratio.is_settled for one in self.races for ratio in one.race.ratios.values()):
            found.append("some ratios are undecided: measure for longer (--seconds), or on a quieter machine")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "machine": asdict(self.machine),
            "threads": self.threads,
            "seconds": self.seconds,
            "seed": self.seed,
            "races": [one.as_dict() for one in self.races],
            "warnings": self.warnings,
        }


def bench_models(
    paths: Sequence[Path],
    options: LatencyOptions,
    batch_sizes: Sequence[int] = (),
    seed: int = 0,
    on_progress: OnProgress = lambda share: None,
) -> Benchmark:
    """Race models, the first of them the baseline, on random inputs that suit it, at each of the batch sizes.

    Without batch sizes there is one race, on inputs of usual sizes or those that `options` give. Each race takes about
    `options.seconds`. Raises `UsageError` for a batch size or a seed that makes no sense, `DataError` where sizes do
    not fit the baseline, or its inputs another model, and `ModelError` where a model cannot be read or run.
    """
    if seed < 0 or any(size < 1 for size in batch_sizes):
        raise UsageError("--seed must be at least 0, and every --batch-size at least 1")
    models = {name: Model.load(path) for name, path in zip(_names(paths), paths, strict=True)}
    baseline = trace(next(iter(models.values())))
    with naming(next(iter(models))):
        inputs = [(size, usable_feeds(baseline, seed, options.shapes, size)) for size in batch_sizes or (None,)]
    for _, feeds in inputs:
        check_same_inputs(models, feeds)
    races = []
    for place, (size, feeds) in enumerate(inputs):
        advance = _part(on_progress, place, len(inputs))
        result = race(models, feeds, options.threads, options.seconds, seed, advance)
        shapes = {name: value.shape for name, value in feeds.items()}
        races.append(AtBatchSize(size or _samples_in(baseline.model, feeds), shapes, result))
    return Benchmark(this_machine(), options.threads, options.seconds, seed, tuple(races))


def _part(on_progress: OnProgress, place: int, of: int) -> OnProgress:
    """Return what reports the share of one part of so many equal ones as that of all."""
    return lambda share: on_progress((place + share) / of)


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for each model: that of the file if it tells the models apart, or else the path, numbered."""
    if len({path.name for path in paths}) == len(paths):
        return [path.name for path in paths]
    earlier = [list(paths[:place]).count(path) for place, path in enumerate(paths)]
    return [f"{path} ({count + 1})" if count else str(path) for path, count in zip(paths, earlier, strict=True)]


def _samples_in(model: Model, feeds: Feeds) -> int:
    """Return how many samples one run takes: the first size of an input, if an output has as many, and otherwise 1."""
    sizes = [value.shape[0] for value in feeds.values() if value.ndim > 1]
    outputs = {value.shape[0] for value in run(model, feeds) if getattr(value, "ndim", 0)}
    return sizes[0] if sizes and sizes[0] in outputs else 1
