"""Bad input on the command line: one clear line on stderr, the right exit code, and nothing written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from command import error_line, files, run, run_json, strict_json
from networks import edit, plain, unprunable, write
from onnx import external_data_helper

pytestmark = pytest.mark.usefixtures("few_samples")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def text(folder: Path) -> Path:
    path = folder / "notes.onnx"
    path.write_text("This is not a model.\n" * 20)
    return path


def truncated(folder: Path) -> Path:
    path = folder / "cut.onnx"
    path.write_bytes(plain().SerializeToString()[:-700])
    return path


def noise(folder: Path) -> Path:
    path = folder / "noise.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(3000))
    return path


def empty_file(folder: Path) -> Path:
    path = folder / "empty.onnx"
    path.touch()
    return path


def empty_graph(folder: Path) -> Path:
    proto = plain()
    del proto.graph.node[:]
    return write(proto, folder / "nodeless.onnx")


def no_outputs(folder: Path) -> Path:
    proto = plain()
    del proto.graph.output[:]
    return write(proto, folder / "outputless.onnx")


def missing(folder: Path) -> Path:
    return folder / "absent.onnx"


def directory(folder: Path) -> Path:
    (folder / "folder.onnx").mkdir()
    return folder / "folder.onnx"


def missing_data(folder: Path) -> Path:
    proto = plain()
    external_data_helper.convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, folder / "external.onnx")
    (folder / "weights.bin").unlink()
    return folder / "external.onnx"


BAD_MODELS: dict[Callable[[Path], Path], str] = {
    text: "not an ONNX file",
    truncated: "truncated",
    noise: "not an ONNX file",
    empty_file: "empty",
    empty_graph: "the graph is empty",
    no_outputs: "no outputs",
    missing: "no such file",
    directory: "cannot be read",
    missing_data: "'weights.bin' is missing",
}


@pytest.mark.parametrize("command", [["prune"], [], ["inspect"]])
@pytest.mark.parametrize("make", BAD_MODELS, ids=lambda make: make.__name__)
def test_a_bad_model_is_refused(make: Callable[[Path], Path], command: list[str], tmp_path: Path) -> None:
    path = make(tmp_path)
    before = files(tmp_path)
    assert BAD_MODELS[make] in error_line(run(*command, path))
    assert files(tmp_path) == before


@pytest.mark.parametrize("make", BAD_MODELS, ids=lambda make: make.__name__)
def test_a_bad_model_is_refused_by_compare_and_apply(make: Callable[[Path], Path], model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run_json(model, "--plan", plan, "--dry-run")
    path = make(tmp_path)
    before = files(tmp_path)
    for arguments in ([model, path], [path, model]):
        assert BAD_MODELS[make] in error_line(run("compare", *arguments))
    assert BAD_MODELS[make] in error_line(run("apply", plan, path))
    assert files(tmp_path) == before


@pytest.mark.parametrize("name", ["notes.json", "notes.onnxtxt", "notes.textproto"])
def test_a_text_with_the_ending_of_a_text_format_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("not a model")
    assert "not an ONNX file" in error_line(run("inspect", tmp_path / name))


@pytest.mark.parametrize("path", [".", "/", ".."])
def test_a_folder_without_a_name_is_refused(path: str) -> None:
    error_line(run(path))


@pytest.mark.parametrize("amount", ["1", "1.5", "-1", "-0.01", "nan", "inf"])
def test_an_impossible_amount_is_a_usage_error(amount: str, model: Path, tmp_path: Path) -> None:
    assert "--amount" in error_line(run(model, f"--amount={amount}"), exit_code=2)
    assert files(tmp_path) == {"net.onnx"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--budget", "money"],
        ["--scope", "galaxy"],
        ["--criterion", "taste"],
        ["--round-to", "0"],
        ["--min-channels", "0"],
        ["--max-layer-amount", "0"],
        ["--max-layer-amount", "1.1"],
    ],
    ids="=".join,
)
def test_an_unknown_value_is_a_usage_error_that_repeats_it(arguments: list[str], model: Path, tmp_path: Path) -> None:
    line = error_line(run(model, *arguments), exit_code=2)
    assert arguments[0].lstrip("-") in line
    assert files(tmp_path) == {"net.onnx"}


@pytest.mark.parametrize(
    "arguments", [["net.onnx", "--amount", "abc"], ["net.onnx", "--colour", "red"], ["prune"], ["apply", "plan.json"]]
)
def test_what_cannot_be_parsed_is_a_usage_error(arguments: list[str], model: Path, tmp_path: Path) -> None:
    result = run(*(model if argument == "net.onnx" else argument for argument in arguments))
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.stderr and result.stdout == ""
    assert files(tmp_path) == {"net.onnx"}


def test_a_model_with_nothing_to_prune_is_an_error_that_says_how_far_it_got(tmp_path: Path) -> None:
    line = error_line(run(write(unprunable(), tmp_path / "net.onnx"), "--amount", "0.4"))
    assert "40%" in line and "0.0%" in line and "--best-effort" in line
    assert files(tmp_path) == {"net.onnx"}


def test_an_output_in_a_folder_that_does_not_exist_is_refused(model: Path, tmp_path: Path) -> None:
    assert "no such folder" in error_line(run(model, "-o", tmp_path / "nowhere" / "out.onnx"))
    assert "no such folder" in error_line(run(model, "-o", model / "out.onnx"))
    assert files(tmp_path) == {"net.onnx"}


def test_a_folder_as_the_output_is_refused(model: Path, tmp_path: Path) -> None:
    assert "is a folder" in error_line(run(model, "-o", tmp_path))


def test_an_existing_output_is_kept(model: Path) -> None:
    target = model.with_name("net.pruned.onnx")
    target.write_text("precious")
    assert "exists already" in error_line(run(model))
    assert target.read_text() == "precious"


@pytest.mark.parametrize("extra", [[], ["--overwrite"]])
@pytest.mark.parametrize("alias", ["same", "symlink", "hardlink"])
def test_the_input_is_never_replaced(alias: str, extra: list[str], model: Path, tmp_path: Path) -> None:
    target, before = tmp_path / "alias.onnx", model.read_bytes()
    if alias == "same":
        target = model
    elif alias == "symlink":
        target.symlink_to(model)
    else:
        target.hardlink_to(model)
    assert "would replace the input" in error_line(run(model, "-o", target, *extra))
    assert model.read_bytes() == before


def test_the_plan_may_not_be_written_over_the_input(model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    error_line(run(model, "--plan", model, "--overwrite"))
    assert model.read_bytes() == before and files(tmp_path) == {"net.onnx"}


def test_one_file_cannot_be_both_the_plan_and_the_output(model: Path, tmp_path: Path) -> None:
    error_line(run(model, "--plan", tmp_path / "out", "-o", tmp_path / "out"))
    assert files(tmp_path) == {"net.onnx"}


def test_a_plan_that_is_not_json_is_refused(model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{")
    assert "not a JSON file" in error_line(run("apply", plan, model))
    assert files(tmp_path) == {"net.onnx", "plan.json"}


def test_a_plan_of_another_network_is_refused(model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    run_json(model, "--plan", plan, "--dry-run")
    other = write(unprunable(), tmp_path / "other.onnx")
    assert "conv1.weight[0]" in error_line(run("apply", plan, other))
    assert files(tmp_path) == {"net.onnx", "plan.json", "other.onnx"}


@pytest.mark.parametrize("content", ["not npz", pytest.param("")])
def test_inputs_that_are_no_archive_are_refused(content: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "inputs.npz").write_text(content)
    assert "not an .npz" in error_line(run(model, "--verify-inputs", tmp_path / "inputs.npz"))


def test_inputs_in_a_single_array_are_refused(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "inputs.npy", np.zeros(3))
    assert "not an .npz" in error_line(run(model, "--verify-inputs", tmp_path / "inputs.npy"))


def test_inputs_of_the_wrong_name_are_refused(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", y=np.zeros(3))
    error_line(run(model, "--verify-inputs", tmp_path / "inputs.npz"))
    assert files(tmp_path) == {"net.onnx", "inputs.npz"}


@pytest.mark.parametrize("arguments", [["absent.onnx"], ["inspect", "absent.onnx"], ["apply", "absent.json", "x.onnx"]])
def test_with_json_an_error_is_an_object_on_stdout(arguments: list[str]) -> None:
    result = run(*arguments, "--json")
    assert result.exit_code == 1
    (message,) = strict_json(result.stdout).values()
    assert set(strict_json(result.stdout)) == {"error"} and message in result.stderr


def test_with_json_a_usage_error_is_an_object_too(model: Path) -> None:
    result = run(model, "--amount", "2", "--json")
    assert result.exit_code == 2 and "--amount" in strict_json(result.stdout)["error"]


def test_verbose_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in run(tmp_path / "absent.onnx", "--verbose").stderr
    assert "Traceback" not in run(tmp_path / "absent.onnx").stderr


def test_json_stays_json_where_outputs_cannot_be_compared(model: Path, tmp_path: Path) -> None:
    broken = edit(plain(), "fc.bias", lambda b: b * np.nan)
    facts = run_json("compare", model, write(broken, tmp_path / "broken.onnx"))
    assert facts["outputs"]["fc"]["max_abs"] is None or isinstance(facts["outputs"]["fc"]["max_abs"], str)


def test_models_with_other_outputs_cannot_be_compared(model: Path, tmp_path: Path) -> None:
    other = plain()
    other.graph.node[-1].output[0] = other.graph.output[0].name = "logits"
    assert "different outputs" in error_line(run("compare", model, write(other, tmp_path / "other.onnx")))


def test_when_the_model_cannot_be_written_neither_is_the_plan(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.suffix == ".onnx":
            raise OSError(28, "No space left on device")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", full)
    assert "No space left" in error_line(run(model, "--plan", tmp_path / "plan.json"))
    assert files(tmp_path) == {"net.onnx"}


def test_stderr_holds_the_message_and_nothing_else(tmp_path: Path) -> None:
    result = run(write(unprunable(), tmp_path / "net.onnx"))
    assert result.stderr == error_line(result) + "\n"


def test_an_unforeseen_error_is_one_line_that_says_whose_it_is(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr("onnxprune.run.trace", broken)
    result = run(model)
    assert result.exit_code == 1
    assert "mistake of onnxprune's (ZeroDivisionError: no such luck)" in error_line(result)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError("Unable to allocate 3.00 GiB for an array"), "not enough memory (Unable to allocate 3.00 GiB"),
        (MemoryError(), "not enough memory; fewer --samples"),
        (OSError(24, "Too many open files"), "the system does not allow it: Too many open files"),
        (OSError(13, "Permission denied", "/etc/models"), "/etc/models: Permission denied"),
    ],
)
def test_what_the_system_has_not_got_is_no_mistake_of_ours(
    error: Exception, message: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("onnxprune.pipeline.prune_model", fails)
    line = error_line(run(model))
    assert message in line and "mistake" not in line


def test_a_screen_that_takes_no_more_is_an_error_in_one_line(model: Path) -> None:
    command = [sys.executable, "-m", "onnxprune", "inspect", str(model)]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1 and result.stderr == "error: the system does not allow it: No space left on device\n"


def test_a_reader_who_left_is_no_error_to_speak_of(model: Path) -> None:
    command = [sys.executable, "-m", "onnxprune", "inspect", str(model)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    run.stdout.close()
    assert run.wait() == 1 and run.stderr is not None and run.stderr.read() == ""
    run.stderr.close()
