"""`onnxprune diff`: what it prints, its JSON, its exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from command import error_line, run, run_json, strict_json
from networks import edit, other_weights, plain, values, write

from onnxprune.report import diff as shown


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(), tmp_path / "net.onnx")


@pytest.fixture
def sliced(tmp_path: Path) -> Path:
    """The network with half of the first convolution's bias, and zeros in the second's weight."""
    proto = edit(plain(), "conv1.bias", lambda b: b[:4])
    return write(
        edit(proto, "conv2.weight", lambda w: w * (np.arange(len(w)) < 3)[:, None, None, None]), tmp_path / "b"
    )


def test_what_changed_comes_first_and_the_rest_is_counted(
    model: Path, sliced: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = run("diff", model, sliced)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and all(len(line) <= 80 for line in lines)
    (shape,) = (number for number, line in enumerate(lines) if line.split()[:4] == ["conv1.bias", "8", "→", "4"])
    (zeros,) = (number for number, line in enumerate(lines) if line.startswith("conv2.weight"))
    assert shape < zeros and "0.0% → 75.0%" in lines[zeros] and lines[zeros].split()[-1] == "conv2"
    assert "stored tensors: 2 changed, 0 removed, 0 added, 8 as they were" in lines
    assert "fc.weight" not in result.stdout
    everything = run("diff", model, sliced, "--all").stdout
    assert all(name in everything for name in values(plain()))


def test_only_so_many_rows_are_shown_unless_all_are_asked_for(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown, "MOST", 3)
    other = write(other_weights(plain()), tmp_path / "other.onnx")
    assert "and 7 more stored tensors; --all shows them" in run("diff", model, other).stdout
    assert "--all shows them" not in run("diff", model, other, "--all").stdout


def test_attributes_of_nodes_and_declared_shapes_are_shown(model: Path, tmp_path: Path) -> None:
    proto = plain()
    next(a for a in proto.graph.node[0].attribute if a.name == "pads").ints[:] = [1, 1, 1, 2]
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    text = run("diff", model, write(proto, tmp_path / "other.onnx")).stdout
    assert "input x: float32 [2, 3, 5, 5] → float32 [batch, 3, 5, 5]" in text
    assert "pads 1 → 2" in text and "nodes: 1 changed, 0 removed, 0 added" in text


@pytest.mark.parametrize(("factor", "said"), [(1.5, "by 50.0%"), (1 + 2**-14, "by 6.1e-05"), (np.inf, "other values")])
def test_how_far_values_moved_is_of_their_norm(model: Path, tmp_path: Path, factor: float, said: str) -> None:
    other = write(edit(plain(), "fc.weight", lambda w: w * np.float32(factor)), tmp_path / "other.onnx")
    assert said in run("diff", model, other).stdout


def test_links_of_nodes_are_told_in_short(model: Path, tmp_path: Path) -> None:
    proto = plain()
    proto.graph.node[2].input[0] = "conv1"
    proto.graph.node[3].input.pop()
    proto.graph.node[0].op_type = "ConvInteger"
    lines = [line.split() for line in run("diff", model, write(proto, tmp_path / "other.onnx")).stdout.splitlines()]
    relu = proto.graph.node[2].name
    assert [relu, "Relu", "inputs", "bn1", "→", "conv1"] in lines
    assert ["conv2", "Conv", "inputs", "3", "→", "2"] in lines
    assert ["conv1", "ConvInteger", "operator", "Conv", "→", "ConvInteger"] in lines


def test_names_with_brackets_are_shown_as_they_are(model: Path, tmp_path: Path) -> None:
    proto = plain()
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(3, np.float32), "[red]odd[/red]"))
    assert "[red]odd[/red]" in run("diff", model, write(proto, tmp_path / "other.onnx")).stdout


def test_json_holds_everything(model: Path, sliced: Path) -> None:
    found = run_json("diff", model, sliced)
    assert found["different"] is True and (found["before"], found["after"]) == (str(model), str(sliced))
    tensors = {tensor["name"]: tensor for tensor in found["tensors"]}
    assert tensors.keys() == values(plain()).keys()
    assert tensors["conv1.bias"]["shape"] == {"before": [8], "after": [4]}
    assert tensors["conv1.bias"]["elements_changed"] is None
    weight = tensors["conv2.weight"]
    assert weight["status"] == "changed" and weight["changed"] == ["values"] and weight["nodes"] == ["conv2"]
    assert weight["zeros"] == {"before": 0.0, "after": 0.75} and weight["elements_changed"] == 72
    assert tensors["fc.bias"]["status"] == "same" and tensors["fc.bias"]["relative_change"] == 0
    assert found["nodes"] == [] and found["nodes_touched"] == ["conv1", "conv2"]


def test_files_that_are_the_same_have_no_difference(model: Path) -> None:
    result = run("diff", model, model, "--exit-code")
    assert result.exit_code == 0 and result.stdout.splitlines()[0] == "no difference"
    assert run_json("diff", model, model)["different"] is False


def test_the_exit_code_tells_of_a_difference_only_where_that_is_asked_for(model: Path, sliced: Path) -> None:
    assert run("diff", model, sliced).exit_code == 0
    assert run("diff", model, sliced, "--exit-code").exit_code == 1
    result = run("diff", model, sliced, "--exit-code", "--json")
    assert result.exit_code == 1 and strict_json(result.stdout)["different"] is True


def test_what_cannot_be_read_is_one_line(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model", encoding="utf-8")
    assert "text.onnx: not an ONNX file" in error_line(run("diff", model, tmp_path / "text.onnx"))
    assert error_line(run("diff", tmp_path / "absent.onnx", model)).endswith("absent.onnx: no such file")
