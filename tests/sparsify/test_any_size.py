"""Large models: weights are read and written in parts, so that memory does not grow with the model."""

from __future__ import annotations

import json
import subprocess
import sys
from math import prod
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import plain, values
from onnx import external_data_helper, numpy_helper

import onnxprune
from onnxprune import external
from onnxprune.model import Model

ROOT = Path(__file__).parents[2]
SIZE, WIDTH, VOCABULARY = "100MB", 512, 4000
FIXED_OVERHEAD, TENSORS = 60 << 20, 3
"""What a run may take beyond its imports: bytes, and times the largest tensor. (Permuting channels takes more.)"""

CHILD = """
import json, sys
from pathlib import Path

def peak():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

import onnxprune
from onnxprune.pipeline import prune_model
before = peak()
model, out, granularity = sys.argv[1:]
result = onnxprune.prune(model, granularity=granularity, calibration="none", permute=False)
result.save(out)
print(json.dumps({"grown": peak() - before, "sparsity": result.report.sparsity, "verified": result.report.verified}))
"""


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of 100 MB with external data."""
    path = tmp_path_factory.mktemp("large") / "decoder.onnx"
    options = ["--size", SIZE, "--width", str(WIDTH), "--vocabulary", str(VOCABULARY)]
    subprocess.run([sys.executable, ROOT / "tools" / "make_large_model.py", path, *options], check=True)
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc to see the peak of memory")
@pytest.mark.parametrize("granularity", ["element", "2:4"])
def test_memory_stays_far_below_the_model(decoder: Path, granularity: str, tmp_path: Path) -> None:
    out = tmp_path / "out.onnx"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, decoder, out, granularity], stdout=subprocess.PIPE, text=True, check=True
    )
    facts = json.loads(done.stdout)
    size = decoder.with_name("decoder.onnx.data").stat().st_size
    largest = max(4 * prod(tensor.dims) for tensor in onnx.load(decoder, load_external_data=False).graph.initializer)
    assert size > 90e6 and facts["grown"] < FIXED_OVERHEAD + TENSORS * largest < size
    assert facts["verified"]["verdict"] == "proved"
    onnx.checker.check_model(out, full_check=True)
    zeros = facts["sparsity"]["zeros"]
    assert zeros["after"] == facts["sparsity"]["weights"] // 2
    assert zeros["before"] < 10  # a random number may be zero


def stored_outside(proto: onnx.ModelProto, path: Path) -> Path:
    """Write a model with all its weights in a file beside it."""
    external_data_helper.convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, path)
    return path


@pytest.mark.parametrize("granularity", ["element", "2:4", "block:2x2"])
@pytest.mark.parametrize("window", [64, 1 << 20])
def test_weights_outside_get_the_zeros_of_weights_inside(
    granularity: str, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "WINDOW", window)
    source = stored_outside(plain(), tmp_path / "net.onnx")
    options = (
        {"granularity": granularity, "calibration": "none", "permute": False}
        if granularity == "2:4"
        else {"granularity": granularity, "calibration": "none"}
    )
    inside, outside = (onnxprune.prune(model, **options) for model in (plain(), source))
    outside.save(tmp_path / "out.onnx")
    assert inside.report.sparsity == outside.report.sparsity
    for found in (onnx.load(tmp_path / "out.onnx"), outside.model):
        for name, value in values(inside.model).items():
            np.testing.assert_array_equal(values(found)[name], value)


def test_the_input_file_stays_as_it_is(tmp_path: Path) -> None:
    source = stored_outside(plain(), tmp_path / "net.onnx")
    before = (tmp_path / "weights.bin").read_bytes()
    onnxprune.prune(source, granularity="element", calibration="none").save(tmp_path / "out.onnx")
    assert (tmp_path / "weights.bin").read_bytes() == before


def test_before_it_is_written_a_report_says_what_was_promised(tmp_path: Path) -> None:
    source = stored_outside(plain(), tmp_path / "net.onnx")
    result = onnxprune.prune(source, 0.5, granularity="element", calibration="none", check=False)
    assert result.report.sparsity is not None
    promised = result.report.sparsity["zeros"]
    assert promised["before"] is None and promised["after"] == round(result.report.sparsity["weights"] / 2)
    result.save(tmp_path / "out.onnx")
    assert result.report.sparsity["zeros"] == {"before": 0, "after": promised["after"]}


def test_writing_tells_how_far_it_is(tmp_path: Path) -> None:
    source = stored_outside(plain(), tmp_path / "net.onnx")
    seen: list[tuple[str, float]] = []
    result = onnxprune.prune(source, granularity="element", calibration="none")
    result.save(tmp_path / "out.onnx", on_phase=lambda *at: seen.append(at))
    shares = [share for name, share in seen if name == "writing"]
    assert len(shares) > 2 and shares == sorted(shares) and shares[-1] == 1


def test_two_tensors_at_one_place_in_the_file_are_told_apart(tmp_path: Path) -> None:
    """A weight and a table that happen to share their bytes: only the weight gets zeros."""
    proto = plain()
    shared = numpy_helper.to_array(proto.graph.initializer[0])
    source = stored_outside(proto, tmp_path / "net.onnx")
    loaded = onnx.load(source, load_external_data=False)
    twin = loaded.graph.initializer.add()
    twin.CopyFrom(loaded.graph.initializer[0])
    twin.name = "twin"
    onnx.save(loaded, source)
    onnxprune.prune(source, 0.9, granularity="element", calibration="none").save(tmp_path / "out.onnx")
    found = values(onnx.load(tmp_path / "out.onnx"))
    np.testing.assert_array_equal(found["twin"], shared)
    assert (found[proto.graph.initializer[0].name] == 0).any()


def test_parts_of_a_tensor_are_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "WINDOW", 100)
    model = Model.load(stored_outside(plain(), tmp_path / "net.onnx"))
    for tensor in model.tensors():
        if len(tensor.dims) > 1:
            parts = [part.copy() for part in model.parts(tensor, 2)]
            np.testing.assert_array_equal(np.concatenate(parts), model.array(tensor))
            assert all(len(part) % 2 == 0 for part in parts[:-1])
