"""Plans: readable, replayable, editable, and refused with the first difference where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command import error_line, run
from networks import branchy, edit, other_weights, plain, shared_scale, traced, values, write

import onnxprune
from onnxprune.errors import OnnxPruneError, PlanError
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.pipeline import apply_plan, prune_model
from onnxprune.plan import Plan

NETWORKS = [plain, branchy, shared_scale]
Change = Callable[[dict[str, Any]], None]


def planned(proto: onnx.ModelProto, amount: float = 0.4) -> tuple[onnx.ModelProto, Plan]:
    result = onnxprune.prune(proto, amount, criterion="l2", check=False, calibration="none")
    return result.model, result.plan


def edited(plan: Plan, change: Change, folder: Path) -> Plan:
    """Save a plan, change its JSON, and load it again."""
    path = folder / "plan.json"
    plan.save(path, overwrite=True)
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    return Plan.load(path)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_plan_survives_saving_and_loading(network: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    _, plan = planned(network())
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("network", NETWORKS)
def test_a_loaded_plan_replays_to_the_same_bytes(network: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    pruned, plan = planned(network())
    plan.save(tmp_path / "plan.json")
    replayed = apply_plan(Plan.load(tmp_path / "plan.json"), network())
    assert replayed.model.SerializeToString() == pruned.SerializeToString()
    assert replayed.plan == plan and replayed.report.warnings == []


@pytest.mark.parametrize("network", NETWORKS)
def test_who_knows_nothing_of_dims_can_check_every_kept_tensor(network: Callable[[], onnx.ModelProto]) -> None:
    dense, (pruned, plan) = values(network()), planned(network())
    after = values(pruned)
    assert plan.keep
    for name, axes in plan.keep.items():
        source = dense[plan.copies.get(name, name)]
        kept = [axes.get(str(axis), list(range(length))) for axis, length in enumerate(source.shape)]
        np.testing.assert_array_equal(after[name], source[np.ix_(*kept)], strict=True)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_the_plan_does_not_name_is_as_before(network: Callable[[], onnx.ModelProto]) -> None:
    dense, (pruned, plan) = values(network()), planned(network())
    resized = {entry["where"].split("[")[0] for entry in plan.sizes}
    after = values(pruned)
    assert dense.keys() <= after.keys() and after.keys() - dense.keys() == plan.copies.keys()
    for name in after.keys() - plan.keep.keys() - resized:
        np.testing.assert_array_equal(after[name], dense[plan.copies.get(name, name)], strict=True)


def test_sizes_that_were_rewritten_are_listed_with_both_values() -> None:
    pruned, plan = planned(branchy())
    (left, right) = values(pruned)["lengths"].tolist()
    assert {(e["where"], e["old"], e["new"]) for e in plan.sizes if "lengths" in e["where"]} == {
        ("lengths[0]", 4, left),
        ("lengths[1]", 8, right),
    }


def test_a_shared_weight_that_had_to_split_is_listed_as_a_copy() -> None:
    pruned, plan = planned(shared_scale())
    assert plan.copies == {"ones_2": "ones"}
    users = [node.input[1] for node in pruned.graph.node if node.op_type == "BatchNormalization"]
    assert sorted(users) == ["ones", "ones_2"]


def test_the_plan_says_what_it_was_made_for(tmp_path: Path) -> None:
    path = write(plain(), tmp_path / "net.onnx")
    plan = onnxprune.prune(path, 0.3, criterion="l1", check=False, calibration="none").plan
    plan.save(tmp_path / "plan.json")
    data = json.loads((tmp_path / "plan.json").read_text())
    assert data["schema"] == "onnxprune-plan/1"
    assert data["model"] == {"file": "net.onnx", "sha256": Model.load(path).sha256}
    assert data["request"]["amount"] == 0.3 and data["request"]["criterion"] == "l1"
    assert data["dims"][0]["members"][0] == "conv1.weight[0]"


def test_an_edited_plan_replays_and_verifies(tmp_path: Path) -> None:
    _, plan = planned(branchy())

    def fewer(data: dict[str, Any]) -> None:
        for dim in data["dims"]:
            dim["keep"] = dim["keep"][:-1] or dim["keep"]

    result = apply_plan(edited(plan, fewer, tmp_path), branchy())
    assert result.report.verified is not None and result.report.verified["verdict"] == "proved"
    assert {dim.name: dim.kept for dim in result.report.dims if dim.kept < dim.size} == {
        dim.name: max(len(dim.keep) - 1, 1) for dim in plan.dims
    }
    assert result.report.amount["reached"] == 1 - result.report.params.after / result.report.params.before


def test_the_order_of_kept_units_does_not_matter(tmp_path: Path) -> None:
    pruned, plan = planned(plain())
    shuffled = edited(plan, lambda data: data["dims"][0]["keep"].reverse(), tmp_path)
    assert apply_plan(shuffled, plain()).model == pruned


def test_a_plan_that_keeps_everything_changes_nothing(tmp_path: Path) -> None:
    _, plan = planned(plain())

    def all_units(data: dict[str, Any]) -> None:
        for dim in data["dims"]:
            dim["keep"] = list(range(dim["size"]))

    result = apply_plan(edited(plan, all_units, tmp_path), plain())
    assert result.model == plain()
    assert result.report.verified is not None and result.report.verified["verdict"] == "unchanged"


def test_another_checkpoint_is_accepted_with_a_note() -> None:
    _, plan = planned(plain())
    other = other_weights(plain())
    result = apply_plan(plan, other)
    assert any("another checkpoint" in warning for warning in result.report.warnings)
    kept = plan.keep["conv1.weight"]["0"]
    np.testing.assert_array_equal(values(result.model)["conv1.weight"], values(other)["conv1.weight"][kept])


def set_first(key: str, value: Any) -> Change:
    def change(data: dict[str, Any]) -> None:
        data["dims"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_first("name", "conv9.weight[0]"), "'conv9.weight[0]', which this model does not have"),
        (set_first("size", 9), "'conv1.weight[0]' has 8 units here and 9 in the plan"),
        (set_first("members", ["conv1.weight[0]"]), "'conv1.weight[0]' ties other weights together"),
        (set_first("keep", []), "'conv1.weight[0]': keep must list at least one unit"),
        (set_first("keep", [0, 8]), "each from 0 to 7"),
        (set_first("keep", [-1]), "each from 0 to 7"),
        (set_first("keep", [0.5]), "each from 0 to 7"),
        (set_first("keep", ["0"]), "each from 0 to 7"),
        (set_first("keep", [1, 2, 1]), "'conv1.weight[0]': keep lists a unit twice"),
        pytest.param(set_first("keep", 5), "'conv1.weight[0]'"),
        (set_first("keep", None), "'conv1.weight[0]'"),
        pytest.param(set_first("keep", [True]), "each from 0 to 7"),
        pytest.param(
            lambda data: data["dims"].append({**data["dims"][0], "keep": [0]}),
            "'conv1.weight[0]'",
        ),
    ],
)
def test_a_plan_that_does_not_fit_names_the_first_difference(change: Change, message: str, tmp_path: Path) -> None:
    _, plan = planned(plain())
    with pytest.raises(PlanError) as refusal:
        apply_plan(edited(plan, change, tmp_path), plain())
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_a_dim_that_must_keep_two_units_cannot_be_planned_down_to_one() -> None:
    """A plan may not go below what the trace allows, here the two positions that Squeeze would read as one."""
    found = traced(plain())
    _, plan = planned(plain())
    dim = next(dim for dim in found.dims if found.names[dim] == plan.dims[0].name)
    found.axes.keep_plural(dim)
    with pytest.raises(PlanError):
        Plan(plan.model, plan.request, [type(plan.dims[0])(plan.dims[0].name, 8, [0], [])]).masks(found)


def test_a_network_of_other_shapes_is_refused() -> None:
    _, plan = planned(plain())
    wider = edit(edit(plain(), "conv1.weight", lambda w: np.concatenate([w, w])), "conv1.bias", lambda b: np.tile(b, 2))
    for part in ("scale", "bias", "mean", "var"):
        wider = edit(wider, f"bn1.{part}", lambda v: np.tile(v, 2))
    wider = edit(wider, "conv2.weight", lambda w: np.tile(w, (1, 2, 1, 1)))
    with pytest.raises(PlanError, match="has 16 units here and 8 in the plan"):
        apply_plan(plan, wider)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON file"),
        ("not json", "not a JSON file"),
        ("[]", "not a plan"),
        ("3", "not a plan"),
        ('{"schema": "onnxprune-plan/2"}', "onnxprune-plan/1"),
        ('{"schema": "onnxprune-plan/1"}', "not a complete plan"),
        ('{"schema": "onnxprune-plan/1", "dims": [], "model": {}}', "not a complete plan"),
        ('{"schema": "onnxprune-plan/1", "dims": [{}], "model": {}, "request": {}}', "not a complete plan"),
        ('{"schema": "onnxprune-plan/1", "dims": 3, "model": {}, "request": {}}', "not a complete plan"),
    ],
)
def test_what_is_not_a_plan_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError, match=message):
        Plan.load(tmp_path / "plan.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("model", "net.onnx"),
        pytest.param("request", []),
        pytest.param("request", {"amount": 7}),
        pytest.param("request", {"amount": "x"}),
        ("dims", [3]),
    ],
)
def test_a_malformed_field_is_an_error_and_no_traceback(key: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planned(plain())[1].save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    error_line(run("apply", path, write(plain(), tmp_path / "net.onnx"), "--no-verify"))


def test_a_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "absent.json", tmp_path, tmp_path / "binary.json"):
        with pytest.raises(PlanError):
            Plan.load(path)


def test_an_existing_plan_is_replaced_only_when_asked(tmp_path: Path) -> None:
    _, plan = planned(plain())
    plan.save(tmp_path / "plan.json")
    with pytest.raises(OnnxPruneError, match="exists already"):
        plan.save(tmp_path / "plan.json")
    plan.save(tmp_path / "plan.json", overwrite=True)


def test_apply_of_a_plan_gives_model_trace_and_masks() -> None:
    result = prune_model(plain(), Options(amount=0.4), check=False)
    pruned, found, masks = result.plan.apply(Model(plain()))
    assert pruned.proto == result.model
    assert {found.names[dim]: int(mask.sum()) for dim, mask in masks.items()} == {
        dim.name: len(dim.keep) for dim in result.plan.dims
    }
