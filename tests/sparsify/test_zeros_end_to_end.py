"""Zeros from end to end: exactly as many as were asked for, where they belong, and nothing else changed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import branchy, plain, random_net, values
from onnx import TensorProto, numpy_helper
from rich.console import Console

import onnxprune
from onnxprune.errors import BudgetError, PlanError, UsageError
from onnxprune.pipeline import apply_plan
from onnxprune.report.terminal import show_report
from onnxprune.result import Result
from onnxprune.tensors import to_tensor

KERNELS = ("conv1.weight", "conv2.weight", "fc.weight")


def pruned(proto: Any, granularity: str = "element", amount: float | None = None, **options: Any) -> Result:
    options.setdefault("calibration", "none")
    return onnxprune.prune(proto, amount, granularity=granularity, **options)


def zeros(proto: onnx.ModelProto, names: tuple[str, ...] = KERNELS) -> int:
    return sum(int((values(proto)[name] == 0).sum()) for name in names)


def has_pattern(array: np.ndarray, axis: int, n: int, m: int) -> bool:
    along = np.moveaxis(array, axis, -1).reshape(-1, m)
    return bool(((along != 0).sum(axis=1) <= n).all())


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 99),
    st.floats(0, 0.99),
    st.sampled_from(["l1", "l2", "lamp", "random"]),
    st.sampled_from(["global", "layer", "erk"]),
)
def test_exactly_the_amount_becomes_zero(seed: int, amount: float, criterion: str, scope: str) -> None:
    dense = random_net(seed, [8, 12], residual=True, group=1)
    result = pruned(dense, amount=amount, criterion=criterion, scope=scope)
    sparsity = result.report.sparsity
    assert sparsity is not None and result.report.verified is not None
    names = tuple(layer["name"] for layer in sparsity["layers"])
    size = sum(values(dense)[name].size for name in names)
    slack = len(names) if scope == "erk" else 0
    assert abs(zeros(result.model, names) - round(amount * size)) <= slack
    assert sparsity["zeros"]["after"] == zeros(result.model, names)
    onnx.checker.check_model(result.model, full_check=True)


def test_the_smallest_weights_of_all_go() -> None:
    dense = plain()
    found = values(pruned(dense, amount=0.5, criterion="l1").model)
    went = np.concatenate([np.abs(values(dense)[name][found[name] == 0]) for name in KERNELS])
    left = np.concatenate([np.abs(found[name][found[name] != 0]) for name in KERNELS])
    assert went.max() <= left.min()


def test_nothing_but_zeros_is_new() -> None:
    dense = branchy()
    result = pruned(dense, amount=0.6)
    for name, before in values(dense).items():
        after = values(result.model)[name]
        assert np.array_equal(after[after != 0], before[after != 0])
    stripped = [onnx.ModelProto.FromString(proto.SerializeToString()) for proto in (dense, result.model)]
    for proto in stripped:
        del proto.graph.initializer[:]
    assert stripped[0] == stripped[1]


def test_amount_zero_changes_nothing() -> None:
    dense = plain()
    assert pruned(dense, amount=0.0).model == dense


@pytest.mark.parametrize("again", [0.3, 0.5, 0.8])
def test_zeros_that_are_there_count_and_stay(again: float) -> None:
    once = pruned(plain(), amount=0.5).model
    twice = pruned(once, amount=again).model
    for name in KERNELS:
        assert not values(twice)[name][values(once)[name] == 0].any()
    size = sum(values(once)[name].size for name in KERNELS)
    assert zeros(twice) == max(round(again * size), zeros(once))


def test_of_equal_weights_the_first_go() -> None:
    g = Graph()
    g.output(g.add("MatMul", g.input(2, 8), g.store(np.ones((8, 6)), np.float32)))
    (found,) = values(pruned(g.model(), amount=0.5).model).values()
    np.testing.assert_array_equal(found.ravel() == 0, np.arange(48) < 24)


@pytest.mark.parametrize(("granularity", "n", "m"), [("2:4", 2, 4), ("1:4", 1, 4), ("3:4", 3, 4), ("1:2", 1, 2)])
@pytest.mark.parametrize("permute", [True, False])
def test_a_pattern_is_along_input_channels(granularity: str, n: int, m: int, permute: bool) -> None:
    result = pruned(plain(), granularity, permute=permute)
    found = values(result.model)
    assert has_pattern(found["conv2.weight"], 1, n, m) and has_pattern(found["fc.weight"], 1, n, m)
    assert (found["conv1.weight"] != 0).all()
    reasons = {entry["name"]: entry["reason"] for entry in result.report.not_pruned}
    assert f"3 input channels are not a multiple of {m}" in reasons["conv1.weight"]


def test_blocks_are_whole() -> None:
    found = values(pruned(plain(), "block:4x2", 0.5, include=("conv2",)).model)["conv2.weight"]
    blocks = (found == 0).reshape(3, 4, 4, 2).swapaxes(1, 2).reshape(12, 8)
    assert (blocks.all(axis=1) == blocks.any(axis=1)).all() and blocks.all(axis=1).sum() == 6


def test_a_permutation_keeps_the_outputs_and_improves_the_pattern() -> None:
    net = plain()
    kept = {}
    for permute in (True, False):
        found = values(pruned(net, "2:4", permute=permute).model)
        kept[permute] = sum(np.abs(found[name]).sum() for name in KERNELS[1:])
    assert kept[True] >= kept[False]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_quantized_weights_get_their_zero_point(dtype: Any) -> None:
    g = Graph()
    numbers = g.rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (8, 12), endpoint=True)
    stored, zero = g.store(numbers, dtype), g.store(np.full(12, 5), dtype)
    weight = g.add("DequantizeLinear", stored, g.positive(12), zero, axis=1)
    g.output(g.add("MatMul", g.input(2, 8), weight))
    found = values(pruned(g.model(), "2:4").model)[stored]
    assert has_pattern(found.astype(int) - 5, 0, 2, 4)
    assert (found[found != 5] == numbers.astype(dtype)[found != 5]).all()


@pytest.mark.parametrize("kind", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE])
def test_weights_of_other_types_keep_their_type(kind: int) -> None:
    g = Graph()
    g.stored.append(to_tensor(g.random(8, 12), kind, "w"))
    y = g.add("MatMul", g.input(2, 8, dtype=kind), "w")
    g.output(y)
    model = g.model()
    tensor = next(t for t in pruned(model, amount=0.5).model.graph.initializer if t.name == "w")
    assert tensor.data_type == kind and (numpy_helper.to_array(tensor) == 0).sum() == 48


def test_a_weight_in_a_constant_is_zeroed_where_it_is() -> None:
    g = Graph()
    g.output(g.add("MatMul", g.input(2, 8), g.constant(g.random(8, 12))))
    (node,) = [node for node in pruned(g.model(), amount=0.5).model.graph.node if node.op_type == "Constant"]
    assert (numpy_helper.to_array(node.attribute[0].t) == 0).sum() == 48


@pytest.mark.parametrize("granularity", ["element", "2:4", "block:2x2"])
def test_a_plan_replays_to_the_same_model(granularity: str, tmp_path: Path) -> None:
    amount = None if granularity == "2:4" else 0.5
    result = pruned(plain(), granularity, amount)
    result.plan.save(tmp_path / "plan.json")
    replayed = apply_plan(onnxprune.Plan.load(tmp_path / "plan.json"), plain())
    assert replayed.model == result.model
    assert replayed.report.amount["reached"] == result.report.amount["reached"]


def test_a_plan_for_another_checkpoint_puts_zeros_at_the_same_places(tmp_path: Path) -> None:
    result = pruned(plain(), amount=0.5)
    result.save(tmp_path / "out.onnx", plan=tmp_path / "plan.json")
    other = apply_plan(onnxprune.Plan.load(tmp_path / "plan.json"), plain(seed=1))
    for name in KERNELS:
        assert np.array_equal(values(other.model)[name] == 0, values(result.model)[name] == 0)
    assert any("another checkpoint" in warning for warning in other.report.warnings)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"granularity": "2:4", "amount": 0.3}, "--amount 0.3: 2:4 takes none"),
        ({"granularity": "2:4", "scope": "layer"}, "--scope"),
        ({"granularity": "element", "round_to": 8}, "--round-to"),
        ({"granularity": "element", "budget": "macs"}, "--budget"),
        ({"granularity": "channel", "scope": "erk"}, "--scope erk"),
        ({"granularity": "channel", "permute": False}, "--no-permute"),
        ({"granularity": "element", "criterion": "fpgm"}, "--criterion fpgm"),
        ({"granularity": "element", "max_drop": 0.01}, "--max-drop needs samples"),
    ],
)
def test_what_has_no_meaning_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        pruned(plain(), **options)


def test_a_model_without_such_weights_is_refused_unless_less_will_do() -> None:
    with pytest.raises(BudgetError, match="no weight of this model can have 2:16 zeros"):
        pruned(plain(), "2:16")
    assert pruned(plain(), "2:16", best_effort=True).model == plain()


def test_no_weight_loses_more_than_the_limit() -> None:
    found = values(pruned(plain(), amount=0.5, max_layer_amount=0.6).model)
    assert all((found[name] == 0).mean() <= 0.6 for name in KERNELS)
    with pytest.raises(BudgetError, match="--max-layer-amount"):
        pruned(plain(), amount=0.9, max_layer_amount=0.6)


def test_channels_and_then_a_pattern_keep_both() -> None:
    narrow = onnxprune.prune(plain(), 0.3, round_to=4, calibration="none", best_effort=True).model
    found = values(pruned(narrow, "2:4").model)
    assert {name: found[name].shape for name in KERNELS} == {name: values(narrow)[name].shape for name in KERNELS}
    assert has_pattern(found["conv2.weight"], 1, 2, 4)


def test_the_terminal_says_why_weights_are_left_and_that_the_outputs_were_the_same() -> None:
    console = Console(record=True, width=200, file=io.StringIO())
    result = pruned(plain(), "2:4")
    show_report(result.report, console)
    shown = console.export_text()
    assert "left: conv1.weight: its 3 input channels are not a multiple of 4" in shown
    assert result.report.sparsity is not None
    assert result.report.sparsity["permuted"]
    assert result.report.sparsity["same_outputs"]["verdict"] == "proved" and "with the same outputs" in shown


def test_masks_that_are_gone_are_named(tmp_path: Path) -> None:
    pruned(plain(), amount=0.5).plan.save(tmp_path / "plan.json")
    (tmp_path / "plan.masks.npz").unlink()
    with pytest.raises(PlanError, match=r"plan\.masks\.npz: the masks of the plan cannot be read \(No such file"):
        onnxprune.Plan.load(tmp_path / "plan.json")
