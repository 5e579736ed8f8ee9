"""Measuring one candidate after the other: slice, run, judge. In this process, or in several."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

import onnx

from onnxprune.apply import apply_masks
from onnxprune.axes import Mask
from onnxprune.calibrate import Calibration
from onnxprune.errors import DataError, ModelError, UnsupportedError
from onnxprune.evaluate import Judge
from onnxprune.external import Edit, Place
from onnxprune.model import Model
from onnxprune.sensitivity.candidates import Candidate
from onnxprune.tracing import Trace, trace

OnDrop: TypeAlias = "Callable[[Candidate, float], None]"
"""Called with a candidate that was measured, and its drop."""


class Gauge:
    """A traced dense model and a judge of it: it tells what is lost with some units. Nothing is repaired."""

    def __init__(self, found: Trace, judge: Judge) -> None:
        self._found, self._judge = found, judge
        self._dims = {name: dim for dim, name in found.names.items()}

    def drop(self, masks: Mapping[str, Mask]) -> float:
        """Return the drop of the output that suffers most, where dims keep what masks by their names say.

        Raises what `Judge.judge` raises.
        """
        pruned, _ = apply_masks(self._found, {self._dims[name]: mask for name, mask in masks.items()})
        return self._judge.judge(pruned).drop


@dataclass(frozen=True)
class Setup:
    """All that another process needs to make the same gauge; the model as bytes, which are cheap to send."""

    proto: bytes
    path: Path | None
    edits: Mapping[Place, Edit]
    allow_norm: bool
    samples: Calibration
    metric: str
    output: str | None

    def gauge(self) -> Gauge:
        """Make the gauge. Its sessions have one thread each, for the other cores have processes of their own."""
        model = Model(onnx.ModelProto.FromString(self.proto), self.path, self.edits)
        judge = Judge(model, self.samples, self.metric, self.output, threads=1)
        return Gauge(trace(model, allow_norm=self.allow_norm), judge)


def measure_here(gauge: Gauge, candidates: Sequence[Candidate], on_drop: OnDrop) -> None:
    """Measure candidates one after the other. Raises what `Judge.judge` raises, with the candidate in front."""
    for candidate in candidates:
        on_drop(candidate, _naming(candidate, partial(gauge.drop, candidate.masks)))


def measure_in_processes(setup: Setup, candidates: Sequence[Candidate], workers: int, on_drop: OnDrop) -> None:
    """Measure candidates in `workers` processes; each of them loads and traces the model once.

    When something is raised, here or in `on_drop`, what is running is waited for and the rest is left. Raises as
    `measure_here`, and `UnsupportedError` where a process is killed.
    """
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _make_gauge, (setup,))
    try:
        waiting = {pool.submit(_drop, candidate.masks): candidate for candidate in candidates}
        for done in as_completed(waiting):
            on_drop(waiting[done], _naming(waiting[done], done.result))
    except BrokenProcessPool as error:
        raise UnsupportedError(
            "a worker process ended before its time, perhaps for want of memory; go on with fewer --workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _naming(candidate: Candidate, measured: Callable[[], float]) -> float:
    """Return a drop; where it cannot be had, say of which candidate."""
    try:
        return measured()
    except (DataError, ModelError, UnsupportedError) as error:
        raise type(error)(f"{candidate}: {error}") from error


_gauge: Gauge
"""What a worker process measures by; nobody else has it."""


def _make_gauge(setup: Setup) -> None:
    """Begin a worker process; an interrupt is for the process that started it."""
    global _gauge
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _gauge = setup.gauge()


def _drop(masks: Mapping[str, Mask]) -> float:
    return _gauge.drop(masks)
