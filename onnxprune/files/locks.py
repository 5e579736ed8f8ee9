"""Locks between runs: those of the system, which end with the process that holds them, however it ends.

Where a file system has none, runs go on without; then what a killed run left stays there too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from onnxprune.errors import OutputError

PATIENCE, PAUSE = 30.0, 0.02
"""Seconds to wait for another run, which holds a folder for as long as some files take to be renamed."""


def lock(handle: int) -> bool | None:
    """Lock an open file; return False where someone else has it, and None where there are no locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def locked(*folders: Path) -> Iterator[None]:
    """Hold folders, so that no other run gives files in them their names. Raises `OutputError` after half a minute."""
    with ExitStack() as held:
        for folder in sorted({folder.resolve() for folder in folders}):
            held.enter_context(_held(folder))
        yield


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    handle = _opened(folder)
    if handle is None:
        yield
        return
    try:
        until = time.monotonic() + PATIENCE
        while lock(handle) is False:
            if time.monotonic() > until:
                raise OutputError(f"{folder}: another run has been writing here for {PATIENCE:.0f} seconds; try again")
            time.sleep(PAUSE)
        yield
    finally:
        os.close(handle)


def settle_on_disk(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can say."""
    handle = _opened(folder)
    if handle is not None:
        with suppress(OSError):
            os.fsync(handle)
        os.close(handle)


def _opened(folder: Path) -> int | None:
    """Open a folder; None on systems where that cannot be done, or where it may be written but not read."""
    try:
        return os.open(folder, os.O_RDONLY)
    except OSError:
        return None
