"""`onnxprune check` and `onnxprune targets`, and the verdict at the end of a prune."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from command import error_line, run, run_json, strict_json
from graphs import Graph
from networks import plain, write

import onnxprune
from onnxprune.targets import names


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


def unknown_operator(folder: Path) -> Path:
    g = Graph()
    x = g.unknown(g.input(2, 16), shape=[2, 16])
    g.output(g.gemm(x, 8))
    return write(g.model(), folder / "odd.onnx")


@pytest.mark.parametrize("target", names())
def test_a_plain_network_is_ready_for_every_target(model: Path, target: str) -> None:
    found = run_json("check", model, "--target", target)
    assert found["ready"] is True and found["target"] == target
    assert {"requirement", "status", "found", "why", "do", "source"} <= found["findings"][0].keys()


def test_without_a_target_it_is_onnxruntime(model: Path) -> None:
    assert run_json("check", model)["target"] == "onnxruntime"


def test_a_model_that_is_not_ready_exits_1_and_prints_its_json_all_the_same(tmp_path: Path) -> None:
    result = run("check", unknown_operator(tmp_path), "--json")
    found = strict_json(result.stdout)
    assert result.exit_code == 1 and found["ready"] is False
    (operators,) = (each for each in found["findings"] if each["requirement"] == "operators")
    assert operators["status"] == "not met" and operators["details"] == {"operators": {"acme:Frobnicate": 1}}


def test_the_table_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    result = run("check", unknown_operator(tmp_path), "--target", "tensorrt")
    assert result.exit_code == 1
    assert "not ready for NVIDIA TensorRT" in result.stdout and "acme:Frobnicate" in result.stdout
    assert "plugin" in result.stdout and "trtexec --onnx=" in result.stdout


def test_from_python_it_is_the_same_verdict(model: Path) -> None:
    found = onnxprune.check(onnx.load(model), "tensorrt")
    assert found.is_ready and found.as_dict()["findings"] == run_json("check", model, "-t", "tensorrt")["findings"]


def test_an_unknown_target_is_one_line(model: Path) -> None:
    for command in (("check", model), (model,)):
        assert "there is no such target; there are: " in error_line(run(*command, "--target", "toaster"), 2)


def test_a_file_that_is_no_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no model")
    assert "not an ONNX file" in error_line(run("check", path))


def test_all_targets_are_listed_with_their_facts_and_sources() -> None:
    assert all(name in run("targets").stdout for name in names())
    assert run_json("targets").keys() == set(names())
    shown = run("targets", "tensorrt").stdout
    assert "opsets" in shown and "https://" in shown
    assert error_line(run("targets", "toaster"), 2).startswith("error: --target toaster")


def test_every_prune_ends_with_a_verdict(model: Path) -> None:
    result = run(model, "--calibration", "none", "--target", "tensorrt")
    assert "ready for NVIDIA TensorRT" in result.stdout and "trtexec --onnx=" in result.stdout


def test_widths_are_those_that_the_target_wants(tmp_path: Path) -> None:
    g = Graph()
    x = g.add("Relu", g.conv(g.image(), 96, kernel=3))
    g.finish(g.add("Relu", g.conv(x, 96, kernel=3)))
    path = write(g.model(), tmp_path / "wide.onnx")
    for target, width in (("tensorrt", 8), ("tensorrt-int8", 32)):
        options = ("--target", target, "--amount", "0.3", "--calibration", "none", "--overwrite")
        report = run_json(path, *options)
        assert all(dim["kept"] % width == 0 for dim in report["dims"]) or report["width"] < width
        assert report["options"]["target"] == target
    assert any(dim["kept"] < dim["size"] for dim in report["dims"])


def test_weights_that_the_target_would_not_use_a_pattern_in_stay_dense(tmp_path: Path) -> None:
    g = Graph()
    x = g.add("Relu", g.conv(g.image(8), 32, kernel=3))
    g.output(g.conv(g.add("Relu", g.conv(x, 32)), 12))
    path = write(g.model(), tmp_path / "net.onnx")

    def left(*options: str) -> dict[str, str]:
        report = run_json(path, "--granularity", "2:4", "--calibration", "none", "--overwrite", *options)
        return {entry["name"]: entry["reason"] for entry in report["not_pruned"]}

    first, _, last = (node.input[1] for node in g.nodes if node.op_type == "Conv")
    assert left().keys() == set() and left("--target", "tensorrt").keys() == {first, last}
    reasons = left("--target", "tensorrt")
    assert reasons[first] == "tensorrt would not use 2:4 zeros in it: its 8 input channels are not a multiple of 16"
    assert reasons[last] == "tensorrt would not use 2:4 zeros in it: its 12 outputs are not a multiple of 8"
