"""Files on their way: under a hidden name and locked, so that what a killed run left is told from what is in use."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from onnxprune.files.locks import lock

PREFIX = ".onnxprune."
PART, ASIDE, JOURNAL = ".part", ".aside", ".journal"
"""What is written, what was there before, and the note of what takes whose place."""


@contextmanager
def part(folder: Path, suffix: str = PART) -> Iterator[tuple[Path, IO[bytes]]]:
    """Open a new file in a folder, which is gone afterwards unless it was given a name of its own by then."""
    path, stream = _created(folder, suffix)
    try:
        path.chmod(0o666 & ~_umask())
        yield path, stream
    finally:
        stream.close()
        path.unlink(missing_ok=True)


def _created(folder: Path, suffix: str) -> tuple[Path, IO[bytes]]:
    """Return a new file that is locked; another run may take it for a left one before it is, and remove it."""
    while True:
        handle, name = tempfile.mkstemp(prefix=PREFIX, suffix=suffix, dir=folder)
        stream, path = os.fdopen(handle, "wb"), Path(name)
        if lock(handle) is not False and path.exists():
            return path, stream
        stream.close()


def abandoned(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield the files of a kind that nobody holds any more, each of them held by us until the next is asked for."""
    for path in sorted(folder.glob(f"{PREFIX}*{suffix}")):
        with suppress(OSError), path.open("r+b") as stream:
            if lock(stream.fileno()):
                yield path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
