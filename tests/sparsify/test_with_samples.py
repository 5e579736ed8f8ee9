"""Zeros chosen and repaired on samples: as many as without, in their places, and closer to the dense model."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from networks import branchy, plain, values

import onnxprune
from onnxprune.pipeline import apply_plan
from onnxprune.result import Result
from onnxprune.runtime import Feeds

KERNELS = ("conv1.weight", "conv2.weight", "fc.weight")


def samples(count: int = 24, seed: int = 0) -> list[Feeds]:
    rng = np.random.default_rng(seed)
    return [{"x": rng.standard_normal((2, 3, 5, 5)).astype(np.float32)} for _ in range(count)]


def pruned(proto: onnx.ModelProto, granularity: str, amount: float | None = None, **options: Any) -> Result:
    options.setdefault("calibration", samples())
    return onnxprune.prune(proto, amount, granularity=granularity, **options)


def drop(result: Result) -> float:
    assert result.report.drift is not None
    (output,) = result.report.drift["outputs"].values()
    return float(output["drop"])


def zeros(proto: onnx.ModelProto) -> dict[str, int]:
    return {name: int((values(proto)[name] == 0).sum()) for name in KERNELS}


@pytest.mark.parametrize("criterion", ["obs", "wanda", "l1", "lamp"])
@pytest.mark.parametrize("recover", ["auto", "none", "bias"])
def test_exactly_the_amount_becomes_zero_also_through_repair(criterion: str, recover: str) -> None:
    result = pruned(plain(), "element", 0.6, criterion=criterion, recover=recover)
    size = sum(values(plain())[name].size for name in KERNELS)
    assert sum(zeros(result.model).values()) == round(0.6 * size)
    verified = result.report.verified
    assert verified is not None and verified["verdict"] == "proved" and verified["zeros"] == round(0.6 * size)


@pytest.mark.parametrize("granularity", ["2:4", "1:4", "block:2x2"])
@pytest.mark.parametrize("criterion", ["obs", "l1"])
def test_patterns_and_blocks_survive_the_repair(granularity: str, criterion: str) -> None:
    result = pruned(plain(), granularity, None if ":" in granularity[:2] else 0.5, criterion=criterion)
    assert result.report.verified is not None and result.report.verified["verdict"] == "proved"
    assert result.report.recovery is not None and result.report.recovery["layers"]


@pytest.mark.parametrize("network", [plain, branchy])
@pytest.mark.parametrize("granularity", ["element", "2:4"])
def test_repair_brings_the_outputs_closer(network: Any, granularity: str) -> None:
    amount = 0.5 if granularity == "element" else None
    drops = {recover: drop(pruned(network(), granularity, amount, recover=recover)) for recover in ("auto", "none")}
    assert drops["auto"] < 0.8 * drops["none"]


def test_without_repair_every_weight_that_stays_is_as_it_was() -> None:
    result = pruned(plain(), "element", 0.5, recover="none")
    for name, before in values(plain()).items():
        after = values(result.model)[name]
        assert np.array_equal(after[after != 0], before[after != 0])


def test_zeros_survive_the_removal_of_channels() -> None:
    """Channels of a sparse model go and the rest is repaired: no stored zero becomes another number."""
    sparse = pruned(plain(), "element", 0.5, recover="none").model
    result = onnxprune.prune(sparse, 0.3, calibration=samples(), best_effort=True)
    kept = result.plan.keep
    for name in KERNELS:
        before = values(sparse)[name]
        for axis, places in kept.get(name, {}).items():
            before = before.take(places, int(axis))
        assert not values(result.model)[name][before == 0].any()
    assert result.report.recovery is not None and result.report.recovery["layers"]


def test_zeros_survive_another_round_of_zeros() -> None:
    once = pruned(plain(), "2:4", permute=False).model
    twice = pruned(once, "element", 0.7).model
    for name in KERNELS:
        assert not values(twice)[name][values(once)[name] == 0].any()


def test_as_many_zeros_as_the_outputs_allow() -> None:
    result = pruned(plain(), "element", max_drop=0.2)
    assert drop(result) <= 0.2 and 0 < result.report.amount["reached"] < 1
    assert len(result.report.curve) > 2


def test_a_replay_with_samples_repairs_in_the_masks_of_the_plan(tmp_path: Any) -> None:
    result = pruned(plain(), "element", 0.5)
    result.plan.save(tmp_path / "plan.json")
    plan = onnxprune.Plan.load(tmp_path / "plan.json")
    from onnxprune.calibrate import Calibration

    replayed = apply_plan(plan, plain(), data=Calibration.of(samples()))
    assert zeros(replayed.model) == zeros(result.model)
    assert drop(replayed) < drop(pruned(plain(), "element", 0.5, recover="none"))


def test_half_precision_is_repaired_in_its_type() -> None:
    proto = plain()
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(values(proto)[tensor.name].astype(np.float16), tensor.name))
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    feeds = [{"x": feed["x"].astype(np.float16)} for feed in samples()]
    result = pruned(proto, "element", 0.5, calibration=feeds)
    assert {tensor.data_type for tensor in result.model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert sum(zeros(result.model).values()) == round(sum(values(proto)[name].size for name in KERNELS) / 2)
