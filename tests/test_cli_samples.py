"""The command line on samples: where they come from, repair, the largest amount within a drop, and `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import error_line, files, run, run_json
from networks import CLASSES, Array, other_weights, plain, write
from PIL import Image

from onnxprune.criteria import CRITERIA
from onnxprune.metrics import METRICS
from onnxprune.model import Model
from onnxprune.recover import RECOVERIES
from onnxprune.runtime import run as run_model

pytestmark = pytest.mark.usefixtures("few_samples")

COUNT = 24


def images(count: int = COUNT) -> Array:
    return np.random.default_rng(0).normal(size=(count, 3, 5, 5)).astype(np.float32)


def classes(model: onnx.ModelProto) -> Array:
    return run_model(Model(model), {"x": images()})[0].argmax(axis=1)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(plain(batch="N"), tmp_path / "net.onnx")


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """An .npz of samples; `kind` holds what the model itself makes of them, and `noise` goes with none."""
    labels = classes(plain(batch="N"))
    np.savez(tmp_path / "samples.npz", x=images(), kind=labels, wrong=(labels + 1) % CLASSES)
    return tmp_path / "samples.npz"


# Where samples come from


def test_samples_from_an_archive_repair_and_are_compared_on(model: Path, samples: Path) -> None:
    report = run_json(model, "--calibration", samples, "--batch-size", "4")
    assert report["recovery"]["samples"] == COUNT and report["recovery"]["real_data"] is True
    assert str(samples) in report["recovery"]["source"]
    assert report["drift"]["samples"] == 4 and report["warnings"] == []
    assert report["options"]["criterion"] == "obs" and report["options"]["recover"] == "sequential"


def test_short_for_calibration(model: Path, samples: Path) -> None:
    assert (
        run_json(model, "-c", samples)["recovery"]["source"]
        == run_json(model, "--calibration", samples, "--overwrite")["recovery"]["source"]
    )


@pytest.mark.parametrize("kind", ["array", "folder", "function"])
def test_samples_from_elsewhere(kind: str, model: Path, tmp_path: Path) -> None:
    source: Any = tmp_path / "samples.npy"
    if kind == "array":
        np.save(source, images())
    elif kind == "folder":
        source = tmp_path / "samples"
        source.mkdir()
        for number, image in enumerate(images()):
            np.save(source / f"{number:02}.npy", image)
    else:
        np.save(tmp_path / "kept.npy", images())
        code = f"import numpy as np\ndef load():\n    yield from np.load({str(tmp_path / 'kept.npy')!r})[:, None]\n"
        (tmp_path / "loader.py").write_text(code)
        source = f"{tmp_path / 'loader.py'}:load"
    assert run_json(model, "--calibration", source)["recovery"]["samples"] == COUNT


def pictures(folder: Path) -> Path:
    folder.mkdir()
    for number, image in enumerate(images(8)):
        pixels = np.clip(image.transpose(1, 2, 0) * 60 + 120, 0, 255).astype(np.uint8)
        Image.fromarray(np.kron(pixels, np.ones((2, 2, 1), np.uint8))).save(folder / f"{number}.png")
    return folder


def test_how_pixels_become_what_the_model_takes(model: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    weights = {}
    for name, options in {
        "plain": "",
        "scaled": "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        "bright": "--peak 255",
    }.items():
        out = tmp_path / f"{name}.onnx"
        arguments = [*options.split(), "--layout", "nchw", "--criterion", "l2", "-o", out]
        assert run_json(model, "--calibration", folder, *arguments)["recovery"]["samples"] == 8
        weights[name] = out.read_bytes()
    assert len(set(weights.values())) == 3


def test_open_sizes_of_images_are_asked_for(tmp_path: Path) -> None:
    proto = plain(batch="N")
    for axis in (2, 3):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    path, folder = write(proto, tmp_path / "net.onnx"), pictures(tmp_path / "pictures")
    report = run_json(path, "--calibration", folder, "--resize", "6,7")
    assert report["recovery"]["samples"] == 8


def test_labels_of_an_archive_are_gone_by(model: Path, samples: Path) -> None:
    score = run_json(model, "--calibration", samples, "--labels", "kind")["drift"]["outputs"]["fc"]
    assert score["metric"] == "accuracy" and score["dense"] == 1


def test_samples_are_at_most_as_many_as_asked_for(model: Path, samples: Path) -> None:
    assert run_json(model, "--calibration", samples, "--samples", "6")["recovery"]["samples"] == 6


def test_made_up_samples_are_the_default_and_can_be_given_a_range(model: Path) -> None:
    expected = run_json(model, "--dry-run")["recovery"]
    assert expected["real_data"] is False and expected["samples"] == 16
    found = run_json(model, "--calibration", "synthetic", "--input-range", "0,255", "--dry-run")["recovery"]
    assert found["source"] != expected["source"] and "asked for" in found["source"]
    scaled = run_json(model, "--mean", "0.5", "--std", "0.5", "--samples", "8", "--dry-run")["recovery"]
    assert scaled["samples"] == 8 and scaled["source"] not in (found["source"], expected["source"])


def test_the_memory_limit_is_a_number_of_bytes(model: Path) -> None:
    for limit in ("0", "64kB", "1.5GiB"):
        assert run(model, "--memory-limit", limit, "--dry-run").exit_code == 0


# Repair


@pytest.mark.parametrize("method", [*RECOVERIES, "none"])
def test_the_method_of_repair_can_be_named(method: str, model: Path, samples: Path) -> None:
    report = run_json(model, "--calibration", samples, "--recover", method, "--criterion", "l2")
    assert (report["recovery"] or {"method": "none"})["method"] == method


@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_criterion_can_be_named(criterion: str, model: Path, samples: Path) -> None:
    report = run_json(model, "--calibration", samples, "--criterion", criterion)
    assert report["options"]["criterion"] == criterion and report["verified"]["verdict"] == "proved"


def test_the_help_names_every_criterion_method_and_kind_of_metric() -> None:
    options = {tuple(p.opts): p.help for p in _command("prune").params if hasattr(p, "help")}
    assert all(name in options["--criterion",] for name in CRITERIA)
    assert all(name in options["--recover",] for name in (*RECOVERIES, "none", "auto"))
    assert "accuracy" in METRICS and "accuracy" in options["--metric",]


def _command(name: str) -> Any:
    import typer

    from onnxprune.cli import app

    group: Any = typer.main.get_command(app)
    return group.commands[name]


def test_the_table_tells_of_the_repair_and_of_the_outputs(model: Path, samples: Path) -> None:
    shown = " ".join(run(model, "--calibration", samples, "--batch-size", "4").stdout.split())
    for word in ("repaired 2 layers (sequential) on", "kept back from the repair", "relative-error"):
        assert word in shown
    shown = " ".join(run(model, "--calibration", samples, "--overwrite").stdout.split())
    assert "just one batch" in shown and "kept back" not in shown


def test_a_plan_is_repaired_where_samples_are_named(model: Path, samples: Path, tmp_path: Path) -> None:
    given = ["--calibration", samples, "--batch-size", "4"]
    run_json(model, *given, "--recover", "bias", "--plan", tmp_path / "plan.json", "-o", tmp_path / "first.onnx")
    removal = run_json("apply", tmp_path / "plan.json", model, "-o", tmp_path / "second.onnx")
    assert removal["recovery"] is None and removal["verified"]["verdict"] == "proved"
    repaired = run_json("apply", tmp_path / "plan.json", model, "-c", samples, "-o", tmp_path / "third.onnx")
    assert repaired["recovery"]["method"] == "bias" and repaired["recovery"]["samples"] == COUNT
    assert (tmp_path / "second.onnx").read_bytes() != (tmp_path / "third.onnx").read_bytes()


# As much as possible within a drop


def test_as_much_is_removed_as_the_outputs_allow(model: Path, samples: Path) -> None:
    request = [model, "--calibration", samples, "--batch-size", "2", "--overwrite", "--metric", "relative-error"]
    reports = [run_json(*request, "--max-drop", limit) for limit in ("0.005", "0.4")]
    for report, limit in zip(reports, (0.005, 0.4), strict=True):
        assert report["drift"]["outputs"]["fc"]["metric"] == "relative-error"
        assert report["drift"]["outputs"]["fc"]["drop"] <= limit
        assert any(step["within"] for step in report["curve"]) and report["options"]["max_drop"] == limit
    assert reports[0]["amount"]["reached"] < reports[1]["amount"]["reached"]
    shown = run(*request, "--max-drop", "0.4").stdout
    assert "amount tried" in shown and "within" in shown


def test_the_output_to_go_by_can_be_named(model: Path, samples: Path) -> None:
    report = run_json(model, "--calibration", samples, "--judged-output", "fc", "--metric", "cosine")
    assert report["drift"]["outputs"]["fc"]["metric"] == "cosine"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input-range", "0"], "--input-range 0"),
        (["--input-range", "1,0"], "--input-range"),
        (["--input-range", "low,high"], "--input-range low,high"),
        (["--memory-limit", "lots"], "--memory-limit lots"),
        (["--memory-limit", "-1"], "--memory-limit -1"),
        (["--samples", "0"], "--samples 0"),
        (["--batch-size", "0"], "--batch-size 0"),
        (["--mean", "grey"], "--mean grey"),
        (["--std", "1,"], "--std 1,"),
        (["--resize", "224"], "--resize 224"),
        (["--recover", "prayer"], "--recover prayer"),
        (["--criterion", "taste"], "no criterion 'taste'"),
        (["--metric", "taste"], "taste"),
        (["--metric", "accuracy"], "labels"),
        (["--judged-output", "elsewhere"], "no output 'elsewhere'"),
        (["--max-drop", "-0.1"], "--max-drop -0.1"),
        (["--max-drop", "nan"], "--max-drop nan"),
        (["--max-drop", "0.1", "--calibration", "none"], "--max-drop needs samples"),
        (["--criterion", "wanda", "--calibration", "none"], "--criterion wanda looks at activations"),
        (["--recover", "bias", "--calibration", "none"], "--recover bias needs samples"),
        (["--input-range", "0,1", "--mean", "0.5"], "not both"),
    ],
    ids=lambda value: "=".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_a_usage_error(
    arguments: Sequence[str], message: str, model: Path, tmp_path: Path
) -> None:
    assert message in error_line(run(model, *arguments), exit_code=2)
    assert files(tmp_path) == {"net.onnx"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such file or folder"),
        ("empty", "no .npz, .npy or image in this folder"),
        ("notes.txt", "not a kind of file"),
        ("other.npz", "'x'"),
        ("shape.npz", "input 'x' wants float32 [N, 3, 5, 5]"),
        ("broken.npz", "not a file of numbers"),
        ("nan.npz", "NaN or infinite"),
        ("nobody:knows", "nobody"),
    ],
)
def test_samples_that_cannot_be_read_or_do_not_fit_are_refused_in_one_line(
    source: str, message: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no samples")
    np.savez(tmp_path / "other.npz", a=images(), b=images())
    np.savez(tmp_path / "shape.npz", x=images()[:, :2])
    (tmp_path / "broken.npz").write_text("no archive")
    np.savez(tmp_path / "nan.npz", x=images() * np.nan)
    before = files(tmp_path)
    for arguments in ([model, "--calibration", source], ["evaluate", model, "--data", source]):
        line = error_line(run(*arguments))
        assert message in line and source.split(":")[0] in line
    assert files(tmp_path) == before


def test_a_key_of_labels_that_is_not_there_is_refused(model: Path, samples: Path) -> None:
    assert "'absent'" in error_line(run(model, "--calibration", samples, "--labels", "absent"))
    assert "'absent'" in error_line(run("evaluate", model, "--data", samples, "--labels", "absent"))


def test_options_for_images_do_not_go_with_arrays(model: Path, samples: Path) -> None:
    for options in (["--mean", "0.5"], ["--peak", "255"], ["--layout", "nhwc"], ["--resize", "5,5"]):
        assert "options for images" in error_line(run(model, "-c", samples, *options), exit_code=2)


def test_a_layout_that_does_not_exist_is_refused(model: Path, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures")
    assert "sideways" in error_line(run(model, "-c", folder, "--layout", "sideways"), exit_code=2)


def test_a_drop_that_cannot_be_kept_writes_nothing(model: Path, samples: Path, tmp_path: Path) -> None:
    request = [
        "-c",
        samples,
        "--batch-size",
        "4",
        "--max-drop",
        "0",
        "--metric",
        "relative-error",
        "--exclude",
        "conv2.bias",
    ]
    assert "--max-drop 0 cannot be kept" in error_line(run(model, *request))
    assert files(tmp_path) == {"net.onnx", "samples.npz"}


# evaluate


def test_evaluate_tells_the_accuracy(model: Path, samples: Path) -> None:
    found = run_json("evaluate", model, "--data", samples, "--labels", "kind")
    assert found["samples"] == COUNT and str(samples) in found["source"]
    assert found["outputs"]["fc"]["scores"]["accuracy"]["value"] == 1
    wrong = run_json("evaluate", model, "--data", samples, "--labels", "wrong")
    assert wrong["outputs"]["fc"]["scores"]["accuracy"]["value"] == 0


def test_evaluate_finds_labels_by_their_usual_name(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "named.npz", x=images(), labels=classes(plain(batch="N")))
    found = run_json("evaluate", model, "--data", tmp_path / "named.npz")
    assert found["outputs"]["fc"]["scores"]["accuracy"]["value"] == 1


def test_evaluate_compares_with_a_reference(model: Path, samples: Path, tmp_path: Path) -> None:
    other = write(other_weights(plain(batch="N")), tmp_path / "other.onnx")
    same = run_json("evaluate", model, "--data", samples, "--reference", model)["outputs"]["fc"]
    apart = run_json("evaluate", other, "--data", samples, "--reference", model)["outputs"]["fc"]
    assert "accuracy" not in same["scores"]
    assert same["scores"]["relative-error"]["value"] == 0 and same["max_abs"] == 0
    assert apart["scores"]["relative-error"]["value"] > 0.1 and apart["max_abs"] > 0.1
    both = ["--labels", "kind", "--reference", model]
    score = run_json("evaluate", other, "--data", samples, *both)["outputs"]["fc"]["scores"]["accuracy"]
    assert score["dense"] == 1 and score["drop"] == pytest.approx(1 - score["value"])


def test_evaluate_takes_part_of_the_samples_and_of_the_outputs(model: Path, samples: Path) -> None:
    request = ["evaluate", model, "--data", samples, "--labels", "kind"]
    assert run_json(*request, "--samples", "7", "--batch-size", "2", "--output", "fc")["samples"] == 7
    assert "no output 'elsewhere'" in error_line(run(*request, "--output", "elsewhere"), exit_code=2)


def test_evaluate_takes_all_samples_by_default(model: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "many.npz", x=images(600), y=np.zeros(600, np.int64))
    assert run_json("evaluate", model, "--data", tmp_path / "many.npz")["samples"] == 600


def test_evaluate_reads_images_as_told(model: Path, tmp_path: Path) -> None:
    request = ["evaluate", model, "--data", pictures(tmp_path / "pictures"), "--reference"]
    other = write(other_weights(plain(batch="N")), tmp_path / "other.onnx")
    found = [run_json(*request, other, *options)["outputs"] for options in ([], ["--mean", "0.5", "--std", "0.2"])]
    assert found[0] != found[1]


def test_evaluate_as_a_table(model: Path, samples: Path) -> None:
    result = run("evaluate", model, "--data", samples, "--labels", "kind", "--reference", model)
    assert result.exit_code == 0
    for word in ("accuracy", "100.00%", "reference", "drop", "largest absolute difference 0", f"{COUNT} samples"):
        assert word in result.stdout, word


def test_evaluate_needs_labels_or_a_reference(model: Path, samples: Path) -> None:
    assert "--labels" in error_line(run("evaluate", model, "--data", samples), exit_code=2)
    assert run("evaluate", model).exit_code == 2


@pytest.mark.parametrize("option", ["--reference", "model"])
def test_evaluate_refuses_a_model_that_is_not_there(option: str, model: Path, samples: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent.onnx"
    given = ["evaluate", model, "--reference", absent] if option == "--reference" else ["evaluate", absent]
    assert "no such file" in error_line(run(*given, "--data", samples))


def test_evaluate_refuses_a_reference_of_other_outputs(model: Path, samples: Path, tmp_path: Path) -> None:
    other = plain(batch="N")
    other.graph.node[-1].output[0] = other.graph.output[0].name = "logits"
    path = write(other, tmp_path / "other.onnx")
    assert "different outputs" in error_line(run("evaluate", model, "--data", samples, "--reference", path))


def test_with_json_an_error_of_evaluate_is_an_object(model: Path, samples: Path) -> None:
    result = run("evaluate", model, "--data", samples, "--json")
    assert result.exit_code == 2 and "--labels" in json.loads(result.stdout)["error"]
