"""The oracle: runs a command on a hostile model, within bounds, and says how it ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from drafts import BROKEN, MODEL, SECRET, Draft

NURSERY = Path(__file__).with_name("nursery.py")
OUTPUT = "out/pruned.onnx"
SECONDS = 20
"""CPU time that a command may take on a model of a few kilobytes, the slowest mutations included."""

MEGABYTES = 3000
"""Address space that it may take beyond what the interpreter has with everything imported."""

READY = "ready"


class Outcome(str, Enum):
    """How a command can end. The first two are right; all others are findings."""

    OK = "ok"
    REFUSED = "refused in one line"
    UNCLEAR = "error in other than one line"
    INTERNAL = "called a mistake of ours"
    TRACEBACK = "traceback"
    CRASH = "crash"
    HANG = "hang"
    MEMORY = "too much memory"
    WROTE = "wrote outside of the output"
    READ = "read outside of the folder"
    BROKEN = "output does not load"


RIGHT = (Outcome.OK, Outcome.REFUSED)


@dataclass(frozen=True)
class Ending:
    """How a command on a model ended: what it said on stderr, and what it took."""

    outcome: Outcome
    said: str
    seconds: float
    megabytes: int


class Oracle:
    """Runs commands on drafts, in folders below `place`. It has a nursery until it is closed."""

    def __init__(self, place: Path) -> None:
        self._place = place.resolve()
        env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "COLUMNS": "9999"}
        self._nursery = subprocess.Popen(
            [sys.executable, NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
        )
        assert self._answer() == READY

    def close(self) -> None:
        """End the nursery."""
        assert self._nursery.stdin is not None and self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait()
        self._nursery.stdout.close()

    def run(self, draft: Draft, arguments: list[str], *, seconds: int = SECONDS, megabytes: int = MEGABYTES) -> Ending:
        """Write a model and run a command, which finds it as `MODEL` and may write into the folder of `OUTPUT`."""
        folder = self._place / "case"
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("in", "out", "tmp", "cache"):
            (folder / name).mkdir(parents=True)
        draft.write(folder / "in")
        before = _content(folder / "in")
        case = {"arguments": arguments, "folder": str(folder), "seconds": seconds, "megabytes": megabytes}
        case |= {"model": MODEL, "output": OUTPUT if OUTPUT in arguments else None}
        ended = self._ask(case)
        said = (folder / "stderr").read_text(errors="replace")
        outcome = _escaped(folder) or (Outcome.WROTE if _content(folder / "in") != before else None)
        outcome = outcome or _outcome(ended["code"], said, (folder / "stdout").stat().st_size > 0)
        return Ending(outcome, said, ended["seconds"], ended["megabytes"])

    def _ask(self, case: dict[str, Any]) -> dict[str, Any]:
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(json.dumps(case) + "\n")
        self._nursery.stdin.flush()
        answer = json.loads(self._answer())
        assert isinstance(answer, dict)
        return answer

    def _answer(self) -> str:
        assert self._nursery.stdout is not None
        return self._nursery.stdout.readline().strip()


def _outcome(code: int, said: str, has_told: bool) -> Outcome:
    """Say how a child ended, from its exit code (negative: a signal) and what it said."""
    lines = [line for line in said.strip().splitlines() if code or not line.startswith("warning: ")]
    if code < 0:
        return Outcome.HANG if -code in (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL) else Outcome.CRASH
    if "there is not enough memory" in said or "MemoryError" in said:
        return Outcome.MEMORY
    if "Traceback (most recent call last)" in said:
        return Outcome.TRACEBACK
    if "this is a mistake of onnxprune's" in said:
        return Outcome.INTERNAL
    if code == BROKEN:
        return Outcome.BROKEN
    if code == 0:
        return Outcome.UNCLEAR if lines else Outcome.OK
    if not lines and has_told:
        return Outcome.OK  # a verdict of `check` or `diff`
    return Outcome.REFUSED if len(lines) == 1 and lines[0].startswith("error: ") else Outcome.UNCLEAR


def _escaped(folder: Path) -> Outcome | None:
    """Say whether a child changed files outside of its folders, or read what a model has no business with."""
    allowed = [str(folder / name) + "/" for name in ("out", "tmp", "cache")] + ["/dev/"]
    for line in (folder / "files").read_text(errors="replace").splitlines():
        how, _, path = line.partition(" ")
        if how == "w" and not any(path.startswith(place) for place in allowed):
            return Outcome.WROTE
        if Path(path).name == SECRET:
            return Outcome.READ
    return None


def _content(folder: Path) -> dict[str, bytes | str]:
    """Return what is in a folder: the content of files, and where links lead."""
    files = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {str(path): str(path.readlink()) if path.is_symlink() else path.read_bytes() for path in files}
