"""Giving files their names, all at once or none: what was there before comes back where a run fails or is killed.

Several files cannot be renamed in one step. So it is first written down what takes whose place; the old ones step
aside, the last one first, which may name the others; the new ones take their places, the last one last; then the note
is removed. Whoever finds a note that nobody holds puts everything back. At no moment is there a new file beside old
ones that belong to another.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onnxprune.files.locks import settle_on_disk
from onnxprune.files.parts import ASIDE, JOURNAL, PART, PREFIX, abandoned, part


@dataclass(frozen=True)
class Move:
    """One file of a folder: the name that it gets, its inode, and where what has that name now steps aside."""

    name: str
    inode: int
    aside: str | None

    def is_done(self, folder: Path) -> bool:
        """Whether the file has its name."""
        with suppress(OSError):
            return (folder / self.name).stat().st_ino == self.inode
        return False

    def undo(self, folder: Path) -> None:
        """Put back what was there before."""
        if self.aside is None:
            if self.is_done(folder):
                (folder / self.name).unlink()
        elif (folder / self.aside).exists():
            (folder / self.aside).replace(folder / self.name)


def exchange(parts: Mapping[Path, Path]) -> None:
    """Rename files, given by the names that they are to have; the last may rely on the others. Raises `OSError`."""
    folders = sorted({place.parent for place in parts})
    with uninterrupted():
        if len(parts) == 1:
            [(place, temporary)] = parts.items()
            temporary.replace(place)
        else:
            _exchange_all(parts, folders)
        for folder in folders:
            settle_on_disk(folder)


def _exchange_all(parts: Mapping[Path, Path], folders: Sequence[Path]) -> None:
    moves = {place: _move(place, temporary) for place, temporary in parts.items()}
    with ExitStack() as noted:
        for folder in folders:
            own = [move for place, move in moves.items() if place.parent == folder]
            noted.enter_context(_note(folder, own))
        try:
            for place, move in reversed(moves.items()):
                if move.aside is not None:
                    place.replace(place.parent / move.aside)
            for folder in folders:
                settle_on_disk(folder)
            for place, temporary in parts.items():
                temporary.replace(place)
        except BaseException:
            for place, move in reversed(moves.items()):
                move.undo(place.parent)
            raise
    for place, move in moves.items():
        if move.aside is not None:
            (place.parent / move.aside).unlink()


def _move(place: Path, temporary: Path) -> Move:
    aside = temporary.with_suffix(ASIDE).name if place.is_symlink() or place.exists() else None
    return Move(place.name, temporary.stat().st_ino, aside)


@contextmanager
def _note(folder: Path, moves: Sequence[Move]) -> Iterator[None]:
    """Write down in a folder what is about to happen there, for as long as it does."""
    with part(folder, JOURNAL) as (_, stream):
        stream.write(json.dumps([asdict(move) for move in moves]).encode())
        stream.flush()
        yield


def tidy(folder: Path) -> None:
    """Put a folder into the state before a run was killed in it: no file half exchanged, and none left behind."""
    for note in abandoned(folder, JOURNAL):
        moves = _moves(note)
        if not all(move.is_done(folder) for move in moves):
            for move in reversed(moves):
                move.undo(folder)
        note.unlink()
    for suffix in (PART, ASIDE):
        for left in abandoned(folder, suffix):
            left.unlink()


def _moves(note: Path) -> list[Move]:
    """Read what was written down; nothing where the run was killed while it wrote, for then it had not begun."""
    try:
        moves = [Move(**move) for move in json.loads(note.read_bytes())]
    except (ValueError, TypeError, RecursionError):
        return []
    return moves if all(_is_ours(move) for move in moves) else []


def _is_ours(move: Any) -> bool:
    """Whether a move is one of a file in its own folder: a note may be anybody's."""
    names = [move.name, *([] if move.aside is None else [move.aside])]
    is_plain = all(isinstance(name, str) and name == Path(name).name for name in names)
    return is_plain and (move.aside is None or (move.aside.startswith(PREFIX) and move.aside.endswith(ASIDE)))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the end. Only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    usual = signal.signal(signal.SIGINT, lambda number, frame: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if arrived:
        raise KeyboardInterrupt
