"""Pruned in any way, a model is byte for byte what it was but for what its plan lists: in memory and in the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from decorated import NAMES, decorated, with_unknown_fields
from differences import assert_same
from leveled import assert_only_planned
from networks import branchy, plain, shared_scale

import onnxprune

WAYS: dict[str, dict[str, Any]] = {
    "channels": {"amount": 0.3, "round_to": "none"},
    "element": {"amount": 0.5, "granularity": "element"},
    "2:4": {"granularity": "2:4"},
    "2:4 in place": {"granularity": "2:4", "permute": False},
    "blocks": {"amount": 0.3, "granularity": "block:2x2"},
}

NETWORKS: dict[str, Callable[[], onnx.ModelProto]] = {
    "plain": lambda: decorated(plain(batch="N")),
    "branchy": lambda: decorated(branchy()),
    "shared": lambda: decorated(shared_scale()),
    "of an old format": lambda: decorated(shared_scale(ir=3), ir_version=3),
}


def samples(proto: onnx.ModelProto) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"x": rng.standard_normal((2, 3, 5, 5)).astype(np.float32)} for _ in range(8)]


def pruned(proto: onnx.ModelProto, way: str, repaired: bool = False) -> onnxprune.Result:
    return onnxprune.prune(proto, calibration=samples(proto) if repaired else "none", **WAYS[way])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_only_what_the_plan_lists_has_changed(way: str, network: str, tmp_path: Path) -> None:
    dense = NETWORKS[network]()
    before = dense.SerializeToString(deterministic=True)
    result = pruned(dense, way)
    assert_only_planned(dense, result.model, result.plan)
    result.save(tmp_path / "out.onnx")
    assert_same(result.model, onnx.load(tmp_path / "out.onnx"))
    assert dense.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("network", ["branchy", "of an old format"])
@pytest.mark.parametrize("way", WAYS)
def test_a_repair_changes_what_the_plan_lists_too_and_nothing_else(way: str, network: str, tmp_path: Path) -> None:
    dense = NETWORKS[network]()
    result = pruned(dense, way, repaired=True)
    assert result.plan.recovered
    assert_only_planned(dense, result.model, result.plan)
    result.save(tmp_path / "out.onnx")
    assert_same(result.model, onnx.load(tmp_path / "out.onnx"))


@pytest.mark.parametrize("way", WAYS)
def test_fields_of_a_newer_format_stay_in_every_message(way: str, tmp_path: Path) -> None:
    dense = with_unknown_fields(decorated(branchy()))
    result = pruned(dense, way)
    assert_only_planned(dense, result.model, result.plan)
    result.save(tmp_path / "out.onnx")
    assert_same(result.model, onnx.load(tmp_path / "out.onnx"))


@pytest.mark.parametrize("way", ["channels", "element"])
def test_a_repair_leaves_fields_of_a_newer_format(way: str) -> None:
    dense = with_unknown_fields(decorated(plain()))
    result = pruned(dense, way, repaired=True)
    assert_only_planned(dense, result.model, result.plan)


@pytest.mark.parametrize("way", ["channels", "2:4"])
def test_a_model_file_becomes_what_the_model_in_memory_becomes(way: str, tmp_path: Path) -> None:
    dense = decorated(branchy())
    (tmp_path / "net.onnx").write_bytes(dense.SerializeToString())
    result = onnxprune.prune(tmp_path / "net.onnx", calibration="none", **WAYS[way])
    assert_same(pruned(dense, way).model, result.model)


def test_class_names_are_read_back_by_the_runtime(tmp_path: Path) -> None:
    import onnxruntime

    pruned(decorated(plain()), "channels").save(tmp_path / "out.onnx")
    meta = onnxruntime.InferenceSession(tmp_path / "out.onnx").get_modelmeta()
    assert meta.custom_metadata_map["names"] == NAMES
    assert (meta.producer_name, meta.domain, meta.version) == ("pytorch", "org.example.vision", 2**40 + 7)
