"""The phases of a run: which one it is in, how far it got, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

OnPhase: TypeAlias = "Callable[[str, float], None]"
"""Called with the name of a phase and the share of it that is done, from 0 to 1."""

PHASES = tuple(
    "reading simplifying tracing calibrating scoring permuting profiling selecting measuring slicing zeroing verifying "
    "repairing judging comparing checking".split()
)

WRITING = "writing"
"""What comes after a run: a phase of its own, whose seconds no report has."""


def in_silence(name: str, share: float) -> None:
    """Report to nobody."""


class Phases:
    """One run's way through its phases. A phase lasts until the next begins; one may be entered several times."""

    def __init__(self, on_phase: OnPhase = in_silence) -> None:
        self._on_phase = on_phase
        self._name, self._since = "", time.perf_counter()
        self._seconds: dict[str, float] = {}

    def enter(self, name: str) -> None:
        """Begin a phase."""
        self._close()
        self._name = name
        self._on_phase(name, 0.0)

    def advance(self, share: float) -> None:
        """Report how far the phase got."""
        self._on_phase(self._name, share)

    def seconds(self) -> dict[str, float]:
        """Return the wall time of every phase so far, in order, to the millisecond."""
        self._close()
        return {name: round(self._seconds[name], 3) for name in PHASES if name in self._seconds}

    def _close(self) -> None:
        now = time.perf_counter()
        if self._name:
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + now - self._since
        self._since = now
