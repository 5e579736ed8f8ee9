"""The table that is kept between runs: only a saving of time, so whatever is wrong with it, runs go on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onnxprune.errors import DataError, OutputError
from onnxprune.files.locks import PATIENCE, PAUSE, lock
from onnxprune.latency.table import Table
from onnxprune.machine import Machine


def cached(machine: Machine, threads: int) -> Path | None:
    """Return where the table of a machine is kept; None where the system has no place for what is kept."""
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("onnxprune")
    except RuntimeError:  # of newer versions; older ones name a folder that is called ~
        return None
    return folder / f"latency-{machine.slug}-{threads}.json" if folder.is_absolute() else None


def kept(path: Path | None) -> Table | None:
    """Return the table of earlier runs; None where there is none, or one that is damaged or of another version."""
    try:
        return None if path is None else Table.load(path)
    except DataError:
        return None


def keep(table: Table, path: Path | None) -> str | None:
    """Keep a table for the next time, with what other runs have added meanwhile; return why that cannot be, if so."""
    if path is None:
        return "measured times are not kept: this system has no folder for what is kept between runs"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            others = kept(path)
            if others is not None:
                table.merge(others)
            table.save(path)
    except (OSError, OutputError) as error:
        return f"measured times are not kept: {error}"
    return None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file, so that no other run reads, adds and writes in between; after half a minute go on without."""
    with path.open("ab") as stream:
        until = time.monotonic() + PATIENCE
        while lock(stream.fileno()) is False and time.monotonic() < until:
            time.sleep(PAUSE)
        yield
