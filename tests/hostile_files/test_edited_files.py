"""Plans, sensitivities and latency profiles that somebody edited: one clear line, or a result; never our mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from mutations import edited_text
from networks import plain

import onnxprune
from onnxprune.cost import cost_of
from onnxprune.errors import OnnxPruneError
from onnxprune.latency.nodes import nodes_of
from onnxprune.latency.profile import whole
from onnxprune.latency.stopwatch import Stopwatch
from onnxprune.latency.table import Table
from onnxprune.machine import Machine
from onnxprune.model import Model
from onnxprune.options import LatencyOptions, Options
from onnxprune.pipeline import apply_plan, prune_model
from onnxprune.plan import Plan
from onnxprune.sensitivity import load_sensitivity
from onnxprune.sensitivity.result import SCHEMA
from onnxprune.tracing import trace

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(FEW, max_examples=4_000)


def in_one_line(use: Callable[[], object]) -> None:
    """Use a file: whatever is wrong is an error for people."""
    try:
        use()
    except OnnxPruneError as error:
        assert "\n" not in str(error) and len(str(error)) < 12_000


@cache
def plan_of(**options: Any) -> Plan:
    found = onnxprune.prune(plain(), check=False, calibration="none", **options).plan
    assert found is not None
    return found


CHANNELS = json.loads(plan_of(amount=0.4).as_text())


def use_plan(content: bytes, folder: Path) -> None:
    path = folder / "plan.json"
    path.write_bytes(content)
    in_one_line(lambda: apply_plan(Plan.load(path), plain(), check=False))


@FEW
@given(content=edited_text(CHANNELS))
def test_an_edited_plan_is_replayed_or_refused(content: bytes, tmp_path: Path) -> None:
    use_plan(content, tmp_path)


@pytest.mark.slow
@MANY
@given(content=edited_text(CHANNELS))
def test_any_edited_plan_is_replayed_or_refused(content: bytes, tmp_path: Path) -> None:
    use_plan(content, tmp_path)


def zeros() -> Any:
    return plan_of(granularity="2:4", permute=True)


ZEROS = json.loads(zeros()._as_text("plan.masks.npz"))


def use_plan_of_zeros(content: bytes, folder: Path) -> None:
    masks = folder / "plan.masks.npz"
    if not masks.exists():
        with masks.open("wb") as stream:
            zeros()._write_masks(stream)
    use_plan(content, folder)


@FEW
@given(content=edited_text(ZEROS))
def test_an_edited_plan_of_zeros_is_replayed_or_refused(content: bytes, tmp_path: Path) -> None:
    use_plan_of_zeros(content, tmp_path)


@pytest.mark.slow
@MANY
@given(content=edited_text(ZEROS))
def test_any_edited_plan_of_zeros_is_replayed_or_refused(content: bytes, tmp_path: Path) -> None:
    use_plan_of_zeros(content, tmp_path)


CURVE = {"members": ["conv1.weight[0]"], "points": [{"amount": 0.5, "drop": 0.1, "kept": 4}]}
SENSITIVITY = {
    "schema": SCHEMA,
    "model": {"file": "net.onnx", "sha256": Model(plain()).sha256},
    "request": {"seed": 0},
    "metrics": {"logits": "relative-error"},
    "dims": [{"name": name, "size": size, **CURVE} for name, size in (("conv1.weight[0]", 8), ("conv2.weight[0]", 12))],
    "blocks": [{"name": "conv1", "size": 8, **CURVE}],
}


def use_sensitivity(content: bytes, folder: Path) -> None:
    path = folder / "sensitivity.json"
    path.write_bytes(content)
    in_one_line(lambda: load_sensitivity(path))
    in_one_line(lambda: prune_model(plain(), Options(amount=0.3, sensitivity=str(path)), check=False))


@FEW
@given(content=edited_text(SENSITIVITY))
def test_an_edited_sensitivity_is_gone_by_or_refused(content: bytes, tmp_path: Path) -> None:
    use_sensitivity(content, tmp_path)


@pytest.mark.slow
@MANY
@given(content=edited_text(SENSITIVITY))
def test_any_edited_sensitivity_is_gone_by_or_refused(content: bytes, tmp_path: Path) -> None:
    use_sensitivity(content, tmp_path)


@cache
def profile() -> dict[str, Any]:
    """A made-up profile that has all nodes of the network."""
    found = trace(Model(plain()))
    nodes = list(nodes_of(found, cost_of(found).symbols))
    table = Table(Machine("Made-up 9000", 4, "1.0"), 1)
    for node in nodes:
        for share in (1, 2):
            widths = [max(1, dim.size // share) for dim in node.dims]
            table.add(node.signature, node.operator, widths, 7.5 / share)
    table.add(whole(nodes, False), "", [], 2.0)
    return table.as_dict()


def use_profile(content: bytes, folder: Path) -> None:
    path = folder / "profile.json"
    path.write_bytes(content)
    found = trace(Model(plain()))
    cost = cost_of(found)
    watch = Stopwatch(found, cost, LatencyOptions(profile=str(path)), 0)
    in_one_line(lambda: watch.predicted(False, lambda share: None).at({}))


@FEW
@given(content=edited_text(profile()))
def test_an_edited_profile_is_gone_by_or_refused(content: bytes, tmp_path: Path) -> None:
    use_profile(content, tmp_path)


@pytest.mark.slow
@MANY
@given(content=edited_text(profile()))
def test_any_edited_profile_is_gone_by_or_refused(content: bytes, tmp_path: Path) -> None:
    use_profile(content, tmp_path)


def test_what_is_edited_is_right_before(tmp_path: Path) -> None:
    for name, data in (("sensitivity", SENSITIVITY), ("profile", profile())):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    assert len(load_sensitivity(tmp_path / "sensitivity.json").dims) == 2
    assert prune_model(plain(), Options(amount=0.3, sensitivity=str(tmp_path / "sensitivity.json")), check=False).model
    found = trace(Model(plain()))
    options = LatencyOptions(profile=str(tmp_path / "profile.json"))
    assert Stopwatch(found, cost_of(found), options, 0).predicted(False, lambda share: None).dense > 0
