"""`onnxprune profile`, and what `prune` does with its table and with a measurement. No test looks at a time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from command import error_line, run, run_json
from networks import plain, write
from rich.console import Console

from onnxprune.bench import Latency, Race, Ratio
from onnxprune.latency.stopwatch import DENSE, PRUNED, Stopwatch
from onnxprune.report import Before, Report
from onnxprune.report.terminal import show_report


@pytest.fixture(autouse=True)
def short_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variants that run too shortly to learn anything from."""
    monkeypatch.setattr("onnxprune.latency.profile.SECONDS", 0.001)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def raced(ratio: float, noise: float = 0.01) -> Race:
    times = {name: Latency(ms, ms, ms, ms) for name, ms in ((DENSE, 10.0), (PRUNED, 10.0 * ratio))}
    return Race(1, 30, "cpu", noise, 0.0, times, {PRUNED: Ratio(ratio, ratio - 0.001, ratio + 0.001, noise)})


def always(monkeypatch: pytest.MonkeyPatch, ratio: float) -> None:
    """Let every pruned model take this share of the dense model's time."""
    monkeypatch.setattr(Stopwatch, "race", lambda *_: raced(ratio))


def test_the_profile_says_where_the_time_goes_and_what_widths_would_save(model: Path) -> None:
    found = run_json("profile", model)
    assert found["latency_ms"] > 0 and found["threads"] == 1 and found["shapes"] == {"x": [2, 3, 5, 5]}
    assert "Conv" in found["operators"]
    assert [level["share"] for level in found["levels"]] == [1.0, 0.75, 0.5, 0.25]
    assert {dim["name"] for dim in found["dims"]} == {"conv1.weight[0]", "conv2.weight[0]"}
    for dim in found["dims"]:
        assert dim["widths"][-1] == dim["size"] and len(dim["widths"]) == len(dim["latency_ms"])
        assert dim["latency_ms"][-1] == pytest.approx(found["latency_ms"], abs=1e-3)


def test_the_table_that_is_written_is_one_that_prune_chooses_by(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, 0.9)
    table = tmp_path / "profile.json"
    shown = run("profile", model, "-o", table).stdout
    assert "ms a run" in shown and "conv1.weight[0]" in shown
    assert json.loads(table.read_text())["schema"] == "onnxprune-latency/1"
    given = ("--calibration", "none", "--profile", table, "--budget", "latency", "--amount", "0.05")
    files = [tmp_path / f"{n}.onnx" for n in range(2)]
    for file in files:
        run_json(model, *given, "--best-effort", "-o", file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_table_is_not_overwritten_unasked(model: Path, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text("mine")
    assert "--overwrite" in error_line(run("profile", model, "-o", tmp_path / "profile.json"))
    assert (tmp_path / "profile.json").read_text() == "mine"


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "onnxprune-latency/9"}', '{"schema": 1}'])
def test_a_table_that_is_none_is_refused(model: Path, tmp_path: Path, content: str) -> None:
    (tmp_path / "profile.json").write_text(content)
    line = error_line(run(model, "--budget", "latency", "--profile", tmp_path / "profile.json"))
    assert "latency profile" in line


def test_what_is_not_faster_is_not_written(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, 0.995)
    line = error_line(run(model, "--bench", "--calibration", "none", "-o", tmp_path / "out.onnx"))
    assert "not faster" in line and "--allow-slower" in line
    assert not (tmp_path / "out.onnx").exists()


def test_what_is_not_faster_is_written_where_that_is_allowed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, 1.2)
    given = ("--bench", "--allow-slower", "--calibration", "none", "-o", tmp_path / "out.onnx")
    latency = run_json(model, *given)["latency"]
    assert latency["ratios"]["pruned"]["verdict"] == "1.2x slower"
    assert latency["contestants"]["dense"]["median_ms"] == 10.0
    assert (tmp_path / "out.onnx").exists()


def test_zeros_that_are_not_faster_get_other_advice(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    always(monkeypatch, 1.0)
    assert "multiply zeros too" in error_line(run(model, "--bench", "-g", "element", "--dry-run"))


def test_a_plan_of_a_latency_budget_is_replayed_without_measuring(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(monkeypatch, 0.6)
    plan = tmp_path / "plan.json"
    given = ("--target-latency", "0.95x", "--best-effort", "--calibration", "none", "--plan", plan)
    run_json(model, *given, "-o", tmp_path / "out.onnx")
    monkeypatch.setattr(Stopwatch, "race", lambda *_: pytest.fail("it was measured"))
    monkeypatch.setattr(Stopwatch, "predicted", lambda *_: pytest.fail("it was profiled"))
    run_json("apply", plan, model, "-o", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "out.onnx").read_bytes()


def printed(**known: Any) -> str:
    report = Report(Before(10, 5), Before(100, 50), {"budget": "params", "requested": 0.5, "reached": 0.5}, **known)
    console = Console(file=io.StringIO(), width=200)
    show_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_terminal_says_what_was_measured_and_where() -> None:
    machine = {"processor": "A processor", "cores": 2, "onnxruntime": "1.2.3"}
    shown = printed(latency={"machine": machine, "shapes": {"x": [1, 3, 8, 8]}, **raced(0.5).as_dict()})
    for part in ("2x faster", "10 ms", "5 ms", "50.0%", "A processor", "onnxruntime 1.2.3", "threads: 1", "x 1x3x8x8"):
        assert part in shown


def test_the_terminal_says_how_each_of_several_limits_was_kept() -> None:
    limits = [{"budget": name, "requested": 0.5, "reached": share} for name, share in (("params", 0.7), ("macs", 0.51))]
    assert "params 70.0% of 50.0%, macs 51.0% of 50.0%" in printed(limits=limits)
    assert "of what was asked for" not in printed(limits=limits[:1])
