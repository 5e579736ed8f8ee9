"""Zeros chosen layer by layer for what the rest of a layer can make up for."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, values
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxprune.calibrate import Calibration
from onnxprune.feeds import random_feeds
from onnxprune.granularity import ELEMENTS, Blocks, Granularity, Pattern
from onnxprune.inputs import concrete_inputs
from onnxprune.linear import layers
from onnxprune.model import ConstantKey, Model
from onnxprune.recover import RECOVERIES, Repair, find, repair
from onnxprune.runtime import run
from onnxprune.sparsify.obs import choose_by_obs, reachable
from onnxprune.sparsify.obs.admm import least_loss
from onnxprune.tracing import trace

Array = NDArray[Any]
Mask = NDArray[np.bool_]
MEMORY = 1 << 30


def copied(proto: onnx.ModelProto) -> Model:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return Model(copy)


def batches_for(proto: onnx.ModelProto, count: int = 16, seed: int = 0) -> Calibration:
    found = trace(Model(proto))
    shapes = concrete_inputs(found.model)
    return Calibration.of(random_feeds(found, shapes, seed + place) for place in range(count))


def zeros_for(proto: onnx.ModelProto, share: float) -> dict[ConstantKey, int]:
    """So many zeros in the weight of each layer that it rounds to whole blocks of four."""
    model = Model(proto)
    found = {layer.weight: model.constants[layer.weight] for layer in layers(model)}
    return {key: int(share * np.prod(tensor.dims) // 4 * 4) for key, tensor in found.items()}


def chosen(
    proto: onnx.ModelProto,
    zeros: Mapping[ConstantKey, int],
    granularity: Granularity = ELEMENTS,
    method: str | None = "sequential",
) -> tuple[Model, dict[ConstantKey, Mask], Repair | None]:
    recovery = None if method is None else find(method)
    found = trace(Model(proto))
    model, masks, done = choose_by_obs(found, copied(proto), zeros, granularity, batches_for(proto), MEMORY, recovery)
    onnx.checker.check_model(model.proto, full_check=True)
    return model, masks, done


def drift(proto: onnx.ModelProto, model: Model) -> float:
    """The squared difference of the outputs on fresh inputs, relative to the dense model's."""
    feeds = batches_for(proto, 1, seed=99).batches[0]
    dense, found = (run(each, feeds)[0].astype(np.float64) for each in (Model(proto), model))
    return float(np.sum((dense - found) ** 2) / np.sum(dense**2))


def deep(channels: int = 8, batch: int = 8) -> onnx.ModelProto:
    """Four random convolutions with rectifiers."""
    net = Net(channels=channels, batch=batch)
    x = "x"
    for n in range(4):
        x = net.relu(net.conv(f"conv{n}", x, 16, 3))
    return net.model(net.head(x))


def by_magnitude(proto: onnx.ModelProto, zeros: Mapping[ConstantKey, int]) -> Model:
    """The smallest weights of each layer are zero, and the rest is repaired."""
    model = copied(proto)
    for key, count in zeros.items():
        tensor = model.constants[key]
        weights = model.array(tensor).copy()
        weights.ravel()[np.abs(weights).argsort(axis=None)[:count]] = 0
        tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
    found = trace(Model(proto))
    return repair(found, {}, model, batches_for(proto), find("sequential"), MEMORY, touched=zeros.keys())[0]


# A whole model


@pytest.mark.parametrize("method", [None, *RECOVERIES])
def test_every_weight_has_exactly_the_zeros_that_were_asked_for(method: str | None) -> None:
    proto = deep()
    zeros = zeros_for(proto, 0.7)
    model, masks, _ = chosen(proto, zeros, method=method)
    assert masks.keys() == zeros.keys()
    for key, count in zeros.items():
        weights = model.array(model.constants[key])
        assert np.array_equal(weights == 0, masks[key]) and np.count_nonzero(masks[key]) == count


