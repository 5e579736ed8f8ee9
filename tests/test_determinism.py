"""The same input, options, seed and versions give the same bytes: in other processes and surroundings as well.

Where samples are used, sums are taken by BLAS, and their last bits depend on how many threads it has: there the number
is held, and what another number changes is bounded.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import branchy, values, write

ROOT = Path(__file__).parents[1]
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
TWO = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
ELSEWHERE = {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}

DIGITS = ["--calibration", str(ROOT / "models" / "digits_calibration.npz"), "--samples", "64"]
WITHOUT_SAMPLES = {
    "channels by lamp": ["--calibration", "none"],
    "channels by chance": ["--calibration", "none", "--criterion", "random", "--amount", "0.3"],
    "a simplified model": ["--calibration", "none", "--simplify"],
    "zeros": ["--granularity", "element", "--amount", "0.8"],
    "zeros in blocks": ["--granularity", "block:1x4"],
}
WITH_SAMPLES = {
    "channels by what can be repaired": DIGITS,
    "made up samples": ["--samples", "32"],
    "least squares": [*DIGITS, "--recover", "least-squares", "--criterion", "wanda"],
    "zeros by what can be repaired": [*DIGITS, "--granularity", "element", "--criterion", "obs"],
    "2:4 with permutation": [*DIGITS, "--granularity", "2:4"],
    "as much as a drop allows": [*DIGITS, "--max-drop", "0.2"],
}
Files = Mapping[str, bytes]


def start(model: str, folder: Path, options: list[str], **surroundings: str) -> subprocess.Popen[str]:
    """Start a run in a process of its own; its outputs go to the folder, which may be given relative to it or not."""
    folder.mkdir(exist_ok=True)
    named = ["--output", "out.onnx", "--plan", "plan.json"]
    reports = [text for kind in ("json", "html", "md") for text in ("--report", f"report.{kind}")]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT), **surroundings}
    command = [sys.executable, "-m", "onnxprune", "prune", model, *named, *reports, "--quiet", *options]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def written(run: subprocess.Popen[str], folder: Path) -> Files:
    """Wait for a run, and return the files that it wrote, without the times and places that they tell."""
    _, errors = run.communicate(timeout=600)
    assert run.returncode == 0, errors
    return {path.name: timeless(path, folder) for path in sorted(folder.iterdir()) if path.name != "model.onnx"}


def timeless(path: Path, folder: Path) -> bytes:
    """The content of a file without what depends on when and where it was written."""
    content = path.read_bytes()
    if path.name == "report.json":
        facts = json.loads(content)
        facts.pop("seconds")
        content = json.dumps(facts).encode()
    if path.name == "report.html":
        # The table of times, and their sum.
        content = re.sub(rb"<[^>]*>[\d.,]+ (ms|s)\b[^<]*<", b"<", re.sub(rb"width:[\d.]+%", b"", content))
        content = re.sub(rb'<data value="[\d.]+">', b"", content)
    return content.replace(str(folder).encode() + b"/", b"")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(branchy(), tmp_path_factory.mktemp("models") / "model.onnx")


def compared(model: Path, folder: Path, options: list[str], *surroundings: dict[str, str]) -> list[Files]:
    """Run once in each of some surroundings, side by side."""
    folders = [folder / str(place) for place in range(len(surroundings))]
    runs = [start(str(model), own, options, **around) for own, around in zip(folders, surroundings, strict=True)]
    return [written(run, own) for run, own in zip(runs, folders, strict=True)]


def differing(one: Files, other: Files) -> list[str]:
    """The files that are not the same."""
    assert one.keys() == other.keys() and {"out.onnx", "plan.json"} <= one.keys()
    return [name for name in one if one[name] != other[name]]


def test_without_samples_every_byte_is_the_same_whatever_the_surroundings(model: Path, tmp_path: Path) -> None:
    options = WITHOUT_SAMPLES["channels by lamp"]
    one, other = compared(model, tmp_path, options, ONE, {**TWO, **ELSEWHERE})
    assert differing(one, other) == []


def test_with_samples_every_byte_is_the_same_with_as_many_threads(model: Path, tmp_path: Path) -> None:
    one, other = compared(model, tmp_path, ["--samples", "16"], ONE, {**ONE, **ELSEWHERE})
    assert differing(one, other) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", WITHOUT_SAMPLES)
def test_trained_models_without_samples(how: str, tmp_path: Path) -> None:
    trained = ROOT / "models" / "mobile_net.onnx"
    around = [ONE, {**TWO, **ELSEWHERE}, {"PYTHONHASHSEED": "random"}]
    first, *others = compared(trained, tmp_path, WITHOUT_SAMPLES[how], *around)
    assert [differing(first, other) for other in others] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize("how", WITH_SAMPLES)
def test_trained_models_with_samples(how: str, tmp_path: Path) -> None:
    trained = ROOT / "models" / "mobile_net.onnx"
    around = [ONE, {**ONE, **ELSEWHERE}, {**ONE, "PYTHONHASHSEED": "random"}]
    first, *others = compared(trained, tmp_path, WITH_SAMPLES[how], *around)
    assert [differing(first, other) for other in others] == [[], []]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["channels by what can be repaired", "least squares"])
def test_other_threads_change_the_last_bits_of_repaired_weights_alone(how: str, tmp_path: Path) -> None:
    trained = ROOT / "models" / "mobile_net.onnx"
    one, other = compared(trained, tmp_path, WITH_SAMPLES[how], ONE, TWO)
    assert one["plan.json"] == other["plan.json"]
    weights, others = (values(onnx.load_model_from_string(files["out.onnx"])) for files in (one, other))
    assert weights.keys() == others.keys()
    assert all(np.allclose(w, others[name], rtol=0, atol=1e-3 * np.abs(w).max()) for name, w in weights.items())


@pytest.mark.slow
def test_a_model_named_by_a_relative_path_gives_the_same(model: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "relative", tmp_path / "whole"]
    for folder in folders:
        folder.mkdir()
        (folder / "model.onnx").write_bytes(model.read_bytes())
    options = WITHOUT_SAMPLES["channels by lamp"]
    one = written(start("model.onnx", folders[0], options, **ONE), folders[0])
    other = written(start(str(folders[1] / "model.onnx"), folders[1], options, **ONE), folders[1])
    assert differing(one, other) == []
