"""The command line as scripts rely on it: commands, options, outputs, JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from command import files, run, run_json
from golden import check_golden
from networks import other_weights, plain, unprunable, values, write

import onnxprune
from onnxprune.cli import app

pytestmark = pytest.mark.usefixtures("few_samples")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def option_facts(parameter: Any) -> dict[str, Any]:
    default = parameter.default
    return {
        "names": [*parameter.opts, *parameter.secondary_opts],
        "required": parameter.required,
        "default": default if isinstance(default, (int, float, str, bool)) else None,
        "help": getattr(parameter, "help", None),
    }


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return {"": group, **group.commands}


def test_commands_and_options_are_those_that_scripts_know() -> None:
    facts = {name: [option_facts(p) for p in command.params] for name, command in commands().items()}
    check_golden("cli", facts)


@pytest.mark.parametrize("name", commands())
def test_help_fits_80_columns_and_shows_every_option(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(key, value)
    shown = run(*filter(None, [name]), "--help").stdout
    options = [p for p in commands()[name].params if p.param_type_name == "option"]
    assert options and all(len(line) <= 80 for line in shown.splitlines())
    assert all(opt in shown for option in options for opt in option.opts)


@pytest.mark.parametrize("arguments", [pytest.param(["-h"]), ["prune", "-h"]])
def test_short_help(arguments: list[str]) -> None:
    assert run(*arguments).stdout == run(*arguments[:-1], "--help").stdout


def test_without_arguments_the_help_is_shown() -> None:
    result = run()
    assert "Usage" in result.output and "inspect" in result.output


def test_version() -> None:
    assert run("--version").stdout.strip() == f"onnxprune {onnxprune.__version__}"


def test_as_a_module_in_its_own_process(model: Path) -> None:
    command = [sys.executable, "-m", "onnxprune", str(model), "--amount", "0.3", "--samples", "8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["output"] == str(model.with_name("net.pruned.onnx"))


def test_in_its_own_process_a_failure_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onnxprune", str(tmp_path / "absent.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.strip().splitlines() == [f"error: {tmp_path / 'absent.onnx'}: no such file"]


def test_a_file_alone_means_prune(model: Path, tmp_path: Path) -> None:
    assert run(model, "-o", tmp_path / "a.onnx").exit_code == 0
    assert run("prune", model, "-o", tmp_path / "b.onnx").exit_code == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_options_may_come_before_the_file(model: Path) -> None:
    assert run("--amount", "0.3", model).exit_code == 0
    assert model.with_name("net.pruned.onnx").exists()


def test_the_default_output_lies_beside_the_input(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = model.read_bytes()
    assert run(model).exit_code == 0
    assert files(tmp_path) == {"net.onnx", "net.pruned.onnx", "elsewhere"}
    assert not files(tmp_path / "elsewhere") and model.read_bytes() == before


def test_json_is_one_object_with_what_was_promised(model: Path) -> None:
    report = run_json(model, "--amount", "0.4")
    dense, pruned = onnx.load(model), onnx.load(report["output"])
    assert report["output"] == str(model.with_name("net.pruned.onnx"))
    sizes = [sum(value.size for value in values(proto).values()) for proto in (dense, pruned)]
    assert report["params"] == {"before": sizes[0], "after": sizes[1]}
    assert report["macs"]["before"] > report["macs"]["after"] > 0
    assert report["amount"] == {"requested": 0.4, "reached": 1 - sizes[1] / sizes[0], "budget": "params"}
    assert report["verified"]["mask_equals_slice"] is True
    assert 0 <= report["verified"]["max_abs_error"] < 1e-4 and 0 <= report["verified"]["max_rel_error"] < 1e-4
    assert {"name", "reason"} == set(report["not_pruned"][0])


def test_json_reports_keep_their_form(model: Path, tmp_path: Path) -> None:
    report = run_json(model, "--amount", "0.4", "--criterion", "l2", "-o", tmp_path / "out.onnx")
    report["output"] = Path(report["output"]).name
    measured_anew = (report["verified"], report["bytes"], report["compressed"], report["seconds"])
    for measured in (*measured_anew, *report["recovery"]["layers"], *report["drift"]["outputs"].values()):
        measured.update({key: type(value).__name__ for key, value in measured.items()})
    report["saliency"] = [dict.fromkeys(report["saliency"][0])]
    shape = [dict.fromkeys(report["target"]["findings"][0])]
    report["target"] |= {"version": "str", "findings": shape, "handover": ["str"]}
    check_golden("report", report)


def test_inspections_keep_their_form(model: Path) -> None:
    check_golden("inspect", run_json("inspect", model))


def test_the_table_names_what_was_pruned_and_that_it_was_proved(model: Path) -> None:
    result = run(model)
    assert result.exit_code == 0
    for word in ("parameters", "MACs", "conv1.weight[0]", "proved", "written to"):
        assert word in result.stdout


def test_a_dry_run_reports_and_writes_nothing(model: Path, tmp_path: Path) -> None:
    report = run_json(model, "--dry-run")
    assert report["output"] is None and report["params"]["after"] < report["params"]["before"]
    assert files(tmp_path) == {"net.onnx"}


def test_without_verification_the_report_says_so(model: Path) -> None:
    report = run_json(model, "--no-verify")
    assert report["verified"] is None
    assert any("not verified" in warning for warning in report["warnings"])


def test_a_plan_replays_to_the_same_bytes(model: Path, tmp_path: Path) -> None:
    removal = ["--calibration", "none", "--plan", tmp_path / "plan.json", "-o", tmp_path / "first.onnx"]
    assert run(model, *removal).exit_code == 0
    report = run_json("apply", tmp_path / "plan.json", model, "-o", tmp_path / "second.onnx")
    assert report["warnings"] == [] and report["verified"]["verdict"] == "proved"
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_a_plan_for_another_checkpoint_is_applied_with_a_note(model: Path, tmp_path: Path) -> None:
    run(model, "--plan", tmp_path / "plan.json")
    other = write(other_weights(plain()), tmp_path / "other.onnx")
    report = run_json("apply", tmp_path / "plan.json", other)
    assert report["output"] == str(tmp_path / "other.pruned.onnx")
    assert any("another checkpoint" in warning for warning in report["warnings"])


def test_inspect_lists_dims_and_reasons(model: Path) -> None:
    found = run_json("inspect", model)
    assert [(dim["name"], dim["size"]) for dim in found["dims"]] == [("conv1.weight[0]", 8), ("conv2.weight[0]", 12)]
    per_unit = [(dim["params_per_unit"], dim["macs_per_unit"]) for dim in found["dims"]]
    assert per_unit == [(27 + 1 + 4 + 12, 50 * (27 + 12)), (8 + 1 + 4, 50 * 8 + 2 * 4)]
    assert "conv1.weight[1]" in found["dims"][0]["members"] or "conv2.weight[1]" in found["dims"][0]["members"]
    frozen = {name: group["reason"] for group in found["not_prunable"] for name in group["names"]}
    assert "input" in frozen["conv1.weight[1]"] and "output" in frozen["fc.weight[0]"]


def test_inspect_as_a_table(model: Path) -> None:
    shown = run("inspect", model).stdout
    for word in ("conv2.weight[0]", "params/unit", "2 prunable dims", "output of the model"):
        assert word in shown


def test_inspect_of_a_model_without_prunable_dims(tmp_path: Path) -> None:
    found = run_json("inspect", write(unprunable(), tmp_path / "net.onnx"))
    assert found["dims"] == [] and found["prunable_params"] == 0 and found["not_prunable"]


def test_compare_counts_and_measures_how_far_outputs_are_apart(model: Path, tmp_path: Path) -> None:
    report = run_json(model)
    facts = run_json("compare", model, report["output"])
    assert facts["params"] == report["params"] and facts["macs"] == report["macs"]
    assert facts["bytes"]["before"] == model.stat().st_size
    assert facts["outputs"]["fc"]["max_abs"] > 0
    assert run_json("compare", model, model)["outputs"]["fc"]["max_abs"] == 0


def test_compare_on_given_inputs(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "zeros.npz", x=np.zeros((2, 3, 5, 5), np.float32))
    other = write(other_weights(plain()), tmp_path / "other.onnx")
    given = run_json("compare", model, other, "--inputs", tmp_path / "zeros.npz")
    assert given["outputs"] != run_json("compare", model, other)["outputs"]
    assert "max abs difference" in run("compare", model, other).stdout


def test_verification_on_given_inputs(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.ones((2, 3, 5, 5), np.float32))
    report = run_json(model, "--verify-inputs", tmp_path / "inputs.npz")
    assert report["verified"]["mask_equals_slice"] is True


def test_options_reach_the_selection(model: Path) -> None:
    arguments = "--budget channels --criterion random --scope layer --round-to 2 --min-channels 3 --seed 7 --dry-run"
    report = run_json(model, "--amount", "0.3", "--exclude", "nothing*", "--include", "conv*", *arguments.split())
    expected = {"budget": "channels", "criterion": "random", "scope": "layer", "round_to": 2, "min_channels": 3}
    expected |= {"amount": 0.3, "seed": 7, "include": ["conv*"], "exclude": ["nothing*"]}
    assert expected.items() <= report["options"].items()
    assert all(dim["kept"] % 2 == 0 for dim in report["dims"])


def test_best_effort_takes_what_can_be_had(tmp_path: Path) -> None:
    path = write(unprunable(), tmp_path / "net.onnx")
    report = run_json(path, "--best-effort")
    assert report["amount"]["reached"] == 0 and any("0.0%" in warning for warning in report["warnings"])
    assert Path(report["output"]).exists()


def test_overwrite_replaces_an_existing_output(model: Path) -> None:
    target = model.with_name("net.pruned.onnx")
    target.write_text("old")
    assert run(model, "--overwrite").exit_code == 0
    onnx.checker.check_model(target)
