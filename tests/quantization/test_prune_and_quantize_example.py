"""The example that prunes, quantizes and does both tells sizes and times as they are."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from quantizing import operators

TOOL = Path(__file__).parents[2] / "tools" / "prune_and_quantize.py"


@pytest.fixture(scope="module")
def tool() -> dict[str, Any]:
    return runpy.run_path(str(TOOL))


def figures(dense: int, pruned: int, quantized: int, both: int, latency: tuple[float, ...]) -> dict[str, Any]:
    names = ("dense", "pruned", "quantized", "pruned + quantized")
    rows = zip(names, (dense, pruned, quantized, both), latency, strict=True)
    return {
        name: {"bytes": size, "compressed": size, "macs": size, "latency": {"value": ratio, "noise": 0.02}}
        for name, size, ratio in rows
    }


def test_gains_are_multiplied(tool: dict[str, Any]) -> None:
    found = tool["multiplied"](figures(1000, 500, 250, 125, (1, 0.5, 0.4, 0.203)))
    assert found["bytes"] == {"product": 0.125, "both": 0.125, "reached": True}
    assert found["latency"] == {"product": 0.2, "both": 0.203, "reached": True}


def test_a_product_that_is_missed_is_said_to_be_missed(tool: dict[str, Any]) -> None:
    found = tool["multiplied"](figures(1000, 500, 250, 130, (1, 0.5, 0.4, 0.21)))
    assert not found["bytes"]["reached"]
    assert not found["latency"]["reached"]


def test_the_four_models_are_made_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx.save(networks.plain(batch="batch"), tmp_path / "net.onnx")
    images = np.random.default_rng(0).normal(size=(32, 3, 5, 5)).astype(np.float32)
    np.savez(tmp_path / "samples.npz", x=images, label=np.arange(32) % networks.CLASSES)
    words = "net.onnx --calibration samples.npz --test samples.npz --amount 0.4 --seconds 0.1 --batch-size 2"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(TOOL), *words.split(), "--folder", "made", "--json", "figures.json"])
    runpy.run_path(str(TOOL), run_name="__main__")
    assert "product of the two" in capsys.readouterr().out
    row = json.loads(Path("figures.json").read_text())["rows"]["net"]
    dense, pruned, quantized, both = row["models"].values()
    assert pruned["macs"] == both["macs"] <= 0.6 * dense["macs"] == 0.6 * quantized["macs"]
    assert both["bytes"] == Path("made/net.pruned.quantized.onnx").stat().st_size
    assert all(0 <= one["accuracy"] <= 1 for one in row["models"].values())
    assert row["products"]["latency"]["product"] == pruned["latency"]["value"] * quantized["latency"]["value"]
    made = {path.name: operators(onnx.load(path))["QuantizeLinear"] > 0 for path in Path("made").iterdir()}
    assert made == {"net.pruned.onnx": False, "net.quantized.onnx": True, "net.pruned.quantized.onnx": True}
