"""The example in docs/sensitivity.md runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_docs import DOCS, blocks, execute, put_model_and_samples

from onnxprune.sensitivity import load_sensitivity


def test_the_example_measures_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put_model_and_samples(tmp_path)
    page = DOCS / "sensitivity.md"
    (example,) = blocks(page)
    execute(example, page)
    assert [curve.name for curve in load_sensitivity("model.sensitivity.json").dims] == ["onnx::Conv_327[0]"]
