"""`--config`: any option from a file, overruled by the command line, refused where it makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import error_line, run, run_json, strict_json
from networks import plain, write

pytestmark = pytest.mark.usefixtures("few_samples")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def config(folder: Path, text: str) -> Path:
    path = folder / "prune.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_options_come_from_the_file(model: Path, tmp_path: Path) -> None:
    path = config(
        tmp_path, 'amount = 0.3\nbudget = "macs"\nround_to = "4"\nexclude = ["none*", "no*"]\nbest-effort = true\n'
    )
    options = run_json(model, "--config", path, "--calibration", "none")["options"]
    assert (options["amount"], options["budget"], options["round_to"]) == (0.3, "macs", 4)
    assert options["exclude"] == ["none*", "no*"] and options["best_effort"] is True


def test_the_command_line_overrules_the_file(model: Path, tmp_path: Path) -> None:
    path = config(tmp_path, 'amount = 0.3\ncalibration = "none"\n')
    assert run_json(model, "--config", path, "--amount", "0.2")["options"]["amount"] == 0.2


def test_the_report_holds_the_equivalent_file(model: Path, tmp_path: Path) -> None:
    asked = ("--amount", "0.3", "--exclude", "none*", "--no-permute", "--granularity", "2:4", "--calibration", "none")
    report = tmp_path / "report.json"
    first = tmp_path / "first.onnx"
    run_json(model, *asked[2:], "--report", report, "-o", first)
    told = strict_json(report.read_text(encoding="utf-8"))["provenance"]
    words = f"--granularity 2:4 --exclude 'none*' --no-permute --calibration none --output {first}"
    assert told["command"] == f"onnxprune prune {model} {words}"
    second = tmp_path / "second.onnx"
    run_json(model, "--config", config(tmp_path, told["config"]), "-o", second)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amout = 0.3", "there is no option 'amout'; there are: "),
        ("model = 'other.onnx'", "there is no option 'model'"),
        ("amount = ", "not TOML"),
    ],
)
def test_what_makes_no_sense_is_one_line(model: Path, tmp_path: Path, text: str, said: str) -> None:
    assert said in error_line(run(model, "--config", config(tmp_path, text)), 2)


def test_a_value_of_the_wrong_kind_is_refused(model: Path, tmp_path: Path) -> None:
    result = run(model, "--config", config(tmp_path, "amount = 'much'"))
    assert result.exit_code == 2 and "amount" in result.stderr


def test_a_file_that_is_not_there_is_one_line(model: Path, tmp_path: Path) -> None:
    assert "cannot be read" in error_line(run(model, "--config", tmp_path / "none.toml"), 2)
