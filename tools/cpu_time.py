"""The CPU time of the pages of a Chromium, as Linux tells it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

PROCESSES = Path("/proc")


def renderer_cpu_ms(browser: int | None) -> float:
    """Return the milliseconds that the main threads of a browser's pages have computed; 0 where it is not known."""
    if browser is None or not PROCESSES.is_dir():
        return 0.0
    return sum(int(file.read_text().split()[0]) for file in _clocks(browser)) / 1e6


@lru_cache(maxsize=1)
def _clocks(browser: int) -> list[Path]:
    """Return the files that tell it, by when the page that asks is there."""
    pages = [process for process in _below(browser, _parents()) if b"--type=renderer" in _command(process)]
    return [file for process in pages if (file := PROCESSES / str(process) / "schedstat").is_file()]


def _parents() -> dict[int, int]:
    found = {}
    for status in PROCESSES.glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2]
        except OSError:  # it has ended meanwhile
            continue
        found[int(status.parent.name)] = int(after_name.split()[1])
    return found


def _below(root: int, parents: dict[int, int]) -> Iterator[int]:
    yield root
    for child in [process for process, parent in parents.items() if parent == root]:
        yield from _below(child, parents)


def _command(process: int) -> bytes:
    try:
        return (PROCESSES / str(process) / "cmdline").read_bytes()
    except OSError:
        return b""
