"""`--simplify` on the command line: before pruning, before looking, and again where its plan is replayed."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from command import run, run_json
from test_simplify import flattened

pytest.importorskip("onnxslim", reason="simplifying needs onnxslim: pip install 'onnxprune[simplify]'")

PURE = ("--calibration", "none", "--amount", "0.3", "--round-to", "none", "--simplify")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(flattened(), path)
    return path


def test_more_can_be_pruned_in_a_simplified_model(model: Path) -> None:
    dense, simple = run_json("inspect", model), run_json("inspect", model, "--simplify")
    assert len(simple["dims"]) > len(dense["dims"])


def test_the_report_says_what_was_done_first_and_that_outputs_are_equal(model: Path) -> None:
    report = run_json(model, *PURE)
    facts = report["simplified"]
    assert (
        facts["nodes"]["after"] < facts["nodes"]["before"]
        and facts["outputs"]["error"] <= facts["outputs"]["tolerance"]
    )
    assert report["verified"]["verdict"] == "proved" and report["options"]["simplify"] is True
    assert "simplified first (onnxslim" in run(model, *PURE, "--overwrite").stdout


def test_a_plan_is_replayed_on_a_model_that_is_simplified_again(model: Path) -> None:
    plan, first, second = (model.with_name(name) for name in ("plan.json", "first.onnx", "second.onnx"))
    run_json(model, *PURE, "--plan", plan, "-o", first)
    assert run_json("apply", plan, model, "-o", second)["simplified"] is not None
    assert first.read_bytes() == second.read_bytes()


def test_it_is_off_by_default(model: Path) -> None:
    assert run_json(model, "--best-effort", *PURE[:-1])["simplified"] is None


def test_files_of_external_data_count_among_the_bytes_before(model: Path) -> None:
    path = model.with_name("large.onnx")
    onnx.save(onnx.load(model), path, save_as_external_data=True, location="large.data", size_threshold=0)
    report = run_json(path, *PURE)
    assert report["bytes"]["before"] == path.stat().st_size + path.with_name("large.data").stat().st_size
