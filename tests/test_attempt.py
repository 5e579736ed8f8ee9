"""What a run on samples gives: how it was repaired and judged, the search within a drop, and what stands in the way."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from networks import CLASSES, Array, Net, branchy, edit, plain, values
from onnx import TensorProto, helper

import onnxprune
from onnxprune.calibrate import Calibration
from onnxprune.calibrate.memory import Shares
from onnxprune.criteria import CRITERIA
from onnxprune.errors import BudgetError, DataError, ModelError, UsageError, VerificationError
from onnxprune.metrics import METRICS
from onnxprune.model import Model
from onnxprune.options import DataOptions, Options
from onnxprune.phases import PHASES
from onnxprune.pipeline import apply_plan, prune_model
from onnxprune.plan import Plan
from onnxprune.recover import RECOVERIES
from onnxprune.result import Result
from onnxprune.runtime import run

FEW = DataOptions(samples=16)

OF_CHANNELS = tuple(
    name
    for name in PHASES
    if name not in ("simplifying", "permuting", "profiling", "measuring", "zeroing", "comparing")
)


def images(count: int, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=(count, 3, 5, 5)).astype(np.float32)


def given(count: int = 12, size: int = 8, seed: int = 0) -> Calibration:
    """Random images for `open_net`, with the class that the dense model gives as the label."""
    batches = tuple({"x": images(size, seed + place)} for place in range(count))
    labels = np.concatenate([run(Model(open_net()), batch)[0].argmax(axis=1) for batch in batches])
    return Calibration(batches, (size,) * count, "random images", True, labels)


@cache
def open_net() -> onnx.ModelProto:
    """Three layers in front of a classifier of classes that are about equally frequent, and an open batch."""
    net = Net(batch="N", seed=3)
    x = net.relu(net.bn("bn1", net.conv("conv1", "x", 16, 3, bias=False)))
    x = net.relu(net.conv("conv2", x, 16, bias=False))
    proto = net.model(net.head(net.relu(net.conv("conv3", x, 16))))
    (scores,) = run(Model(proto), {"x": images(200, 1)})
    return edit(proto, "fc.bias", lambda bias: bias - scores.mean(axis=0))


def without_labels(samples: Calibration) -> Calibration:
    return replace(samples, labels=None)


def pruned(samples: Calibration | DataOptions, check: bool = True, **options: Any) -> Result:
    return prune_model(open_net(), Options(**{"amount": 0.4, **options}), check, data=samples)


# The report


def test_the_report_says_how_the_model_was_repaired() -> None:
    result = pruned(given())
    recovery = result.report.recovery
    assert recovery is not None and result.report.verified is not None
    assert result.report.verified["verdict"] == "proved"
    assert (recovery["method"], recovery["samples"], recovery["source"]) == ("sequential", 96, "random images")
    assert recovery["real_data"] is True and recovery["left"] == []
    assert [layer["name"] for layer in recovery["layers"]] == ["conv2", "conv3", "fc"]
    assert all(layer["after"] < layer["before"] for layer in recovery["layers"])
    assert set(result.plan.recovered) == {f"{name}.weight" for name in ("conv2", "conv3", "fc")} | {
        "conv2_bias", "conv3.bias", "fc.bias",
    }  # fmt: skip
    assert result.plan.added == ["conv2_bias"]


def test_added_biases_count_as_parameters() -> None:
    result = pruned(given())
    assert result.report.params.after == sum(value.size for value in values(result.model).values())


def test_the_report_says_how_far_the_outputs_are_on_samples_that_the_repair_has_not_seen() -> None:
    drift = pruned(without_labels(given()), metric="relative-error").report.drift
    assert drift is not None
    assert (drift["samples"], drift["real_data"], drift["held_back"]) == (2 * 8, True, True)
    (score,) = drift["outputs"].values()
    assert score["metric"] == "relative-error" and 0 < score["drop"] == score["value"] < 1


def test_samples_that_outputs_are_compared_on_have_no_part_in_the_repair() -> None:
    samples = without_labels(given())
    (_, judged), (other, *_) = samples.held_back(1 / 8), given(1, seed=50).batches
    swapped = tuple(other if any(batch is seen for seen in judged.batches) else batch for batch in samples.batches)
    metric = "relative-error"
    results = [pruned(replace(samples, batches=batches), metric=metric) for batches in (samples.batches, swapped)]
    models = [values(result.model) for result in results]
    drifts = [result.report.drift for result in results]
    assert models[0].keys() == models[1].keys() and drifts[0] is not None and drifts[1] is not None
    assert all(np.array_equal(models[0][name], models[1][name]) for name in models[0])
    assert drifts[0]["samples"] == drifts[1]["samples"] == judged.samples
    assert drifts[0]["outputs"] != drifts[1]["outputs"]


def test_labels_are_gone_by_where_there_are_any() -> None:
    drift = pruned(given()).report.drift
    assert drift is not None
    assert drift["outputs"]["fc"]["metric"] == "accuracy" and drift["outputs"]["fc"]["dense"] == 1


def test_a_single_batch_is_repaired_and_compared_on_and_the_report_says_so() -> None:
    result = pruned(given(count=1, size=40))
    assert result.report.drift is not None and result.report.recovery is not None
    assert result.report.drift["samples"] == 40 and result.report.drift["held_back"] is False


def test_the_seconds_of_every_phase_are_told_in_order() -> None:
    assert tuple(pruned(given()).report.seconds) == OF_CHANNELS
    assert set(pruned(DataOptions("none"), check=False).report.seconds) < set(OF_CHANNELS)


def test_without_samples_there_is_nothing_about_repair() -> None:
    report = pruned(DataOptions("none")).report
    assert report.recovery is None and report.drift is None and report.curve == [] and report.warnings == []
    assert (report.options["criterion"], report.options["recover"]) == ("lamp", "none")


def test_samples_given_in_python_are_real_and_the_options_say_what_was_chosen() -> None:
    report = onnxprune.prune(open_net(), 0.4, calibration=given().batches).report
    assert report.recovery is not None and report.recovery["real_data"] is True
    assert report.recovery["source"] == "96 samples given in Python"
    assert (report.options["criterion"], report.options["recover"]) == ("obs", "sequential")
    assert report.warnings == []


def test_made_up_samples_are_said_to_protect_nothing() -> None:
    report = pruned(FEW).report
    assert report.recovery is not None and report.recovery["real_data"] is False
    assert any("no real data" in warning for warning in report.warnings)


@pytest.mark.parametrize("method", [*RECOVERIES, "none"])
def test_every_method_can_be_asked_for(method: str) -> None:
    report = pruned(given(), recover=method).report
    assert report.drift is not None
    assert (report.recovery or {"method": "none"})["method"] == method == report.options["recover"]


@pytest.mark.parametrize("criterion", CRITERIA)
def test_every_criterion_can_be_asked_for(criterion: str) -> None:
    report = pruned(given(4), criterion=criterion).report
    assert report.options["criterion"] == criterion
    assert report.verified is not None and report.verified["verdict"] == "proved"


def test_without_repair_weights_are_slices() -> None:
    samples = given()
    result = pruned(samples, recover="none")
    dense, after = values(open_net()), values(result.model)
    for name, axes in result.plan.keep.items():
        kept = [axes.get(str(axis), list(range(length))) for axis, length in enumerate(dense[name].shape)]
        assert np.array_equal(after[name], dense[name][np.ix_(*kept)])
    repaired = values(pruned(samples).model)
    assert any(not np.array_equal(after[name], repaired[name]) for name in result.plan.keep)


def test_repair_brings_outputs_closer() -> None:
    drops = {}
    for method in ("none", "sequential"):
        drift = pruned(without_labels(given(30)), recover=method, metric="relative-error").report.drift
        assert drift is not None
        drops[method] = drift["outputs"]["fc"]["drop"]
    assert drops["sequential"] < 0.7 * drops["none"]


def test_amount_0_is_neither_repaired_nor_changed() -> None:
    result = pruned(given(), amount=0)
    assert result.model == open_net() and result.report.recovery is None and result.plan.recovered == []


def test_what_is_computed_again_for_want_of_memory_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for rounding: what is run in one piece may be fused otherwise than what is run in two."""
    expected = values(pruned(FEW).model)
    monkeypatch.setattr(Shares, "kept", 0)
    found = values(pruned(FEW).model)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4 * np.abs(value).max())


