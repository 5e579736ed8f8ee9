"""A few whole models, as exporters write them: half of the MACs go, and mask == slice holds.

They need a folder of exported models that is not part of the project; `tools/coverage.py` runs all of it.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

import onnxprune
from onnxprune.limits import TOLERANCE
from onnxprune.model import Model
from onnxprune.readiness import check_target
from onnxprune.targets import find, names

CORPUS = os.environ.get("ONNXPRUNE_CORPUS")
MODELS = [
    "hf_bert_tiny_dynamo18",
    "hf_bert_tiny_sdpa_op17",
    "hf_llama_tiny_op17",
    "q_QDQ_tv_mobilenet_v2_op13",
    "rnn_LSTM_op14",
    "tv_shufflenet_v2_x1_0_op17",
    "tv_swin_t_dynamo18",
    "ul_yolov8n",
]

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not CORPUS, reason="ONNXPRUNE_CORPUS does not name a folder of exported models"),
]


@pytest.mark.parametrize("name", MODELS)
def test_half_of_the_macs_go_and_mask_equals_slice(name: str, tmp_path: Path) -> None:
    source = Path(CORPUS or "") / f"{name}.onnx"
    if not source.is_file():
        pytest.skip(f"the folder has no {source.name}")
    result = onnxprune.prune(source, 0.5, budget="macs", calibration="none")
    assert result.report.verified is not None
    assert result.report.verified["verdict"] == "proved"
    assert result.report.amount["reached"] >= 0.5 - TOLERANCE
    assert result.report.macs.after <= (0.5 + TOLERANCE) * result.report.macs.before
    result.save(tmp_path / "pruned.onnx")
    onnx.checker.check_model(tmp_path / "pruned.onnx", full_check=True)


@pytest.mark.parametrize("target", names())
def test_every_exported_model_can_be_checked_for_every_target(target: str) -> None:
    paths = sorted(Path(CORPUS or "").glob("*.onnx"))
    assert paths
    for path in paths:
        verdict = check_target(Model.load(path), find(target), asks=False)
        failed = [finding.seen.found for finding in verdict.findings if "could not be looked at" in finding.seen.found]
        assert not failed, path.name
