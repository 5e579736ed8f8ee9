"""From the columns of a data set to batches: which samples are taken, and how many go into each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.columns import Column, Pieces
from onnxprune.errors import DataError, UsageError

SAMPLES = 512
"""Samples that are taken at most unless told otherwise."""
BATCH_SIZE = 32
"""Samples in a batch where the model leaves it open, unless told otherwise."""


@dataclass(frozen=True)
class Sampling:
    """How many samples to take, at most, and how many to run together where the model leaves it open.

    Raises `UsageError` where either is below 1.
    """

    samples: int = SAMPLES
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for option, value in (("--samples", self.samples), ("--batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise UsageError(f"{option} {value}: it must be at least 1")


def spread(available: int, wanted: int) -> NDArray[np.int64]:
    """Return `wanted` of `available` places, evenly spread and ascending; all of them where there are fewer."""
    count = min(available, wanted)
    return np.arange(count, dtype=np.int64) * available // max(count, 1)


def batched(
    columns: Sequence[Column],
    sampling: Sampling,
    source: str,
    labels: Pieces | None = None,
    open_size: int = BATCH_SIZE,
) -> Calibration:
    """Return evenly spread samples in batches that the model can be run on.

    Columns agree on the number of samples, but for those that hold one sample, which stands for all, and those that
    fill an input of fixed size by themselves. A fixed batch is met exactly: what is left over is dropped, and at
    least one batch is taken. An open one holds `sampling.batch_size` samples, or else `open_size`; the last may hold
    fewer. Raises `DataError` where columns contradict each other, or are too short for one batch, and `UsageError`
    where the batch size is not the model's.
    """
    total = _total(columns, source)
    if labels is not None and len(labels) != total:
        raise DataError(f"{source}: the labels must be one for each sample: {len(labels)} for {total} samples")
    fixed = _fixed_size(columns, total, source, sampling.batch_size)
    wanted = min(sampling.samples, total)
    if fixed is not None:
        wanted = max(wanted // fixed, 1) * fixed
    places = spread(total, wanted)
    size = fixed or sampling.batch_size or open_size
    groups = [places[start : start + size] for start in range(0, len(places), size)]
    return Calibration(
        batches=tuple({column.spec.name: _feed(column, group, total) for column in columns} for group in groups),
        sizes=tuple(len(group) for group in groups),
        source=source,
        real=True,
        labels=None if labels is None else labels.take(places).astype(np.int64),
    )


def _total(columns: Sequence[Column], source: str) -> int:
    """Return the number of samples. Raises `DataError` where there are none, or columns disagree."""
    for column in columns:
        if len(column) == 0:
            raise DataError(f"{column.where}: input '{column.spec.name}' has no samples")
    free = [column for column in columns if len(column) not in (1, column.batch)]
    if any(len(column) != len(free[0]) for column in free):
        raise _disagreement(columns, source)
    with_sample_axis = [column for column in columns if not column.one_by_one]
    return len([*free, *with_sample_axis, *columns][0])


def _fixed_size(columns: Sequence[Column], total: int, source: str, asked: int | None) -> int | None:
    """Return the number of samples that every run has to hold, or None where the model leaves it open."""
    sizes = {column.spec.name: size for column in columns if (size := _size(column, total)) is not None}
    if not sizes:
        return None
    name, size = next(iter(sizes.items()))
    for other, differing in sizes.items():
        if differing != size:
            raise DataError(f"{source}: input '{name}' takes {size} samples in a run, but '{other}' takes {differing}")
    if any(column.batch == size and len(column) not in (1, total) for column in columns):
        raise _disagreement(columns, source)
    if asked not in (None, size) and total > size:
        raise UsageError(f"--batch-size {asked}: input '{name}' takes exactly {size} in a run; leave the option out")
    if total < size:
        raise DataError(f"{source}: input '{name}' takes batches of exactly {size}, but the samples are {total}")
    return size


def _disagreement(columns: Sequence[Column], source: str) -> DataError:
    counts = ", ".join(f"'{column.spec.name}' has {len(column)}" for column in columns)
    return DataError(f"{source}: the inputs must have the same number of samples, but {counts}")


def _size(column: Column, total: int) -> int | None:
    """Return the number of samples in a run that a column asks for, None where it goes with any."""
    if column.one_by_one:
        return 1 if len(column) > 1 else None
    return None if len(column) == column.batch != total else column.batch


def _feed(column: Column, places: NDArray[np.int64], total: int) -> NDArray[Any]:
    """Return what a column gives to the run of the samples at `places`."""
    if len(column) == total:
        return column.take(places)
    if len(column) == column.batch:
        return column.take(np.arange(len(column)))
    return column.take(np.zeros_like(places))
