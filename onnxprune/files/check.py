"""What may be written over."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from onnxprune.errors import OutputError


def check_output(path: Path, sources: Iterable[Path], overwrite: bool) -> None:
    """Refuse an output that cannot or must not be written, before any work is done; `sources` are what is read.

    Raises `OutputError`.
    """
    try:
        if any(path.exists() and source.exists() and path.samefile(source) for source in sources):
            raise OutputError(f"{path}: the output would replace the input; choose another name with -o")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; give a file name with -o")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: is no ordinary file; choose another name with -o")
        check_free(path, overwrite)
        if not path.parent.is_dir():
            raise OutputError(f"{path.parent}: no such folder")
        if not os.access(path.parent, os.W_OK):
            raise OutputError(f"{path.parent}: the folder is not writable")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror})") from error


def check_free(path: Path, overwrite: bool) -> None:
    """Refuse a name that is taken, be it by a link that leads nowhere, unless it may be written over."""
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"{path}: exists already; choose another name with -o, or allow it with --overwrite")