def test_the_seed_makes_the_samples() -> None:
    models = [pruned(FEW, criterion="l2", seed=seed, check=False).model for seed in (0, 0, 1)]
    assert models[0] == models[1] != models[2]


# A plan of a repaired model


def test_a_plan_replays_the_removal_and_with_the_same_samples_the_repair() -> None:
    result = pruned(FEW)
    removal = apply_plan(result.plan, open_net())
    assert removal.plan.keep == result.plan.keep and removal.plan.recovered == removal.plan.added == []
    assert removal.report.recovery is None and removal.report.warnings == []
    again = apply_plan(result.plan, open_net(), data=FEW)
    assert again.model.SerializeToString() == result.model.SerializeToString() != removal.model.SerializeToString()
    assert again.plan == result.plan


@pytest.mark.parametrize("options", [{"recover": "bias"}, {"max_drop": 0.5}, {"metric": "cosine"}])
def test_a_plan_that_was_made_on_samples_replays_without(options: dict[str, Any]) -> None:
    result = pruned(without_labels(given()), **options)
    assert apply_plan(result.plan, open_net()).plan.keep == result.plan.keep


def test_a_plan_replays_where_the_criterion_that_made_it_is_unknown() -> None:
    plan = pruned(DataOptions("none")).plan
    foreign = replace(plan, request={**plan.request, "criterion": "from elsewhere"})
    assert apply_plan(foreign, open_net(), data=FEW).plan.keep == plan.keep


