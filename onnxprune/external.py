"""External data: the values of tensors that lie in files beside the model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.errors import ModelError
from onnxprune.wellformed.tensors import stored_bytes
from onnxprune.wellformed.words import shown

Array = NDArray[Any]

Place: TypeAlias = "tuple[str, int]"
"""The name of a data file, and where in it a tensor begins."""

WINDOW = 1 << 20
"""Bytes that are read, changed and written at a time: they stay in the cache of a core."""


READ = 8 << 20
"""Bytes that the system is asked for at once."""


class Edit(Protocol):
    """Changes the values of a tensor while they are read."""

    @property
    def rows(self) -> int:
        """How many rows of the first axis have to be changed at once, or a multiple of it; 0 for all of them."""

    def over(self, parts: Iterator[Array]) -> Iterator[Array]:
        """Change parts of a tensor, some rows each, in their order and in place, and yield each."""


@dataclass(frozen=True)
class Extent:
    """A part of a data file."""

    file: Path
    offset: int
    length: int

    def mapped(self, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Return the values, mapped into memory and read-only."""
        return np.memmap(self.file, dtype, "r", self.offset, shape) if self.length else np.zeros(shape, dtype)

    def parts(self, dtype: np.dtype[Any], shape: tuple[int, ...], rows: int) -> Iterator[Array]:
        """Yield the values, so many rows of the first axis at a time, or all where that is 0.

        They can be changed at will, but only until the next are read, which come in the same memory.
        """
        at_once = _rows_at_once(dtype.itemsize * math.prod(shape[1:]), shape[0], rows)
        memory = np.empty((at_once, *shape[1:]), dtype)
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.offset)
            for start in range(0, shape[0], at_once):
                part = memory[: min(at_once, shape[0] - start)]
                self._fill(part, stream)
                yield part

    def windows(self) -> Iterator[bytes]:
        """Yield the bytes, some at a time."""
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.offset)
            left = self.length
            while left:
                window = stream.read(min(left, READ))
                if not window:
                    raise self._cut_short()
                left -= len(window)
                yield window

    def _fill(self, values: Array, stream: FileIO) -> None:
        left = values.reshape(-1).view(np.uint8).data
        while left:
            count = stream.readinto(left[:READ])
            if not count:
                raise self._cut_short()
            left = left[count:]

    def _cut_short(self) -> ModelError:
        return ModelError(f"{self.file}: became shorter while it was read")


def _rows_at_once(row: int, count: int, rows: int) -> int:
    """Return how many rows of so many bytes to read at once: a multiple of `rows` that makes about a window."""
    if not rows:
        return max(count, 1)
    return min(max(WINDOW // max(row * rows, 1), 1) * rows, max(count, 1))


def place_of(tensor: onnx.TensorProto) -> Place | None:
    """Return where the values of a tensor lie, or None where they are in the message itself."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return None
    entry = {item.key: item.value for item in tensor.external_data}
    return entry.get("location", ""), int(entry.get("offset", 0))


def fits(tensor: onnx.TensorProto, length: int) -> bool:
    """Whether so many bytes are what numpy holds the values in: types of a few bits are packed when they are stored."""
    itemsize = helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return itemsize * math.prod(tensor.dims) == length


def extent_of(tensor: onnx.TensorProto, folder: Path) -> Extent:
    """Return where the values of a tensor lie. Raises `ModelError` where they cannot be read safely."""
    entry = {item.key: item.value for item in tensor.external_data}
    if len(entry) < len(tensor.external_data):
        raise ModelError(f"tensor '{tensor.name}': it says twice where its external data lies")
    try:
        file = (folder / entry.get("location", "")).resolve()
        is_there = folder in file.parents and file.is_file()
    except (OSError, RuntimeError, ValueError):  # a link to itself, a name that no file can have
        raise ModelError(f"tensor '{tensor.name}': its external data cannot be where the model says") from None
    if folder not in file.parents:
        raise ModelError(f"tensor '{tensor.name}': its external data lies outside the model's folder; refused")
    if not is_there:
        raise ModelError(
            f"tensor '{tensor.name}': its external data file {shown(file.name)} is missing beside the model"
        )
    size = file.stat().st_size
    offset = _bytes(tensor, entry.get("offset", "0"))
    length = _bytes(tensor, entry.get("length", str(max(size - offset, 0))))
    if offset + length > size:
        raise ModelError(f"tensor '{tensor.name}': its external data file {shown(file.name)} is truncated")
    return Extent(file, offset, length)


def check_length(tensor: onnx.TensorProto, extent: Extent) -> None:
    """Refuse external data of another length than the shape of the tensor takes. Raises `ModelError`."""
    wanted = stored_bytes(tensor)
    if extent.length != wanted:
        raise ModelError(
            f"tensor '{tensor.name}': its shape {list(tensor.dims)} takes {wanted:,} bytes, and its external data has "
            f"{extent.length:,}"
        )


def _bytes(tensor: onnx.TensorProto, text: str) -> int:
    """Return a number of bytes as every reader of models understands it: digits alone."""
    if not re.fullmatch("[0-9]{1,19}", text):
        raise ModelError(f"tensor '{tensor.name}': offset and length of its external data must be numbers from 0 up")
    return int(text)