@pytest.mark.parametrize("granularity", [Pattern(2, 4), Pattern(1, 8), Blocks(1, 4), Blocks(4, 2)], ids=str)
def test_patterns_and_blocks_are_kept_in_the_stored_layout(granularity: Granularity) -> None:
    proto = deep()
    zeros = {key: count for key, count in zeros_for(proto, 0.5).items() if key[1] != "fc.weight"}
    _, masks, _ = chosen(proto, {key: count // 8 * 8 for key, count in zeros.items()}, granularity)
    for key, mask in masks.items():
        by_tap = np.moveaxis(mask, (0, 1), (-2, -1)).reshape(-1, *mask.shape[:2])
        outs, inputs = granularity.outs, granularity.channels
        apart = by_tap.reshape(-1, mask.shape[0] // outs, outs, mask.shape[1] // inputs, inputs)
        counts = np.count_nonzero(apart, axis=(2, 4))
        if isinstance(granularity, Pattern):
            assert (counts == granularity.m - granularity.n).all(), key
        else:
            assert set(np.unique(counts)) == {0, outs * inputs} and np.count_nonzero(mask) == zeros[key] // 8 * 8


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_less_is_lost_than_with_the_smallest_weights(share: float) -> None:
    proto = deep()
    zeros = zeros_for(proto, share)
    assert drift(proto, chosen(proto, zeros)[0]) < 0.8 * drift(proto, by_magnitude(proto, zeros))


def test_weights_on_inputs_that_repeat_or_never_change_are_the_first_to_go() -> None:
    """Every second input is the one before again, and the last two stand still: 6 of 14 columns say everything."""
    g = Graph()
    x = g.input(64, 6)
    twice = g.add("Gather", x, g.store(np.repeat(np.arange(6), 2)), axis=1)
    still = g.add("Mul", g.add("Gather", x, g.store(np.arange(2)), axis=1), g.store(np.zeros(2, np.float32)))
    w = g.weight(5, 14, fan_in=14)
    g.output(g.add("Gemm", g.add("Concat", twice, still, axis=1), w, transB=1))
    proto, zeros = g.model(), {("", w): 5 * 8}
    model, masks, _ = chosen(proto, zeros)
    assert masks["", w][:, 12:].all()
    assert drift(proto, model) < 0.1 * drift(proto, by_magnitude(proto, zeros))


@pytest.mark.parametrize("method", [None, "sequential"])
@pytest.mark.parametrize("share", [0.32, 0.6])
def test_zeros_that_were_there_stay_and_count(share: float, method: str | None) -> None:
    proto = deep()
    zeros = zeros_for(proto, share)
    before: dict[ConstantKey, Mask] = {}
    for key in zeros:
        tensor = next(tensor for tensor in proto.graph.initializer if tensor.name == key[1])
        weights = numpy_helper.to_array(tensor).copy()
        weights.ravel()[np.random.default_rng(0).permutation(weights.size)[: int(0.3 * weights.size)]] = 0
        tensor.CopyFrom(numpy_helper.from_array(weights, tensor.name))
        before[key] = weights == 0
    masks = chosen(proto, zeros, method=method)[1]
    for key, count in zeros.items():
        assert masks[key][before[key]].all() and np.count_nonzero(masks[key]) == count
    masks = chosen(proto, dict.fromkeys(zeros, 4), method=method)[1]
    assert all(np.array_equal(masks[key], before[key]) for key in zeros)


@pytest.mark.parametrize("still", [2, 6])
@pytest.mark.parametrize("widest", [1, 6144])
def test_weights_that_make_no_difference_come_behind_those_that_are_zero(
    still: int, widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some inputs, or all, are always zero; of equal scores the first would go."""
    monkeypatch.setattr("onnxprune.calibrate.statistics.WIDEST", widest)
    g = Graph()
    weights = g.random(4, 6)
    weights[:, 4:] = 0
    x = g.add("Mul", g.input(64, 6), g.store((np.arange(6) >= still).astype(np.float32)))
    w = g.store(weights.astype(np.float32))
    g.output(g.add("Gemm", x, w, transB=1))
    mask = chosen(g.model(), {("", w): 12}, method=None)[1]["", w]
    assert mask[:, 4:].all() and np.count_nonzero(mask[:, : min(still, 4)]) == np.count_nonzero(mask[:, :4]) == 4


@pytest.mark.parametrize("widest", [1, 6144])
def test_inputs_that_never_change_count_only_where_no_bias_can_take_them_over(
    widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onnxprune.calibrate.statistics.WIDEST", widest)
    g = Graph()
    level = g.store(np.array([5, 5, 5, 0, 0, 0], np.float32))
    x = g.add("Mul", g.input(64, 6), g.store(np.array([0, 0, 0, 1, 1, 1], np.float32)))
    w = g.store(np.ones((4, 6), np.float32))
    g.output(g.add("Gemm", g.add("Add", x, level), w, g.store(np.zeros(4, np.float32)), transB=1))
    with_bias, without = (chosen(g.model(), {("", w): 12}, method=method)[1]["", w] for method in ("bias", None))
    assert with_bias[:, :3].all() and without[:, 3:].all()


def test_it_counts_what_a_weight_has_to_do_now_not_what_it_had_to_do() -> None:
    """The dense layer reads the second of two equal inputs; where that fell silent, the first has to take over."""
    g = Graph()
    first = g.store(np.array([[1, 0], [1, 0], [0, 0.5]], np.float32))
    x = g.add("Gemm", g.input(64, 2), first, transB=1)
    w = g.store(np.array([[0.01, 1, 1]], np.float32))
    g.output(g.add("Gemm", x, w, transB=1))
    proto, start = g.model(), copied(g.model())
    silent = start.constants["", first]
    silent.CopyFrom(numpy_helper.from_array(np.array([[1, 0], [0, 0], [0, 0.5]], np.float32), first))
    _, masks, _ = choose_by_obs(
        trace(Model(proto)), start, {("", w): 2}, ELEMENTS, batches_for(proto), MEMORY, find("sequential")
    )
    assert masks["", w].tolist() == [[False, True, True]]


def test_without_a_repair_no_other_number_changes() -> None:
    net = Net(channels=8, batch=8)
    x = net.relu(net.conv("conv0", "x", 16, 3, bias=False))
    proto = net.model(net.head(net.relu(net.conv("conv1", x, 8, 3, bias=False))))
    model, masks, done = chosen(proto, zeros_for(proto, 0.5), method=None)
    assert done is None
    before, after = values(proto), values(model.proto)
    assert before.keys() == after.keys()
    for name, found in after.items():
        expected = np.where(masks["", name], 0, before[name]) if ("", name) in masks else before[name]
        assert found.tobytes() == expected.tobytes(), name


def test_layers_without_zeros_behind_those_with_some_are_repaired() -> None:
    proto = deep()
    zeros = {("", "conv1.weight"): 2000}
    model, masks, done = chosen(proto, zeros)
    assert [*masks] == [*zeros] and done is not None
    assert [layer.name for layer in done.layers] == ["conv1", "conv2", "conv3", "fc"]
    assert done.method == "sequential" and {"conv1.weight", "conv2.weight"} <= set(done.recovered)
    assert values(model.proto)["conv0.weight"].tobytes() == values(proto)["conv0.weight"].tobytes()
    assert drift(proto, model) < 0.5 * drift(proto, chosen(proto, zeros, method=None)[0])


def test_zeros_alone_are_no_correction() -> None:
    """Moving biases moves no weight: of the weights that have zeros now, none is listed as recovered."""
    proto = deep()
    model, masks, done = chosen(proto, zeros_for(proto, 0.5), method="bias")
    assert done is not None and all(name.endswith("bias") for name in done.recovered)
    for key, mask in masks.items():
        before, after = (values(each.proto)[key[1]] for each in (Model(proto), model))
        assert np.array_equal(after, np.where(mask, 0, before))


def test_weights_of_several_layers_are_left_as_they_are_and_are_not_reachable() -> None:
    g = Graph()
    x, w, own = g.input(8, 6), g.weight(6, 4), g.weight(6, 4)
    g.output(*(g.add("MatMul", g.add("Relu", x), name) for name in (w, w, own)))
    proto = g.model()
    assert reachable(Model(proto)) == {("", own)}
    model, masks, done = chosen(proto, {("", w): 12, ("", own): 12})
    assert [*masks] == [("", own)] and done is not None and len(done.left) == 2
    assert values(model.proto)[w].tobytes() == values(proto)[w].tobytes()


def test_layers_on_which_the_samples_overflow_get_no_zeros() -> None:
    g = Graph()
    w = g.store(g.random(8, 5) * np.float32(1e38))
    x = g.add("Relu", g.add("Gemm", g.input(20, 5), w, transB=1))
    last = g.weight(3, 8)
    g.output(g.add("Gemm", x, last, transB=1))
    model, masks, done = chosen(g.model(), {("", last): 12})
    assert not masks and done is not None and [*done.left.values()] == ["its values on the samples are not finite"]
    assert values(model.proto)[last].all()


def test_half_precision_gets_its_zeros() -> None:
    proto = deep()
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    zeros = zeros_for(proto, 0.5)
    model, masks, _ = chosen(proto, zeros)
    assert {tensor.data_type for tensor in model.proto.graph.initializer} == {onnx.TensorProto.FLOAT16}
    assert all(np.count_nonzero(masks[key]) >= count for key, count in zeros.items())
    assert drift(proto, model) < 0.1


def test_layers_too_wide_for_second_moments_lose_what_counts_least_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onnxprune.calibrate.statistics.WIDEST", 4)
    g = Graph()
    strength = g.store(np.geomspace(0.1, 10, 12).astype(np.float32))
    w = g.weight(5, 12)
    g.output(g.add("Gemm", g.add("Mul", g.input(64, 12), strength), w, transB=1))
    proto = g.model()
    masks = chosen(proto, {("", w): 30}, method=None)[1]
    scaled = g.nodes[0].output[0]
    inputs = np.concatenate([run(Model(proto), feeds, [scaled])[0] for feeds in batches_for(proto).batches])
    scores = np.square(values(proto)[w]) * np.square(inputs).mean(axis=0)
    assert np.array_equal(masks["", w], scores <= np.sort(scores, axis=None)[29])


def test_the_same_choice_gives_the_same_bytes() -> None:
    proto = deep()
    first, second = (chosen(proto, zeros_for(proto, 0.7))[0] for _ in range(2))
    assert first.proto.SerializeToString() == second.proto.SerializeToString()


# One layer


def loss(weights: Array, moments: Array, goes: Mask) -> float:
    """What is lost of one group when the rest is refitted."""
    total = 0.0
    for out, gone in enumerate(goes.T):
        lost = np.linalg.inv(np.linalg.inv(moments)[np.ix_(gone, gone)]) if gone.any() else np.zeros((0, 0))
        total += weights[gone, out] @ lost @ weights[gone, out]
    return total


def lowest_of(zeros: int) -> Any:
    return lambda scores: ELEMENTS.lowest(scores, zeros)


def test_of_independent_inputs_the_weights_that_cost_least_go() -> None:
    rng = np.random.default_rng(0)
    weights, variance = rng.normal(size=(2, 9, 4)), rng.uniform(0.1, 10, (2, 9))
    variance[0, 3] = 0
    goes = least_loss(weights, variance[:, :, None] * np.eye(9), lowest_of(30))
    cost = weights**2 * (variance + 0.01 * variance.mean(axis=1, keepdims=True))[..., None]
    assert np.array_equal(goes, ELEMENTS.lowest(cost, 30))


@pytest.mark.parametrize("zeros", [3, 5, 7])
def test_the_choice_is_near_the_best_of_all(zeros: int) -> None:
    """One output of nine inputs that depend on each other, against every choice that there is; twenty times over."""
    ratios, simple = [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        inputs = rng.normal(size=(50, 9)) @ rng.normal(size=(9, 9))
        weights, moments = rng.normal(size=(9, 1)), inputs.T @ inputs
        losses = []
        for places in itertools.combinations(range(9), zeros):
            goes = np.zeros((9, 1), bool)
            goes[[*places]] = True
            losses.append(loss(weights, moments, goes))
        found = least_loss(weights[None], moments[None], lowest_of(zeros))[0]
        ratios.append(loss(weights, moments, found) / min(losses))
        by_cost = lowest_of(zeros)(weights[None] ** 2 * np.diag(moments)[:, None])[0]
        simple.append(loss(weights, moments, by_cost) / min(losses))
    assert min(ratios) >= 1 - 1e-9
    assert np.median(ratios) < 1.1 < 1.3 < np.median(simple), (np.median(ratios), np.median(simple))
