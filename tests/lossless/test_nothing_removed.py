"""Where nothing is removed, the file is the one that onnx writes of the same model."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from decorated import decorated, with_unknown_fields
from networks import branchy, plain, shared_scale, unprunable

import onnxprune

MODELS = {
    "plain": plain,
    "branchy": branchy,
    "decorated": lambda: decorated(branchy()),
    "of a newer format": lambda: with_unknown_fields(decorated(plain(batch="N"))),
    "of an old format": lambda: decorated(shared_scale(ir=3), ir_version=3),
    "unprunable": lambda: decorated(unprunable()),
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("granularity", ["channel", "element", "block:2x2"])
@pytest.mark.parametrize("amount", [0, 1e-9])
def test_the_file_has_the_bytes_of_the_input(amount: float, granularity: str, model: str, tmp_path: Path) -> None:
    source = tmp_path / "net.onnx"
    source.write_bytes(MODELS[model]().SerializeToString())
    options = {"amount": amount, "granularity": granularity, "best_effort": True, "calibration": "none"}
    onnxprune.prune(source, check=False, **options).save(tmp_path / "out.onnx")
    onnx.save(onnx.load(source), tmp_path / "plain.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == (tmp_path / "plain.onnx").read_bytes()


def test_neither_does_a_repair_of_nothing_change_it(tmp_path: Path, few_samples: None) -> None:
    dense = decorated(branchy())
    onnxprune.prune(dense, amount=0, calibration="synthetic").save(tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx").read_bytes() == dense.SerializeToString()


def test_a_repair_with_no_zeros_to_make_up_for_changes_nothing() -> None:
    dense = plain()
    result = onnxprune.prune(dense, amount=0.0, granularity="element", calibration="synthetic", samples=16)
    assert result.model.SerializeToString(deterministic=True) == dense.SerializeToString(deterministic=True)
