"""What a task is, and how its model is run and fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import onnx
from numpy.typing import NDArray
from real_models import fetch

from onnxprune.calibrate import Calibration
from onnxprune.errors import DataError
from onnxprune.pipeline import read
from onnxprune.runtime import Feeds, Session

AnyModel: TypeAlias = "onnx.ModelProto | Path"


@dataclass(frozen=True)
class Task:
    """A dense model and two sets of data, apart from each other: one to calibrate on and one to score with.

    `calibration` draws unlabelled samples by a seed. `score` returns the value of each of `metrics` for any version of
    the model; it raises `ModelError` where that cannot be run. `lower_is_better` names the metrics that count errors.
    """

    name: str
    model: Path
    metrics: tuple[str, ...]
    calibration: Callable[[int], Calibration]
    score: Callable[[AnyModel], dict[str, float]]
    lower_is_better: frozenset[str] = frozenset()


def outputs(model: AnyModel, batches: Iterable[Feeds], output: str) -> list[NDArray[Any]]:
    """Return one output of a model for every batch."""
    session = Session(read(model), [output])
    return [session.run(feeds)[0] for feeds in batches]


def slices(count: int, size: int) -> list[slice]:
    """Cut `count` samples into batches of `size`; the last may be smaller."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def calibration(batches: Iterable[Feeds], source: str) -> Calibration:
    """Return real samples; the first axis of every input counts them."""
    kept = tuple(batches)
    return Calibration(kept, tuple(len(next(iter(feeds.values()))) for feeds in kept), source, real=True)


def fetched(manifest: Path, cache: Path) -> list[Path]:
    """Return the files of a manifest, in its order; see `real_models`. Raises `DataError` where one cannot be had."""
    found = list(fetch(manifest, cache))
    for file in found:
        if file.path is None:
            raise DataError(f"{file.name}: {file.problem}")
    return [file.path for file in found if file.path is not None]
