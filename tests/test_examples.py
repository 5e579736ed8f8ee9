"""The numbered examples run as their first lines say, and print and write what they promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import onnxprune

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("[0-9]*.py"))


def run(name: str, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run an example as people do, and check how it ends."""
    command = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    return done


def values(text: str, pattern: str) -> list[float]:
    """The numbers that a pattern with one group finds, in order."""
    return [float(found.replace(",", "")) for found in re.findall(pattern, text)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder that an example is told to write to: it does not exist yet."""
    return tmp_path / "made"


def parameters(path: Path) -> int:
    return sum(onnx.numpy_helper.to_array(tensor).size for tensor in onnx.load(path).graph.initializer)


def test_every_example_is_listed_and_says_how_to_run_it() -> None:
    listed = re.findall(r"\]\((\d\d_\w+\.py)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8"))
    assert listed == SCRIPTS
    for name in SCRIPTS:
        assert f"python examples/{name} [FOLDER]" in (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.slow
def test_pruned_and_then_quantized_it_is_smaller_each_time_and_nearly_as_accurate(made: Path) -> None:
    printed = run("01_prune_and_quantize.py", made).stdout
    dense, pruned, both = values(printed, r"([\d,]+) bytes")
    assert pruned < 0.5 * dense and both < 0.5 * pruned
    accuracies = values(printed, r"accuracy ([\d.]+)%")
    assert len(accuracies) == 3 and min(accuracies) > 90
    assert "mask == slice: proved" in printed
    assert sorted(path.name for path in made.iterdir()) == ["pruned.int8.onnx", "pruned.onnx"]
    assert "QuantizeLinear" in {node.op_type for node in onnx.load(made / "pruned.int8.onnx").graph.node}


@pytest.mark.slow
def test_the_pattern_for_tensorrt_is_counted_and_the_engine_line_printed(made: Path) -> None:
    printed = run("02_two_four_for_tensorrt.py", made).stdout
    assert "2:4 in 15 convolutions" in printed and "ready for TensorRT" in printed
    assert "left dense: head.weight" in printed
    assert f"trtexec --onnx={made / 'sparse.onnx'} --fp16 --sparsity=enable" in printed
    assert onnxprune.check(made / "sparse.onnx", "tensorrt").is_ready


@pytest.mark.slow
def test_the_transformer_loses_the_largest_amount_within_the_drop(made: Path) -> None:
    printed = run("03_transformer_within_a_drop.py", made).stdout
    tried = {float(amount): float(drop) for amount, drop in re.findall(r"tried ([\d.]+)%: drop (-?[\d.]+)%", printed)}
    within = [amount for amount, drop in tried.items() if drop <= 2]
    assert len(tried) == 7 and min(within) > 10
    before, after = (values(printed, pattern)[0] for pattern in (r"([\d,]+) parameters", r"become ([\d,]+)"))
    assert 1 - after / before == pytest.approx(max(within) / 100, abs=0.03)
    assert parameters(made / "pruned.onnx") < parameters(ROOT / "models" / "vision_transformer.onnx")
    assert len(json.loads((made / "plan.json").read_text())["dims"]) == printed.count("units stay")


def test_the_build_passes_where_accuracy_and_target_are_met(made: Path) -> None:
    done = run("04_in_a_pipeline.py", made)
    assert "ready for onnxruntime on phones" in done.stdout and done.stderr == ""
    report = json.loads((made / "report.json").read_text())
    assert report["target"]["ready"] and report["amount"]["reached"] == pytest.approx(0.4, abs=0.02)
    assert "ready for onnxruntime on phones" in (made / "report.md").read_text(encoding="utf-8")
    assert {"pruned.onnx", "pruned.ort"} <= {path.name for path in made.iterdir()}


def test_the_build_fails_where_accuracy_is_too_low_or_the_target_not_met(made: Path, tmp_path: Path) -> None:
    model = onnx.load(ROOT / "models" / "mobile_net.onnx")
    model.graph.node.append(helper.make_node("ArgMax", ["logits"], ["chosen"], name="choice", axis=1))
    model.graph.output.append(helper.make_tensor_value_info("chosen", TensorProto.INT64, ["batch", 1]))
    onnx.save(model, tmp_path / "model.onnx")
    done = run(
        "04_in_a_pipeline.py", made, "--least", "0.999", "--target", "ncnn", "--model", tmp_path / "model.onnx",
        code=1,
    )  # fmt: skip
    too_low, not_ready = done.stderr.strip().splitlines()
    assert re.fullmatch(r"FAILED: the accuracy is \d\d\.\d\d%, below 99.90%", too_low)
    assert not_ready.startswith("FAILED: ncnn: ") and "ArgMax" in not_ready
    assert (made / "report.md").is_file()


def test_the_build_fails_with_one_line_where_there_is_nothing_to_prune(made: Path) -> None:
    done = run("04_in_a_pipeline.py", made, "--model", made / "missing.onnx", code=1)
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("FAILED: ") and "missing.onnx" in line
    assert list(made.iterdir()) == []


def test_a_graph_goes_through_graphsurgeon_pruned_and_edited_on_both_sides(made: Path) -> None:
    printed = run("05_with_graphsurgeon.py", made).stdout
    assert "mask == slice: proved" in printed
    before, after = values(printed, r"([\d,]+) stored")[0], values(printed, r"become ([\d,]+)")[0]
    assert after == parameters(made / "pruned.onnx") < 0.6 * before
    model = onnx.load(made / "pruned.onnx")
    assert [output.name for output in model.graph.output] == ["probabilities"]
    (sums,) = values(printed, r"rows sum to ([\d.]+)")
    assert np.isclose(sums, 1)
