"""The values of each input, sample by sample, read and cast only where a batch asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.specs import InputSpec
from onnxprune.errors import DataError
from onnxprune.reading import AnyArray


class Rows(Protocol):
    """Samples that are read when they are taken."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the samples at `places`, which ascend, in one array."""


class Pieces:
    """Arrays whose samples count through, laid end to end along one axis."""

    def __init__(self, arrays: Sequence[AnyArray], axis: int = 0) -> None:
        self._arrays, self._axis = arrays, axis
        self._ends = np.cumsum([array.shape[axis] for array in arrays])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return the samples at `places`, which ascend. Raises `ValueError` where their other axes differ."""
        holders = np.searchsorted(self._ends, places, side="right")
        parts = []
        for holder in np.unique(holders):
            array = np.asarray(self._arrays[holder])
            start = self._ends[holder] - array.shape[self._axis]
            parts.append(np.take(array, places[holders == holder] - start, self._axis))
        return np.concatenate(parts, self._axis)


@dataclass(frozen=True)
class Column:
    """The samples of one input.

    With `one_by_one` the input has no axis that counts samples: every run takes one of them.
    """

    spec: InputSpec
    rows: Rows
    where: str
    one_by_one: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def batch(self) -> int | None:
        """The number of samples that every run has to hold, or None where it is open."""
        return None if self.one_by_one else self.spec.batch

    def take(self, places: NDArray[np.int64]) -> NDArray[Any]:
        """Return what the input is fed to run the samples at `places`, in its type. Raises `DataError`."""
        try:
            values = self.rows.take(places)
        except ValueError:
            raise DataError(
                f"{self.where}: input '{self.spec.name}' has samples of different sizes, which cannot be run together; "
                "pad them, or use --batch-size 1"
            ) from None
        return self.spec.cast(values[0] if self.one_by_one else values, self.where)


@dataclass(frozen=True)
class Record:
    """Named arrays that belong together, and the file or the call that they come from."""

    where: str
    arrays: Mapping[str, AnyArray]


def columns_of(specs: Sequence[InputSpec], records: Sequence[Record], where: str, single: bool = False) -> list[Column]:
    """Return a column for every input that the records, which have the same names, hold; `where` is all of them.

    An axis counts samples (`InputSpec.sample_axis`). What may be given instead: one value for the whole input; an
    array with an axis in front that an input of fixed first axis lacks, which counts runs; and with `single` one
    sample without the axis. Raises `DataError` where arrays fit in none of these ways.
    """
    given = [spec for spec in specs if spec.name in records[0].arrays]
    return [
        _column(spec, [(record.where, record.arrays[spec.name]) for record in records], where, single) for spec in given
    ]


def _column(spec: InputSpec, given: list[tuple[str, AnyArray]], where: str, single: bool) -> Column:
    if spec.shape == ():
        return Column(spec, Pieces([_values(spec, given)]), where, one_by_one=True)
    one_by_one = all(_counts_runs(spec, array) for _, array in given)
    arrays = []
    for source, array in given:
        if not one_by_one:
            array = _with_samples(spec, array, single)
        spec.check(array, source, one_by_one)
        arrays.append(array)
    return Column(spec, Pieces(arrays, 0 if one_by_one else spec.sample_axis), where, one_by_one)


def _values(spec: InputSpec, given: list[tuple[str, AnyArray]]) -> NDArray[Any]:
    """Return the values of an input without axes, just one if they are all the same."""
    for source, array in given:
        spec.check(array, source, one_by_one=array.ndim > 0)
    values = np.concatenate([np.asarray(array).reshape(-1) for _, array in given])
    return values[:1] if (values == values[:1]).all() else values


def _counts_runs(spec: InputSpec, array: AnyArray) -> bool:
    """Whether an array has one axis more than its input, which must not be open in front: that would be ambiguous."""
    return spec.shape is not None and isinstance(spec.shape[0], int) and array.ndim == len(spec.shape) + 1


def _with_samples(spec: InputSpec, array: AnyArray, single: bool) -> AnyArray:
    """Return an array with the axis that counts samples, where it is one value for the input or a single sample."""
    if spec.shape is None:
        return array.reshape((1,)) if array.ndim == 0 else array
    one = {spec.sample_axis: 1} if spec.batch is None else {}
    filled = [one.get(axis, length) for axis, length in enumerate(spec.shape)]
    fixed = [length for length in filled if isinstance(length, int)]
    if array.ndim == 0 and len(fixed) == len(filled):
        return np.broadcast_to(np.asarray(array), fixed)
    if single and array.ndim == len(spec.shape) - 1:
        return array.reshape((*array.shape[: spec.sample_axis], 1, *array.shape[spec.sample_axis :]))
    return array
