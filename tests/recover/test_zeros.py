"""Zeros in weights: they stay through every repair, and what they take away is made up for by the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, branchy, plain, values
from onnx import helper
from repairs import (
    MEMORY,
    REPAIRABLE,
    batches_for,
    convolutions,
    copied,
    gemms,
    in_half,
    repaired,
    smallest,
    with_zeros,
)

from onnxprune.axes import Mask
from onnxprune.calibrate import Calibration
from onnxprune.linear import Layer, layers
from onnxprune.model import Model
from onnxprune.recover import RECOVERIES, Correction, Recovery, Rows, repair
from onnxprune.recover.jobs import Jobs, find_jobs
from onnxprune.tracing import trace

Make = Callable[[], onnx.ModelProto]
FITTED = ("least-squares", "sequential")


def weights_of(model: Model) -> dict[str, np.ndarray]:
    """The weights of linear layers by name."""
    return {layer.weight[1]: model.array(model.constants[layer.weight]) for layer in layers(model)}


def deep(batch: int = 8) -> onnx.ModelProto:
    """Five random convolutions with rectifiers, without biases."""
    net = Net(batch=batch)
    x = "x"
    for n in range(5):
        x = net.relu(net.conv(f"conv{n}", x, 12, 3, bias=False))
    return net.model(net.head(x))


# Zeros that were put into weights


@pytest.mark.parametrize("method", [*RECOVERIES])
@pytest.mark.parametrize("make", REPAIRABLE)
def test_every_method_keeps_the_zeros_and_fills_nothing_else_with_them(make: Make, method: str) -> None:
    done = with_zeros(make(), smallest(make()), method)
    before, after = weights_of(done.sliced), weights_of(done.model)
    assert before.keys() == after.keys() and done.repair.layers
    for name, values_ in before.items():
        assert np.array_equal(after[name] == 0, values_ == 0) and (values_ == 0).any(), name


@pytest.mark.parametrize("method", FITTED)
def test_columns_without_which_others_can_do_leave_no_trace(method: str) -> None:
    """Every second channel is a multiple of the one before: its weights in the next layer can all be zero."""
    proto = gemms()
    goes = {name: np.zeros(weight.shape, bool) for name, weight in weights_of(Model(proto)).items()}
    hidden, last = [*goes][1:]
    goes[hidden][1::2] = goes[last][1::2] = True
    done = with_zeros(proto, {hidden: goes[hidden], last: goes[last]}, method)
    assert done.drift(done.sliced) > 0.1
    assert done.drift() < 2e-3


def test_each_repair_does_better_than_the_simpler_one() -> None:
    done = [with_zeros(deep(), smallest(deep(), 0.7), method, 20) for method in ("bias", "least-squares", "sequential")]
    drifts = [done[0].drift(done[0].sliced), *(each.drift() for each in done)]
    assert drifts == sorted(drifts, reverse=True) and drifts[-1] < 0.8 * drifts[0], drifts


def test_biases_may_leave_zero() -> None:
    proto = plain()
    for tensor in proto.graph.initializer:
        if tensor.name == "conv2.bias":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(12, np.float32), tensor.name))
    done = with_zeros(proto, {"conv2.weight": smallest(proto)["conv2.weight"]})
    assert values(done.model.proto)["conv2.bias"].all()


def test_half_precision_keeps_its_zeros() -> None:
    proto = in_half(convolutions())
    done = with_zeros(proto, smallest(proto))
    assert done.drift() < done.drift(done.sliced)
    for name, before in weights_of(done.sliced).items():
        assert not weights_of(done.model)[name][before == 0].any()


def test_layers_before_the_zeros_keep_their_weights_and_those_behind_keep_their_own_zeros() -> None:
    """`conv0` and `conv1` see nothing of what `conv2` lost; `conv3` is refitted, in the zeros that it always had."""
    proto = deep()
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == "conv3.weight")
    sparse = onnx.numpy_helper.to_array(stored) * (np.random.default_rng(0).random(tuple(stored.dims)) < 0.5)
    stored.CopyFrom(onnx.numpy_helper.from_array(sparse.astype(np.float32), stored.name))
    done = with_zeros(proto, {"conv2.weight": smallest(proto)["conv2.weight"]})
    before, after = weights_of(done.sliced), weights_of(done.model)
    changed = {name for name in before if before[name].tobytes() != after[name].tobytes()}
    assert changed == {"conv2.weight", "conv3.weight", "conv4.weight", "fc.weight"}
    assert np.array_equal(after["conv3.weight"] == 0, sparse == 0)


def test_a_dense_model_without_losses_is_left_alone() -> None:
    done = with_zeros(branchy(), {})
    assert done.model.proto == done.sliced.proto and not done.repair.layers and not done.repair.left


def test_zeros_stay_where_a_correction_cannot_be_stored() -> None:
    """A layer is cut and moved, then given weights beyond all bounds: what is left is the dense one with zeros."""
    proto = plain()
    mask = smallest(proto)["conv2.weight"]

    def cut(layer: Layer, rows: Rows) -> Rows:
        return replace(rows, matrix=np.where(layer.matrix(mask), 0, 2 * rows.matrix)) if layer.name == "conv2" else rows

    def huge(rows: Rows) -> Correction:
        return Correction(np.where(rows.frozen, 0, np.inf), np.zeros_like(rows.bias))

    found = trace(Model(proto))
    model, done = repair(
        found, {}, Model(copied(proto)), Calibration.of(batches_for(found, 5)), Recovery("huge", True, huge), MEMORY,
        touched={("", "conv2.weight")}, cut=cut,
    )  # fmt: skip
    assert not done.layers and all("too large" in reason for reason in done.left.values())
    before, after = values(proto), values(model.proto)
    assert np.array_equal(after.pop("conv2.weight"), np.where(mask, 0, before["conv2.weight"]))
    assert all(np.array_equal(value, before[name]) for name, value in after.items()) and not done.recovered


# Zeros that were there before channels went


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_channels_that_go_leave_the_zeros_of_the_others(method: str) -> None:
    proto = copied(deep())
    for tensor in proto.graph.initializer:
        if tensor.name.endswith("weight"):
            dense = onnx.numpy_helper.to_array(tensor)
            sparse = np.where(np.abs(dense) < np.median(np.abs(dense)), 0, dense)
            tensor.CopyFrom(onnx.numpy_helper.from_array(sparse, tensor.name))
    done = repaired(proto, method=method)
    before, after = weights_of(done.sliced), weights_of(done.model)
    assert all(np.array_equal(after[name] == 0, before[name] == 0) for name in before)
    assert 0.4 < np.mean(after["conv2.weight"] == 0) < 0.6
    assert done.drift() < done.drift(done.sliced)


def test_pairs_of_four_stay_pairs_of_four() -> None:
    """2:4 along the input channels, of which whole fours go."""
    net = Net(batch=8)
    x = net.relu(net.conv("first", "x", 16))
    proto = net.model(net.head(net.relu(net.conv("second", x, 8))))
    stored = next(tensor for tensor in proto.graph.initializer if tensor.name == "second.weight")
    fours = onnx.numpy_helper.to_array(stored).reshape(8, 4, 4).copy()
    np.put_along_axis(fours, np.abs(fours).argsort(axis=2)[..., :2], 0, axis=2)
    stored.CopyFrom(onnx.numpy_helper.from_array(fours.reshape(8, 16, 1, 1), stored.name))
    done = repaired(proto, {"first.weight[0]": np.repeat([True, False, True, False], 4)})
    kept = weights_of(done.model)["second.weight"]
    assert kept.shape == (8, 8, 1, 1) and not np.array_equal(kept, weights_of(done.sliced)["second.weight"])
    assert (np.count_nonzero(kept.reshape(8, 2, 4), axis=2) == 2).all()


# Which layers it concerns


def jobs_of(proto: onnx.ModelProto, touched: set[tuple[str, str]]) -> Jobs:
    return find_jobs(trace(Model(proto)), {}, Model(copied(proto)), touched)


def test_layers_that_lost_weights_and_those_behind_them_are_repaired() -> None:
    jobs = jobs_of(branchy(), {("", "side.weight")})
    assert [job.dense.name for job in jobs.found] == ["side", "mix", "from_left", "from_right", "fc"]
    assert all(job.aligned and job.groups.all() and job.outs.all() for job in jobs.found) and not jobs.left


def test_the_first_layer_can_be_one_of_them() -> None:
    jobs = jobs_of(plain(), {("", "conv1.weight")})
    assert [job.dense.name for job in jobs.found] == ["conv1", "conv2", "fc"]


def test_without_room_no_constant_is_added() -> None:
    proto = deep()
    pruned = Model(copied(proto))
    jobs = find_jobs(trace(Model(proto)), {}, pruned, {("", "conv0.weight")}, with_room=False)
    assert len(jobs.found) == 6 and all(job.room is None for job in jobs.found)
    assert jobs.added == () and pruned.proto == proto


def test_a_layer_of_unknown_rank_can_be_one_of_them() -> None:
    """Its rows were not pruned: nothing was."""
    g = Graph()
    x, w = g.input(2, 5), g.weight(5, 3)
    g.output(g.add("MatMul", g.add("Relu", x), w))
    proto = g.model()
    found = trace(Model(proto))
    unknown = {name: replace(tensor, axes=None) for name, tensor in found.tensors.items()}
    jobs = find_jobs(replace(found, tensors=unknown), {}, Model(copied(proto)), {("", w)})
    assert len(jobs.found) == 1 and not jobs.left


def shared() -> tuple[onnx.ModelProto, set[tuple[str, str]]]:
    g = Graph()
    x, w = g.input(2, 5), g.weight(5, 3)
    g.output(*(g.add("MatMul", g.add("Relu", x), w) for _ in range(2)))
    return g.model(), {("", w)}


def integers(left: bool = False) -> tuple[onnx.ModelProto, set[tuple[str, str]]]:
    g = Graph()
    stored = g.store(g.rng.integers(-99, 99, (3, 5) if left else (5, 3)), np.int8)
    w = g.add("DequantizeLinear", stored, g.store(0.01, np.float32))
    x = g.input(5, 2) if left else g.input(2, 5)
    g.output(g.add("MatMul", *((w, x) if left else (x, w))))
    return g.model(), {("", stored)}


def computed() -> tuple[onnx.ModelProto, set[tuple[str, str]]]:
    g = Graph()
    stored = g.weight(3, 5)
    g.output(g.add("MatMul", g.input(2, 5), g.transpose(stored, 1, 0)))
    return g.model(), {("", stored)}


def in_a_body() -> tuple[onnx.ModelProto, set[tuple[str, str]]]:
    g = Graph()
    x, w = g.input(2, 5), g.weight(5, 3)
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [2, 3])
    bodies = [
        helper.make_graph([helper.make_node("MatMul", [x, w], ["out"], f"product_{name}")], name, [], [out])
        for name in ("yes", "no")
    ]
    g.output(g.add("If", g.store(True, bool), then_branch=bodies[0], else_branch=bodies[1]))
    return g.model(), {("", w)}


@pytest.mark.parametrize(
    ("made", "reason", "nodes"),
    [
        (shared(), "serves several nodes", 2),
        (integers(), "stored in integers", 1),
        (integers(left=True), "stored in integers", 1),
        (computed(), "computed in the graph", 1),
        (in_a_body(), "body of a control-flow operator", 2),
    ],
    ids=["shared", "integers", "integers on the left", "computed", "in a body"],
)
def test_what_cannot_be_repaired_is_named_with_the_reason(
    made: tuple[onnx.ModelProto, set[tuple[str, str]]], reason: str, nodes: int
) -> None:
    jobs = jobs_of(*made)
    assert jobs.found == () and len(jobs.left) == nodes
    assert all(reason in why for why in jobs.left.values()), jobs.left
    assert not jobs_of(made[0], set()).left


def test_a_mask_says_where_the_smallest_are() -> None:
    """What all of the above rests on."""
    masks: dict[str, Mask] = smallest(plain(), 0.5)
    for name, weight in weights_of(Model(plain())).items():
        assert np.abs(weight[masks[name]]).max() < np.abs(weight[~masks[name]]).min()
