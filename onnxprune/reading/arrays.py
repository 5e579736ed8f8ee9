"""Arrays as numpy stores them (.npy): what a header says is held against what is there before memory is taken."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from onnxprune.reading.plain import opened

Array = NDArray[Any]

KINDS = "biufcSUV"
"""Kinds of numbers, text and plain bytes; objects would be pickles, which run code."""

LONGEST_HEADER = 10_000
"""Bytes of a header; it is parsed as Python's literals, which is slow for long ones."""

LONGEST_AXIS = int(np.iinfo(np.intp).max)

READ = 1 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True)
class Header:
    """Type and shape of a stored array, whether columns come first, and how many bytes the header itself takes."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    is_fortran: bool
    length: int

    @property
    def bytes(self) -> int:
        """What the values take."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def order(self) -> Literal["C", "F"]:
        """The order of the values as numpy calls it."""
        return "F" if self.is_fortran else "C"

    def __str__(self) -> str:
        return f"{self.dtype.name} {list(self.shape)}"


def header_of(stream: IO[bytes], available: int) -> Header:
    """Read the header of a stored array, of which `available` bytes are there. Raises `ValueError` where it lies."""
    try:
        shape, is_fortran, dtype = _READERS[npy.read_magic(stream)](stream, max_header_size=LONGEST_HEADER)
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise
    except Exception:  # numpy parses headers as Python, which raises whatever they lead it to
        raise ValueError("its header is not one that numpy writes") from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never loaded, for they can run code; store numbers")
    if dtype.kind not in KINDS or dtype.itemsize == 0 or not all(0 <= length <= LONGEST_AXIS for length in shape):
        raise ValueError(f"it says that it is {dtype} {list(shape)}, which is no array of numbers or text")
    header = Header(dtype, shape, is_fortran, stream.tell())
    if header.length + header.bytes > available:
        raise ValueError(
            f"it says that it is {header}, which takes {header.bytes:,} bytes, but has {available - header.length:,}"
        )
    return header


def values_of(header: Header, stream: IO[bytes]) -> Array:
    """Read the values that follow a header. Raises `ValueError` where some are missing."""
    values: Array = np.empty(header.shape, header.dtype, header.order)
    left = values.reshape(-1, order="A").view(np.uint8).data
    while len(left):
        part = stream.read(min(len(left), READ))
        if not part:
            raise ValueError(f"it says that it is {header}, but ends before that")
        left[: len(part)] = part
        left = left[len(part) :]
    return values


class OnDisk:
    """An array in a file, which is opened only while it is looked at: many take no memory, and keep no files open."""

    def __init__(self, path: Path, start: int, header: Header, shape: tuple[int, ...] | None = None) -> None:
        """The values begin at a place of the file. `shape` is another one for as many of them."""
        self._path, self._start, self._header = path, start, header
        self.dtype, self.shape = header.dtype, header.shape if shape is None else shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def reshape(self, shape: tuple[int, ...]) -> OnDisk:
        """Return the same values in another shape."""
        return OnDisk(self._path, self._start, self._header, shape)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return the values, mapped into memory."""
        header = self._header
        if header.bytes == 0:
            return np.zeros(self.shape, dtype or header.dtype)  # no byte can be mapped
        found = np.memmap(self._path, header.dtype, "r", self._start, header.shape, header.order)
        return np.array(found, dtype, copy=bool(copy) or dtype not in (None, header.dtype)).reshape(self.shape)


AnyArray: TypeAlias = "Array | OnDisk"
"""Values in memory or in a file; `np.asarray` makes an array of either."""


def array_on_disk(path: Path) -> OnDisk:
    """Return the array of an .npy, left on the disk. Raises `OSError`, and `ValueError` where it is none."""
    with opened(path) as stream:
        header = header_of(stream, path.stat().st_size)
    return OnDisk(path, header.length, header)


_READERS: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}
