"""`onnxprune sensitivity`: what it writes, what it prints, and what it refuses."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from command import error_line, files, run, run_json, strict_json
from networks import CLASSES, plain, unprunable, write

from onnxprune.axes import Mask
from onnxprune.sensitivity import load_sensitivity
from onnxprune.sensitivity.gauge import Gauge

pytestmark = pytest.mark.usefixtures("few_samples")

QUICK = ("--criterion", "l2", "--amounts", "0.5,0.25")
COUNT = 16


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(batch="N"), tmp_path / "net.onnx")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    images = np.random.default_rng(0).normal(size=(COUNT, 3, 5, 5)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", x=images, kind=np.arange(COUNT) % CLASSES)
    return tmp_path / "samples.npz"


def test_the_json_lies_beside_the_model_and_is_what_is_printed(model: Path, samples: Path) -> None:
    found = run_json("sensitivity", model, "--calibration", samples, *QUICK)
    path = model.with_name("net.sensitivity.json")
    assert strict_json(path.read_text()) == found and found["schema"] == "onnxprune-sensitivity/1"
    assert [dim["name"] for dim in found["dims"]] == ["conv1.weight[0]", "conv2.weight[0]"]
    assert [(p["amount"], p["kept"]) for p in found["dims"][0]["points"]] == [(0.25, 6), (0.5, 4)]
    assert found["request"]["samples"]["count"] == COUNT


def test_by_default_each_dim_loses_10_to_90_percent_on_made_up_samples(model: Path) -> None:
    found = run_json("sensitivity", model)
    assert [len(dim["points"]) for dim in found["dims"]] == [9, 9] and found["blocks"] == []
    assert found["request"]["criterion"] == "obs" and "synthetic" in found["request"]["samples"]["source"]


def test_the_table_has_the_most_sensitive_first_and_says_which_it_is(model: Path, samples: Path) -> None:
    shown = run("sensitivity", model, "-c", samples, "--metric", "relative-error", *QUICK).stdout
    found = load_sensitivity(model.with_name("net.sensitivity.json"))
    first, last = sorted(found.dims, key=lambda curve: -curve.mean_drop)
    assert 0 < shown.index(first.name) < shown.index(last.name)
    for words in ("'conv", "matters most", "least", "relative-error of 'fc'", "16 samples", "written to", "█"):
        assert words in shown


def test_the_table_fits_80_columns(model: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("sensitivity", model, "-c", samples, "--by", "both", "--criterion", "l2").stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert re.search(r"dim +units +10 +20 +30 +40", shown) and "2 dims whose names speak of no block" in shown


def test_accuracy_is_gone_by_where_labels_are_named(model: Path, samples: Path) -> None:
    found = run_json("sensitivity", model, "-c", samples, "--labels", "kind", *QUICK)
    assert found["metrics"] == {"fc": "accuracy"}


def test_options_reach_the_measurement(model: Path, samples: Path, tmp_path: Path) -> None:
    own = ["--by", "block", "--exclude", "fc*", "--metric", "cosine", "--judged-output", "fc", "--seed", "3"]
    found = run_json("sensitivity", model, "-c", samples, "-o", tmp_path / "other.json", *own, "--samples", "4", *QUICK)
    assert found["dims"] == [] and [block["name"] for block in found["blocks"]] == ["conv1.weight[0]"]
    expected = {"criterion": "l2", "metric": "cosine", "judged_output": "fc", "allow_norm": False, "seed": 3}
    assert expected.items() <= found["request"].items() and found["request"]["samples"]["count"] == 4
    assert files(tmp_path) == {"net.onnx", "samples.npz", "other.json"}


def test_running_it_again_measures_only_what_is_missing(
    model: Path, samples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_json("sensitivity", model, "-c", samples, *QUICK)

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        raise AssertionError("measured again")

    monkeypatch.setattr(Gauge, "drop", drop)
    assert run_json("sensitivity", model, "-c", samples, *QUICK) == first


def test_with_other_options_a_file_is_replaced_only_when_asked(model: Path, samples: Path) -> None:
    run_json("sensitivity", model, "-c", samples, *QUICK)
    other = ["sensitivity", model, "-c", samples, *QUICK, "--metric", "cosine"]
    assert "measured with metric 'auto', and now it is 'cosine'" in error_line(run(*other))
    assert run_json(*other, "--overwrite")["metrics"] == {"fc": "cosine"}


def test_an_interrupt_says_where_to_go_on_from(model: Path, samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Gauge.drop, list[int]()

    def drop(self: Gauge, masks: Mapping[str, Mask]) -> float:
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return real(self, masks)

    monkeypatch.setattr(Gauge, "drop", drop)
    result = run("sensitivity", model, "-c", samples, *QUICK)
    assert result.exit_code == 130 and "net.sensitivity.json, and the same command goes on" in result.stderr
    assert [len(curve.points) for curve in load_sensitivity(model.with_name("net.sensitivity.json")).dims] == [1]


def test_a_model_without_dims_says_so(tmp_path: Path) -> None:
    path = write(unprunable(), tmp_path / "net.onnx")
    result = run("sensitivity", path, *QUICK)
    assert result.exit_code == 0 and "nothing to measure" in result.stdout and files(tmp_path) == {"net.onnx"}


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--by", "layer"], "--by layer", 2),
        (["--amounts", "0.5,2"], "--amounts 2", 2),
        (["--amounts", "half"], "--amounts half", 2),
        (["--workers", "0"], "--workers 0", 2),
        (["--calibration", "none"], "--calibration none", 2),
        (["--criterion", "luck"], "no criterion 'luck'", 2),
        (["--metric", "beauty"], "no metric 'beauty'", 2),
        (["--judged-output", "z"], "no output 'z'", 2),
        (["--calibration", "absent.npz"], "absent.npz", 1),
        (["--plot", "curves.txt"], "--plot curves.txt: the name must end in .png or .svg", 2),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments: list[str], words: str, code: int, model: Path) -> None:
    assert words in error_line(run("sensitivity", model, *arguments), code)
    assert files(model.parent) == {"net.onnx"}


def test_a_picture_without_matplotlib_names_the_extra(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install 'onnxprune[plot]'" in error_line(run("sensitivity", model, "--plot", "curves.svg"))


def test_a_picture_has_the_curves_and_the_names_of_the_dims(model: Path, samples: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for suffix in ("svg", "png"):
        path = tmp_path / f"curves.{suffix}"
        assert run("sensitivity", model, "-c", samples, *QUICK, "--plot", path).exit_code == 0
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    drawn = ElementTree.parse(tmp_path / "curves.svg").getroot()
    assert drawn.tag.endswith("svg") and "conv2.weight[0]" in (tmp_path / "curves.svg").read_text()


def test_a_picture_never_replaces_the_model_or_the_json(model: Path) -> None:
    pytest.importorskip("matplotlib")
    named_twice = ["--plot", model.with_suffix(".svg"), "-o", model.with_suffix(".svg")]
    assert "named for two outputs" in error_line(run("sensitivity", model, *named_twice))


def test_a_picture_of_something_else_is_not_written_over(model: Path, samples: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["sensitivity", model, "-c", samples, *QUICK, "--plot", tmp_path / "curves.svg"]
    (tmp_path / "curves.svg").write_text("precious")
    assert "exists already" in error_line(run(*words)) and (tmp_path / "curves.svg").read_text() == "precious"
    assert run(*words, "--overwrite").exit_code == 0
    assert run(*words).exit_code == 0  # it goes on with the same measurements, and draws the same picture
