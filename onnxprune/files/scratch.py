"""Folders for what other programs want as files: gone when they are done, or, if the run was killed, with the next."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from onnxprune.files.locks import lock

PREFIX = "onnxprune-"

NEW = 60
"""Seconds in which a folder that nobody holds may be one that is about to be held."""


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make an empty folder among the system's temporary files, which is removed in the end."""
    with suppress(OSError):
        _remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name, _held(Path(name)):
        yield Path(name)


def _remove_abandoned(parent: Path) -> None:
    """Remove the folders of runs that were killed, which nobody holds any more."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or time.time() - folder.stat().st_mtime < NEW:
                continue
            with _held(folder) as is_free:
                if is_free:
                    shutil.rmtree(folder)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a folder, if nobody else does and there are locks; yield whether it is held."""
    handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
    try:
        yield handle is not None and bool(lock(handle))
    finally:
        if handle is not None:
            os.close(handle)
