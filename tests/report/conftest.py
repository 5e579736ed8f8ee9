"""Facts to make reports of: from real runs on small networks, with all that a report may tell besides."""

from __future__ import annotations

from typing import Any

import pytest
from networks import Net

import onnxprune

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABAQAAAAA3bvkkAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="


def network() -> Any:
    net = Net(channels=4)
    stem = net.relu(net.bn("stem.bn", net.conv("stem.conv", "x", 16, kernel=3)))
    block = net.relu(net.conv("block.first", stem, 24, kernel=3))
    joined = net.node("Add", [stem, net.conv("block.second", block, 16)], "block.sum")
    return net.model(net.head(joined))


def extras() -> dict[str, Any]:
    """What a report tells of longer runs, and what the command line adds."""
    ratio = {"value": 0.75, "low": 0.74, "high": 0.76, "noise": 0.01, "verdict": "1.33x faster"}
    times = {"dense": {"median_ms": 1.5}, "pruned": {"median_ms": 1.1}}
    points = [{"amount": 0.25, "kept": 12, "drop": 0.01}, {"amount": 0.5, "kept": 8, "drop": None}]
    return {
        "bytes": {"before": 24000, "after": 15000},
        "compressed": {"before": 22000, "after": 14000},
        "latency": {
            "machine": {"processor": "a processor", "cores": 2, "onnxruntime": "1.20.0"},
            "shapes": {"x": [2, 4, 5, 5]},
            "threads": 1,
            "contestants": times,
            "ratios": {"pruned": ratio},
        },
        "curve": [
            {"amount": 0.5, "drop": 0.004, "within": True},
            {"amount": 0.75, "drop": 0.03, "within": False},
            {"amount": 0.9, "drop": None, "within": False},
        ],
        "sensitivity": {
            "metrics": {"y": "relative-error"},
            "dims": [{"name": f"dim {place}", "size": 16, "members": [], "points": points} for place in range(8)],
            "blocks": [],
        },
        "provenance": {
            "command": "onnxprune net.onnx --amount 0.4",
            "config": "amount = 0.4\n",
            "versions": {"onnxprune": "0.1.0", "onnxruntime": "1.20.0"},
            "machine": "a processor, 2 cores",
            "input": {"file": "net.onnx", "sha256": "12" * 32},
            "output": {"file": "net.pruned.onnx", "sha256": "34" * 32},
        },
        "warnings": ["not verified (--no-verify): a <warning>"],
    }


@pytest.fixture(scope="session")
def channels() -> dict[str, Any]:
    """A run that removed channels, for a target that advises and has lines to paste."""
    found = onnxprune.prune(network(), amount=0.4, target="tensorrt", calibration="synthetic")
    return found.report.as_dict()


@pytest.fixture(scope="session")
def zeros() -> dict[str, Any]:
    """A run that put 2:4 zeros into weights."""
    found = onnxprune.prune(network(), granularity="2:4", calibration="synthetic")
    data = found.report.as_dict()
    return {**data, "masks": [{"name": "stem.conv.weight", "rows": 16, "columns": 36, "png": PIXEL}]}


@pytest.fixture
def everything(channels: dict[str, Any]) -> dict[str, Any]:
    """All that a run that removed channels can tell."""
    return {**channels, **extras()}
