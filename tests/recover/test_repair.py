"""What can be made up for is made up for exactly, the rest as well as each method can, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, branchy, values
from onnx import TensorProto
from repairs import (
    MEMORY,
    REPAIRABLE,
    Pairs,
    batches_for,
    by_name,
    convolutions,
    gemms,
    in_half,
    paired,
    products_right,
    repaired,
)

from onnxprune.apply import apply_masks
from onnxprune.calibrate import Calibration
from onnxprune.model import Model
from onnxprune.recover import RECOVERIES, find, repair
from onnxprune.runtime import run
from onnxprune.tracing import trace

Make = Callable[[], onnx.ModelProto]
FITTED = ("least-squares", "sequential")
EXACT = 1e-3
"""What the smallest penalty and single precision leave of a difference that can be made up for."""


def deep(seed: int = 0, batch: int = 8) -> onnx.ModelProto:
    """Six random convolutions with rectifiers: nothing that is removed can be made up for exactly."""
    net = Net(seed=seed, batch=batch)
    x = "x"
    for n in range(6):
        x = net.relu(net.conv(f"conv{n}", x, 12, 3))
    return net.model(net.head(x))


# What each method is for


@pytest.mark.parametrize("method", FITTED)
@pytest.mark.parametrize("make", REPAIRABLE)
def test_channels_that_others_can_make_up_for_leave_no_trace(make: Make, method: str) -> None:
    done = repaired(make(), method=method)
    assert done.drift(done.sliced) > 0.1
    assert done.drift() < EXACT
    assert all(layer.after <= layer.before for layer in done.repair.layers)
    assert any(layer.before > 0.1 for layer in done.repair.layers)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 99),
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=3),
    st.sampled_from(FITTED),
)
def test_any_linear_combination_of_what_is_kept_can_be_removed(
    seed: int, widths: list[tuple[int, int]], method: str
) -> None:
    """Linear layers of any widths, of which some units in random places are random combinations of the others."""
    g = Graph(seed=seed)
    x, masks = g.input(24, 5), {}
    for kept, removed in widths:
        given_ = g.shape(x)[1]
        own = np.concatenate([g.random(kept, given_, fan_in=given_), g.random(kept, 1)], 1)
        places = g.rng.permutation(kept + removed)
        rows = np.concatenate([own, g.random(removed, kept, fan_in=kept) @ own])[places]
        w, b = g.store(rows[:, :-1]), g.store(rows[:, -1])
        x = g.add("Gemm", x, w, b, transB=1)
        masks[f"{w}[0]"] = places < kept
    g.output(g.gemm(x, 2))
    done = repaired(g.model(), masks, method, batches=10)
    assert done.drift() < EXACT


def still(is_normalized: bool) -> onnx.ModelProto:
    """Channels 1 and 3 of the first layer are the same for every input; so is what they add to a pixel."""
    net = Net(batch=4)
    x = net.relu(net.conv("conv1", "x", 4))
    weight = net.stored[0]
    still_ = onnx.numpy_helper.to_array(weight).copy()
    still_[1::2] = 0
    weight.CopyFrom(onnx.numpy_helper.from_array(still_, weight.name))
    bias = net.stored[1]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.array([0.1, 2, -0.2, 1], np.float32), bias.name))
    x = net.bn("bn2", net.conv("conv2", x, 4, bias=False)) if is_normalized else net.conv("conv2", x, 4)
    return net.model(net.head(net.relu(x)))


@pytest.mark.parametrize("method", [*RECOVERIES])
@pytest.mark.parametrize("is_normalized", [False, True])
def test_channels_that_never_change_go_into_the_bias_or_the_running_mean(is_normalized: bool, method: str) -> None:
    done = repaired(still(is_normalized), {"conv1.weight[0]": np.array([1, 0, 1, 0], bool)}, method)
    assert done.drift(done.sliced) > 0.05
    assert done.drift() < EXACT


def test_the_mean_of_what_was_removed_goes_into_the_bias_and_no_weight_changes() -> None:
    done = repaired(deep(), method="bias")
    before, after = values(done.sliced.proto), values(done.model.proto)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed and all(name.endswith(".bias") for name in changed)


def test_batchnorm_gives_every_output_its_mean_and_variance_again() -> None:
    done = repaired(deep(), method="batchnorm")
    names = [layer.name for layer in done.repair.layers]
    assert names == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc"]
    for name in names:
        dense, sliced, found = (
            np.concatenate([run(model, feeds, [name])[0] for feeds in done.batches])
            for model in (done.found.model, done.sliced, done.model)
        )
        kept = dense if name == "fc" else dense[:, ::2]
        axes = (0, 2, 3)[: dense.ndim - 1]
        np.testing.assert_allclose(found.mean(axes), kept.mean(axes), rtol=1e-2, atol=1e-2 * kept.std())
        np.testing.assert_allclose(found.std(axes), kept.std(axes), rtol=1e-2)
        assert np.abs(sliced.mean(axes) - kept.mean(axes)).max() > 0.1 * kept.std()


def test_each_method_does_better_than_the_simpler_one() -> None:
    """Deep in a network, what earlier layers could not make up for is seen only by a repair that goes in order."""
    done = [repaired(deep(), method=method, batches=20) for method in ("bias", "least-squares", "sequential")]
    drifts = [done[0].drift(done[0].sliced), *(each.drift() for each in done)]
    assert drifts == sorted(drifts, reverse=True) and drifts[-1] < 0.7 * drifts[-2] < 0.5 * drifts[0], drifts


# Ways to be stored and to be run


@pytest.mark.parametrize("make", [convolutions, gemms, products_right])
def test_half_precision_stays_half_and_is_repaired(make: Make) -> None:
    done = repaired(in_half(make()))
    kinds = {tensor.data_type for tensor in done.model.proto.graph.initializer}
    assert TensorProto.FLOAT16 in kinds and TensorProto.FLOAT not in kinds
    assert done.drift(done.sliced) > 0.1
    assert done.drift() < 0.02


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_a_batch_that_is_fixed_at_1_is_repaired(method: str) -> None:
    done = repaired(deep(batch=1), method=method)
    assert done.drift() < done.drift(done.sliced)


@pytest.mark.parametrize("batches", [1, 2])
def test_few_batches_give_single_rows_to_judge_by(batches: int) -> None:
    assert repaired(convolutions(), batches=batches).drift() < EXACT


@pytest.mark.parametrize("method", FITTED)
def test_a_single_row_says_too_little_to_change_anything(method: str) -> None:
    g = Pairs()
    g.output(g.gemm(g.add("Gemm", g.input(1, 5), g.pair(8, 5), transB=1), 3))
    done = repaired(g.model(), method=method, batches=1)
    assert done.drift() == done.drift(done.sliced) > 0


def test_weights_in_constant_nodes_are_repaired_where_they_stand() -> None:
    proto = convolutions()
    nodes = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in proto.graph.initializer]
    nodes += proto.graph.node
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(nodes)
    done = repaired(proto)
    assert done.drift(done.sliced) > 0.1 and done.drift() < EXACT
    assert {tensor.name for tensor in done.model.proto.graph.initializer} == set(done.repair.added)


def test_the_memory_limit_changes_the_way_and_not_the_result() -> None:
    expected, found = (values(repaired(deep(), memory_limit=limit).model.proto) for limit in (MEMORY, 0))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-4 * np.abs(value).max())


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_the_same_repair_gives_the_same_bytes(method: str) -> None:
    first, second = (repaired(branchy(), method=method) for _ in range(2))
    assert first.model.proto.SerializeToString() == second.model.proto.SerializeToString()
    assert first.repair == second.repair


# What does not move


def forked() -> onnx.ModelProto:
    """One branch is pruned between its two layers, the other is not; both are added up."""
    net = Net(batch=8)
    left = net.conv("left2", net.relu(net.conv("left1", "x", 8)), 6)
    right = net.conv("right2", net.relu(net.conv("right1", "x", 8)), 6)
    return net.model(net.head(net.node("Add", [left, right], "sum")))


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_layers_that_pruning_does_not_reach_keep_their_weights(method: str) -> None:
    done = repaired(forked(), {"left1.weight[0]": np.arange(8) % 2 == 0}, method)
    before, after = values(done.sliced.proto), values(done.model.proto)
    changed = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    assert changed <= {"left2.weight", "left2.bias", "fc.weight", "fc.bias"}
    assert "left2.bias" in changed
    assert set(done.repair.recovered) >= changed


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_the_dense_model_and_the_samples_never_change(method: str) -> None:
    proto = deep()
    before = proto.SerializeToString()
    done = repaired(proto, method=method)
    assert done.found.model.proto.SerializeToString() == before
    for given_, expected in zip(done.batches, batches_for(done.found, len(done.batches)), strict=True):
        assert all(np.array_equal(given_[name], expected[name]) for name in expected)


def test_masks_that_keep_everything_change_nothing() -> None:
    done = repaired(convolutions(), {"stored_2[0]": np.ones(8, bool)})
    assert done.model.proto == done.sliced.proto
    assert done.repair.layers == () and done.repair.recovered == () and done.repair.added == ()


def test_a_weight_that_serves_two_layers_is_left_with_the_reason() -> None:
    g = Pairs()
    x = g.input(8, 5)
    w = g.weight(8, 3, fan_in=8)
    halves = [g.relu(g.add("MatMul", x, g.pair(5, 8, axis=1))) for _ in range(2)]
    g.output(*(g.add("MatMul", half, w) for half in halves))
    done = repaired(g.model())
    assert [*done.repair.left.values()] == ["its weight serves several nodes"] * 2
    assert done.repair.layers == () and done.repair.recovered == ()
    assert done.model.proto == done.sliced.proto


@pytest.mark.parametrize("method", [*RECOVERIES])
@pytest.mark.parametrize("size", [1e19, 1e38])
def test_values_that_overflow_never_reach_a_weight(size: float, method: str) -> None:
    g = Graph()
    x = g.add("Relu", g.add("Gemm", g.input(20, 5), g.store(g.random(8, 5) * np.float32(size)), transB=1))
    g.output(g.gemm(x, 3))
    done = repaired(g.model(), method=method)
    assert all(np.isfinite(value).all() for value in values(done.model.proto).values())
    if size == 1e38:
        assert done.repair.layers == () and [*done.repair.left.values()] == ["its values on the samples are not finite"]


def test_a_correction_too_large_for_half_precision_is_not_stored() -> None:
    """What is left of the inputs is so small that the weights would have to be larger than half precision goes."""
    g = Graph()
    rows = np.concatenate([g.random(1, 5) * 1e-6, g.random(1, 5)])
    rows[1] = rows[0] * 1e6
    x = g.add("Gemm", g.input(20, 5), g.store(np.asarray(rows, np.float32)), transB=1)
    g.output(g.add("Gemm", x, g.weight(3, 2), transB=1))
    done = repaired(in_half(g.model()), {"stored_2[0]": np.array([True, False])})
    assert all(np.isfinite(value).all() for value in values(done.model.proto).values())
    assert ["too large" in reason for reason in done.repair.left.values()] == [True]


def test_how_a_repair_gets_on_is_told() -> None:
    found = trace(Model(deep()))
    masks = by_name(found, {"conv0.weight[0]": np.arange(12) % 2 == 0})
    seen: list[float] = []
    sliced, _ = apply_masks(found, masks)
    samples = Calibration.of(batches_for(found, 3))
    repair(found, masks, sliced, samples, find("sequential"), MEMORY, seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1) and len(seen) >= 3


def test_a_pair_is_a_value_and_a_multiple_of_it() -> None:
    """What all of the above rests on."""
    made = paired(np.arange(12.0).reshape(2, 6) + 1, axis=1)
    ratios = made[:, 1::2] / made[:, ::2]
    assert (ratios > 0).all() and np.allclose(ratios[0], ratios[1]) and len(set(ratios[0].round(3))) == 3