# The largest amount within a drop


@pytest.mark.parametrize("labelled", [True, False])
def test_the_largest_amount_within_the_drop_is_found(labelled: bool) -> None:
    samples = given(16) if labelled else without_labels(given(16))
    reached = []
    for limit in (0.05, 0.3):
        result = pruned(samples, max_drop=limit)
        report = result.report
        assert report.drift is not None and report.verified is not None
        (score,) = report.drift["outputs"].values()
        assert score["metric"] == ("accuracy" if labelled else "top1-agreement")
        assert score["drop"] <= limit and report.verified["verdict"] == "proved"
        within = [step["amount"] for step in report.curve if step["within"]]
        assert [step["amount"] for step in report.curve] == sorted(step["amount"] for step in report.curve)
        assert report.amount["requested"] == max(within) and report.amount["reached"] > max(within) - 0.01
        assert all(step["within"] == (step["drop"] is not None and step["drop"] <= limit) for step in report.curve)
        assert report.options["max_drop"] == limit
        assert report.drift["samples"] == samples.samples // 4, "a search judges by more samples than another run"
        reached.append(report.amount["reached"])
    assert 0 < reached[0] < reached[1]


def test_an_amount_that_nothing_is_within_is_refused() -> None:
    with pytest.raises(BudgetError, match="cannot be kept"):
        pruned(without_labels(given()), max_drop=0, metric="relative-error")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_drop": 0.1}, "--max-drop needs samples"),
        ({"recover": "sequential"}, "--recover sequential needs samples"),
        ({"criterion": "wanda"}, "--criterion wanda looks at activations"),
        ({"criterion": "obs"}, "--criterion obs looks at activations"),
    ],
)
def test_what_needs_samples_is_refused_without(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pruned(DataOptions("none"), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "taste"}, "no criterion 'taste'"),
        ({"recover": "prayer"}, "--recover prayer"),
        ({"metric": "taste"}, "taste"),
        ({"metric": "accuracy"}, "labels"),
        ({"judged_output": "elsewhere"}, "no output 'elsewhere'"),
        ({"max_drop": -1.0}, "--max-drop -1"),
        ({"max_drop": float("nan")}, "--max-drop nan"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pruned(without_labels(given(2)), **options)


@pytest.mark.parametrize("options", [{"criterion": "taste"}, {"recover": "prayer"}], ids=str)
def test_an_unknown_name_is_refused_before_any_work(options: dict[str, str]) -> None:
    phases: list[str] = []
    with pytest.raises(UsageError):
        prune_model(open_net(), Options(**options), data=FEW, on_phase=lambda name, share: phases.append(name))
    assert phases == []


@pytest.mark.parametrize("metric", [name for name, m in METRICS.items() if not m.labelled and m.classes <= CLASSES])
def test_a_metric_that_suits_can_be_asked_for(metric: str) -> None:
    drift = pruned(without_labels(given(4)), metric=metric).report.drift
    assert drift is not None and drift["outputs"]["fc"]["metric"] == metric


def test_one_output_can_be_named_to_go_by() -> None:
    net = Net(batch="N")
    x = net.relu(net.conv("conv1", "x", 8))
    y = helper.make_tensor_value_info("side", TensorProto.FLOAT, ["N", 2, 5, 5])
    net.conv("side", x, 2)
    proto = net.model(net.head(net.conv("conv2", x, 8)))
    proto.graph.output.append(y)
    for name, expected in ((None, ["fc", "side"]), ("side", ["side"])):
        drift = prune_model(proto, Options(0.3, judged_output=name), data=without_labels(given(4))).report.drift
        assert drift is not None and [*drift["outputs"]] == expected


# What stands in the way


def takes_text() -> onnx.ModelProto:
    """A network beside which text goes in and out again: nobody can make samples up for it."""
    proto = plain()
    proto.graph.input.append(helper.make_tensor_value_info("text", TensorProto.STRING, [1]))
    proto.graph.output.append(helper.make_tensor_value_info("same", TensorProto.STRING, [1]))
    proto.graph.node.append(helper.make_node("Identity", ["text"], ["same"], "same"))
    return proto


def test_where_no_samples_can_be_made_up_it_is_pruned_and_not_repaired() -> None:
    report = onnxprune.prune(takes_text(), 0.4, check=False).report
    assert report.recovery is None and report.drift is None
    assert report.params.after < report.params.before
    assert any(warning.startswith("not repaired, since no samples could be made up:") for warning in report.warnings)
    assert (report.options["criterion"], report.options["recover"]) == ("lamp", "none")


def test_a_search_does_not_go_on_without_samples() -> None:
    with pytest.raises(ModelError, match="text"):
        onnxprune.prune(takes_text(), max_drop=0.1, check=False)


def roots() -> onnx.ModelProto:
    """The root of a sum that is positive as long as unit 0, which gives 100, is there."""
    net = Net(batch="N")
    net.conv("conv1", "x", 4)
    x = net.node("Abs", ["conv1"], "abs")
    x = net.node("Sqrt", [net.conv("conv2", x, CLASSES)], "root")
    proto = net.model(net.node("Flatten", [net.node("GlobalAveragePool", [x], "pool")], "flat"))
    proto = edit(proto, "conv1.bias", lambda bias: np.array([100, *bias[1:]], np.float32))
    return edit(proto, "conv2.weight", lambda w: np.concatenate([w[:, :1] * 0 + 1, -np.abs(w[:, 1:])], axis=1))


def keeping(plan: Plan, units: list[int]) -> Plan:
    (dim,) = plan.dims
    return replace(plan, dims=[replace(dim, keep=units)])


def test_a_pruned_model_that_gives_nan_is_refused() -> None:
    plan = onnxprune.prune(roots(), 0.2, calibration="none", criterion="l2").plan
    samples = without_labels(given(3))
    none = replace(plan, request={**plan.request, "recover": "none"})
    assert apply_plan(keeping(none, [0, 1, 2]), roots(), check=False, data=samples).report.drift is not None
    with pytest.raises(VerificationError, match="'flat' of the pruned model has NaN"):
        apply_plan(keeping(none, [1, 2, 3]), roots(), check=False, data=samples)


def parts() -> onnx.ModelProto:
    """The output is a sequence, which no metric compares."""
    net = Net()
    x = net.conv("conv2", net.relu(net.conv("conv1", "x", 8)), 4)
    net.nodes.append(helper.make_node("SplitToSequence", [x], ["parts"], "split", axis=1))
    y = helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, None)
    graph = helper.make_graph(net.nodes, "net", [net.input], [y], net.stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_outputs_that_cannot_be_compared_are_repaired_all_the_same() -> None:
    report = prune_model(parts(), Options(0.4), check=False, data=FEW).report
    assert report.recovery is not None and report.drift is None
    assert any(warning.startswith("the outputs were not compared:") for warning in report.warnings)


@pytest.mark.parametrize("options", [{"max_drop": 0.1}, {"metric": "cosine"}, {"judged_output": "parts"}])
def test_who_asks_for_a_comparison_that_cannot_be_made_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(onnxprune.errors.OnnxPruneError, match="parts"):
        prune_model(parts(), Options(0.4, **options), check=False, data=FEW)


def test_a_dense_model_that_gives_nan_cannot_be_compared_with() -> None:
    broken = edit(branchy(), "fc.bias", lambda bias: bias * np.nan)
    report = prune_model(broken, Options(0.3, criterion="l2"), check=False, data=FEW).report
    assert report.drift is None and any("is NaN on these samples" in warning for warning in report.warnings)
    with pytest.raises(DataError, match="is NaN on these samples"):
        prune_model(broken, Options(0.3, criterion="l2", metric="relative-error"), check=False, data=FEW)
