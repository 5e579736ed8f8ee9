"""Archives of arrays (.npz): what a small file unpacks to is bounded, and nothing is ever extracted to the disk."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from onnxprune.reading.arrays import READ, AnyArray, Array, Header, OnDisk, header_of, values_of
from onnxprune.reading.plain import opened

SMALL = 1 << 30
"""Bytes that the arrays of an archive may unpack to, however densely they are packed."""

DENSEST = 100
"""An array that unpacks to no more than so many times what it takes does not count: zeros, as bombs are made of, pack a
thousand times, and data that is worth reading does not."""

BROKEN = (
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile raises for archives that are damaged, encrypted or packed in a way that it does not know."""

LOCAL = struct.Struct("<26xHH")
"""What stands in front of each file of an archive: the lengths of its name and of what goes with it are at the end."""


def is_archive(path: Path) -> bool:
    """Whether a file begins as archives do, whatever its name. Raises `OSError` where it cannot be read."""
    with opened(path) as stream:
        return stream.read(2) == b"PK"


class Archive:
    """An .npz that is open: the arrays in it by their keys. Raises `OSError`, and `ValueError` where it is none."""

    def __init__(self, path: Path) -> None:
        self._path, self._dense = path, 0
        self._stream = opened(path)
        try:
            self._zip = zipfile.ZipFile(self._stream)
            self._infos = self._directory()
        except BaseException as error:
            self._stream.close()
            if isinstance(error, OSError) or not isinstance(error, BROKEN):
                raise
            raise ValueError(str(error)) from error

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    @property
    def keys(self) -> list[str]:
        """The keys of the arrays."""
        return [*self._infos]

    def header(self, key: str) -> Header:
        """Return the type and shape of an array. Raises `ValueError` where it is none, or unpacks to too much."""
        with self._member(key) as (_, header):
            return header

    def read(self, key: str) -> Array:
        """Return an array in memory. Raises `ValueError`, also where its checksum is wrong."""
        with self._member(key) as (stream, header):
            values = values_of(header, stream)
            _read_on(stream)
            return values

    def on_disk(self, key: str) -> AnyArray:
        """Return an array, left on the disk where it is not packed. Raises `ValueError` as `read` does."""
        info = self._infos[key]
        if info.compress_type != zipfile.ZIP_STORED:
            return self.read(key)
        with self._member(key) as (stream, header):
            _read_on(stream)
        self._stream.seek(info.header_offset)
        lengths = LOCAL.unpack(self._stream.read(LOCAL.size))
        return OnDisk(self._path, info.header_offset + LOCAL.size + sum(lengths) + header.length, header)

    def _directory(self) -> dict[str, zipfile.ZipInfo]:
        found: dict[str, zipfile.ZipInfo] = {}
        for info in self._zip.infolist():
            key = info.filename.removesuffix(".npy")
            if key in found:
                raise ValueError(f"it holds '{key}' twice")
            found[key] = info
        packed = sum(info.compress_size for info in found.values())
        if packed > self._path.stat().st_size:
            raise ValueError("its parts overlap each other")
        return found

    @contextmanager
    def _member(self, key: str) -> Iterator[tuple[IO[bytes], Header]]:
        """Open an array and read its header."""
        info = self._infos[key]
        try:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is packed in a way that numpy does not write")
            self._dense += info.file_size if info.file_size > DENSEST * info.compress_size else 0
            if self._dense > SMALL:
                raise ValueError(
                    f"its {info.compress_size:,} bytes unpack to {info.file_size:,}; more than {SMALL:,} are only read "
                    f"of what is packed less than {DENSEST} times: store it with np.savez, not packed"
                )
            with self._zip.open(info) as stream:
                yield stream, header_of(stream, info.file_size)
        except BROKEN as error:
            raise ValueError(f"'{key}': {error}") from error


def _read_on(stream: IO[bytes]) -> None:
    """Read to the end, where the checksum is compared."""
    while stream.read(READ):
        pass
