"""From the columns of a data set to batches: which samples are taken, and how many go into each run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.columns import Column, Pieces
from onnxprune.calibrate.lazy import Lazy
from onnxprune.calibrate.memory import Load, Shares, bytes_of
from onnxprune.errors import DataError, UsageError
from onnxprune.options import DataOptions
from onnxprune.runtime import Feeds

Places: TypeAlias = "NDArray[np.int64]"

SAMPLES = 512
"""Samples that are taken at most unless told otherwise."""
BATCH_SIZE = 32
"""Samples in a batch where the model leaves it open, unless told otherwise."""


@dataclass(frozen=True)
class Sampling:
    """How many samples to take, at most, and how many to run together where the model leaves it open.

    Within a `limit` of memory, where nothing is said: no more than what `load` says of a batch leaves room for. Raises
    `UsageError` where either is below 1.
    """

    samples: int = SAMPLES
    batch_size: int | None = None
    load: Load | None = None
    limit: int = DataOptions.memory_limit

    def __post_init__(self) -> None:
        for option, value in (("--samples", self.samples), ("--batch-size", self.batch_size)):
            if value is not None and value < 1:
                raise UsageError(f"{option} {value}: it must be at least 1")

    def together(self, one: Mapping[str, tuple[int, ...]], usual: int = BATCH_SIZE) -> int:
        """Return how many samples to run together, where inputs have such shapes for one of them."""
        if self.batch_size is not None or self.load is None:
            return self.batch_size or usual
        return self.load.fitting(one, usual, Shares(self.limit).batch)


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
    least one batch is taken. An open one holds `sampling.batch_size` samples, or else `open_size` or fewer, as memory
    allows; the last may hold fewer. Where samples take too much memory, they are only checked here, and read again
    whenever they are needed.

    Raises `DataError` where columns contradict each other, or are too short for one batch, and `UsageError`
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
    make = partial(_feeds, columns, total=total)
    one = {name: values.shape for name, values in make(places[: fixed or 1]).items()}
    size = fixed or sampling.together(one, open_size)
    groups = [places[start : start + size] for start in range(0, len(places), size)]
    return Calibration(
        batches=_held(groups, make, Shares(sampling.limit).samples),
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


def _held(groups: Sequence[Places], make: Callable[[Places], Feeds], room: int) -> Sequence[Feeds]:
    """Return the batches of the samples at some places: in memory where there is room, or else made anew each time."""
    held: list[Feeds] | None = []
    taken = 0
    for group in groups:
        feeds = make(group)
        taken += bytes_of([feeds])
        if held is not None and taken <= room:
            held.append(feeds)
        else:
            held = None
    return Lazy(len(groups), partial(_made, groups, make)) if held is None else tuple(held)


def _made(groups: Sequence[Places], make: Callable[[Places], Feeds], number: int) -> Feeds:
    return make(groups[number])


def _feeds(columns: Sequence[Column], places: Places, total: int) -> Feeds:
    """Return what the inputs are fed to run the samples at some places."""
    return {column.spec.name: _feed(column, places, total) for column in columns}


def _feed(column: Column, places: NDArray[np.int64], total: int) -> NDArray[Any]:
    """Return what a column gives to the run of the samples at `places`."""
    if len(column) == total:
        return column.take(places)
    if len(column) == column.batch:
        return column.take(np.arange(len(column)))
    return column.take(np.zeros_like(places))
