"""`--report` and `--quiet`: files with everything that is known of a run, and hardly a word in the terminal."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from command import error_line, files, run, run_json, strict_json
from networks import plain, write

import onnxprune
from onnxprune.errors import OutputError

pytestmark = pytest.mark.usefixtures("few_samples")

PURE = ("--calibration", "none", "--amount", "0.4")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def test_one_run_writes_as_many_reports_as_are_asked_for(model: Path, tmp_path: Path) -> None:
    wanted = [tmp_path / f"report.{end}" for end in ("html", "md", "json")]
    printed = run_json(model, *PURE, *(word for path in wanted for word in ("--report", path)))
    told = strict_json(wanted[2].read_text(encoding="utf-8"))
    assert {key: told[key] for key in printed} == printed
    assert "<html" in wanted[0].read_text(encoding="utf-8") and wanted[1].read_text(encoding="utf-8").startswith("#")


def test_the_report_says_what_was_read_and_written(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    written = run_json(model, *PURE, "--report", report)["output"]
    told = strict_json(report.read_text(encoding="utf-8"))["provenance"]
    for key, path in (("input", model), ("output", Path(written))):
        assert told[key] == {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert {"python", "onnxprune", "onnx", "onnxruntime", "numpy"} <= told["versions"].keys()


def test_reports_are_written_from_python_too(model: Path, tmp_path: Path) -> None:
    result = onnxprune.prune(model, 0.4, calibration="none")
    paths = [tmp_path / f"report.{end}" for end in ("html", "md", "json")]
    result.write_reports(*paths)
    told = strict_json(paths[2].read_text(encoding="utf-8"))["provenance"]
    assert told["command"] is None and told["input"]["file"] == "net.onnx"
    assert paths[0].stat().st_size > paths[1].stat().st_size > 0
    with pytest.raises(OutputError, match="exists already"):
        result.write_reports(paths[1])


def test_a_dry_run_has_a_report_without_an_output(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    run_json(model, *PURE, "--dry-run", "--report", report)
    assert strict_json(report.read_text(encoding="utf-8"))["provenance"]["output"] is None
    assert files(tmp_path) == {"net.onnx", "report.json"}


def test_zeros_are_shown_as_pictures(model: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    run_json(model, "--granularity", "element", "--report", report)
    assert "data:image/png;base64," in report.read_text(encoding="utf-8")


def test_a_replayed_plan_has_a_report_too(model: Path, tmp_path: Path) -> None:
    plan, report = tmp_path / "plan.json", tmp_path / "report.md"
    run_json(model, *PURE, "--plan", plan, "--dry-run")
    run_json("apply", plan, model, "--report", report)
    assert "onnxprune apply" in report.read_text(encoding="utf-8")


def test_reports_of_other_kinds_and_in_the_way_are_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    assert ".html" in error_line(run(model, *PURE, "--report", tmp_path / "report.pdf"), 2)
    (tmp_path / "report.md").write_text("mine")
    assert "report.md: exists already" in error_line(run(model, *PURE, "--report", tmp_path / "report.md"))
    assert files(tmp_path) == {"net.onnx", "report.md"}


def test_quiet_prints_warnings_alone(model: Path) -> None:
    result = run(model, *PURE, "-q", "--no-verify")
    assert result.exit_code == 0 and result.stdout == ""
    assert result.stderr.startswith("warning: not verified")


def test_what_was_protected_is_told_with_the_reason(model: Path) -> None:
    report = run_json(model, *PURE, "--exclude", "conv1*", "--best-effort", "--dry-run")
    assert [entry["name"] for entry in report["protected"]] == ["conv1.weight[0]"]
    shown = run(model, *PURE, "--exclude", "conv1*", "--best-effort", "--dry-run").stdout
    assert f"protected: conv1.weight[0]: {report['protected'][0]['reason']}" in " ".join(shown.split())
