"""The command itself, killed or interrupted at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from command import files
from networks import plain, write

COMMAND = "from onnxprune.__main__ import main\nprint(flush=True)\nmain()"
"""Says a word as soon as Python has started and found the program: what happens before is not ours."""


def started(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start to prune the network of a folder, and wait until Python is there."""
    words = ["net.onnx", "-o", "out.onnx", "--samples", "16", "--plan", "plan.json", "--overwrite", *more]
    run = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    run.stdout.readline()
    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a network, whose weights lie beside it, and what pruning it gives."""
    proto = plain()
    onnx.save(proto, tmp_path / "net.onnx", save_as_external_data=True, size_threshold=0, location="net.data")
    return tmp_path


OUTPUTS = ("out.onnx", "out.onnx.data", "plan.json")


def contents(folder: Path) -> list[bytes | None]:
    """The outputs that are there."""
    return [(folder / name).read_bytes() if (folder / name).exists() else None for name in OUTPUTS]


@pytest.mark.slow
def test_killed_at_fifty_moments_the_old_output_is_there_or_none(folder: Path) -> None:
    """And what the next run gives is what it gives without all that."""
    began = time.monotonic()
    assert started(folder, "-a", "0.3").communicate() and contents(folder)[0]
    seconds = time.monotonic() - began
    old = contents(folder)
    assert started(folder, "-a", "0.6").communicate()
    new = contents(folder)
    rng, killed = random.Random(0), 0
    for _ in range(50):
        for name, content in zip(OUTPUTS, old, strict=True):
            (folder / name).write_bytes(content or b"")
        run = started(folder, "-a", "0.6")
        time.sleep(rng.random() * seconds)
        run.kill()
        run.communicate()
        killed += run.returncode == -signal.SIGKILL
        assert contents(folder) in (old, new) or contents(folder)[0] is None
    assert killed > 25
    started(folder, "-a", "0.6").communicate()
    assert contents(folder) == new and files(folder) == {"net.onnx", "net.data", *OUTPUTS}


@pytest.mark.parametrize("moments", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_interrupted_at_any_moment_it_ends_in_a_line_and_leaves_nothing(moments: int, folder: Path) -> None:
    rng, stopped = random.Random(moments), 0
    for _ in range(moments):
        run = started(folder, "-a", "0.6")
        time.sleep(0.05 + rng.random() * 0.8)
        os.kill(run.pid, signal.SIGINT)
        _, said = run.communicate()
        assert run.returncode in (0, 130)
        if run.returncode == 130:
            stopped += 1
            assert len(said.strip().splitlines()) == 1, said
            assert files(folder) == {"net.onnx", "net.data"} or files(folder) == {"net.onnx", "net.data", *OUTPUTS}
        for name in OUTPUTS:
            (folder / name).unlink(missing_ok=True)
    assert stopped


def test_nothing_is_written_anywhere_else(tmp_path: Path) -> None:
    """Neither in the home folder nor in caches nor among temporary files; onnxruntime is told not to report."""
    places = {
        name: tmp_path / name for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR")
    }
    for place in places.values():
        place.mkdir()
    (tmp_path / "work").mkdir()
    write(plain(), tmp_path / "work" / "net.onnx")
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-m", "onnxprune", "net.onnx", "--samples", "16"],
        cwd=tmp_path / "work",
        env=environment | {name: str(place) for name, place in places.items()},
        check=True,
        capture_output=True,
    )
    assert {name: files(place) for name, place in places.items()} == {name: set[str]() for name in places}
    assert files(tmp_path / "work") == {"net.onnx", "net.pruned.onnx"}
