"""The .ort file and its list of operators, written with the model or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from command import error_line, files, run, run_json
from networks import plain, write

import onnxprune
from onnxprune.errors import OutputError

OPTIONS = ("--target", "ort-mobile", "--calibration", "none", "--amount", "0.3")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def test_a_phone_gets_its_own_format_and_what_a_reduced_build_needs(model: Path) -> None:
    report = run_json(model, *OPTIONS)
    folder = model.parent
    written = {"net.pruned.onnx", "net.pruned.ort", "net.pruned.required_operators.config"}
    assert files(folder) == {"net.onnx", *written}
    (made,) = report["target"]["files"]
    assert {Path(name).name for name in made["files"]} == written - {"net.pruned.onnx"}
    assert made["platform"] == "arm" and made["max_rel_error"] < 1e-5
    assert "ai.onnx;" in (folder / "net.pruned.required_operators.config").read_text()


def test_the_file_for_the_phone_computes_what_the_model_computes(model: Path) -> None:
    run_json(model, *OPTIONS)
    sessions = [onnxruntime.InferenceSession(model.with_suffix(end)) for end in (".pruned.onnx", ".pruned.ort")]
    shape = [2, *sessions[0].get_inputs()[0].shape[1:]]
    feeds = {sessions[0].get_inputs()[0].name: np.random.default_rng(0).standard_normal(shape, np.float32)}
    outputs = [session.run(None, feeds) for session in sessions]
    for wanted, given in zip(*outputs, strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-5)


def test_nothing_is_written_where_one_of_the_files_is_there_already(model: Path) -> None:
    model.with_name("net.pruned.ort").write_text("mine")
    assert "net.pruned.ort: exists already" in error_line(run(model, *OPTIONS))
    assert files(model.parent) == {"net.onnx", "net.pruned.ort"}
    with pytest.raises(OutputError, match=r"net\.pruned\.ort: exists already"):
        onnxprune.prune(model, 0.3, target="ort-mobile", calibration="none").save(model.with_name("net.pruned.onnx"))
    assert files(model.parent) == {"net.onnx", "net.pruned.ort"}


def test_other_targets_get_the_model_alone(model: Path) -> None:
    report = run_json(model, "--calibration", "none", "--amount", "0.3")
    assert files(model.parent) == {"net.onnx", "net.pruned.onnx"} and report["target"]["files"] == []
