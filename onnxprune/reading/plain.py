"""Ordinary files, and text of a size that somebody may have written."""

from __future__ import annotations

import errno
import stat
from pathlib import Path
from typing import IO

LONGEST = 1 << 29
"""Bytes of a file of text; plans of the largest models have some 100 MB."""


def in_line(text: object) -> str:
    """Return what stands in a file for a message: in one line, and not all of it where it is long."""
    return " ".join(str(text).split())[:200]


def opened(path: Path) -> IO[bytes]:
    """Open an ordinary file to read it. Raises `OSError`, also for pipes and devices, which may never end."""
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a name that no file can have
        raise OSError(errno.EINVAL, str(error), str(path)) from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
    return path.open("rb")


def text_of(path: Path, longest: int = LONGEST) -> str:
    """Read a file of UTF-8, marked as such or not. Raises `OSError`, and `ValueError` where it is none or too long."""
    with opened(path) as stream:
        content = stream.read(longest + 1)
    if len(content) > longest:
        raise ValueError(f"it has more than {longest:,} bytes")
    return content.decode("utf-8-sig")
