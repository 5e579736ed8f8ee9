"""What is counted at the inputs of layers, held against numpy."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from stage_graphs import feeds_of, half, typed, words

from onnxprune.calibrate import Calibration
from onnxprune.calibrate import rows as rows_module
from onnxprune.calibrate import statistics as module
from onnxprune.calibrate.rows import RowChoice
from onnxprune.calibrate.statistics import Statistics, collect
from onnxprune.linear import Layer, layers
from onnxprune.model import Model
from onnxprune.precision import as_float32
from onnxprune.runtime import Session

LIMIT = 1 << 30


def calibration_of(*batches: dict[str, Any]) -> Calibration:
    return Calibration(batches, tuple(len(next(iter(batch.values()))) for batch in batches), "test", True)


def collected(proto: onnx.ModelProto, *batches: dict[str, Any], covariances: bool = True) -> dict[str, Statistics]:
    return collect(*typed(proto), calibration_of(*batches), covariances, LIMIT)


def inputs_of(layer: Layer, batches: Any, choice: RowChoice | None = None) -> Any:
    """The inputs of a layer as one run gives them, [groups, rows, columns], in double precision."""
    found = []
    for place, feeds in enumerate(batches):
        outputs = [layer.output] if layer.x in feeds else [layer.output, layer.x]
        values = dict(feeds) | dict(zip(outputs, Session(layer.model, outputs).run(feeds), strict=True))
        count = layer.rows(values[layer.y])
        rows = np.arange(count) if choice is None else choice.of(place, count, layer.matrix_shape[1])
        found.append(layer.inputs(values[layer.x], rows))
    return np.concatenate(found, axis=1, dtype=np.float64)


def check(found: Statistics, inputs: Any, rtol: float = 1e-4) -> None:
    """Everything is as numpy computes it in double precision."""
    assert found.rows == inputs.shape[1]
    covariance = np.stack([np.cov(group.T, bias=True).reshape(2 * [group.shape[1]]) for group in inputs])
    spread = covariance.max() + 1e-9
    np.testing.assert_allclose(found.mean, inputs.mean(axis=1), rtol=rtol, atol=rtol * np.sqrt(spread))
    np.testing.assert_allclose(found.variance, inputs.var(axis=1), rtol=rtol, atol=rtol * spread)
    np.testing.assert_allclose(found.square, (inputs**2).mean(axis=1), rtol=rtol, atol=rtol * spread)
    np.testing.assert_array_equal(found.zero_share, (inputs == 0).mean(axis=1))
    if found.products is not None:
        np.testing.assert_allclose(found.covariance(), covariance, rtol=rtol, atol=rtol * spread)


# Whole models


@pytest.mark.parametrize("make", [networks.plain, networks.branchy, networks.shared_scale])
def test_every_layer_is_counted(make: Any) -> None:
    model = Model(make())
    batches = [feeds_of(model, seed=seed) for seed in range(3)]
    found = collected(model.proto, *batches)
    assert list(found) == [layer.output for group in module.by_depth(model, layers(model)) for layer in group]
    for layer in layers(model):
        assert found[layer.output].products is not None
        check(found[layer.output], inputs_of(layer, batches))


def test_batches_may_differ_in_size() -> None:
    model = Model(networks.plain(batch="N"))
    batches = [feeds_of(model, size, size) for size in (1, 5, 2)]
    found = collected(model.proto, *batches)
    for layer in layers(model):
        check(found[layer.output], inputs_of(layer, batches))


def test_a_batch_of_one() -> None:
    model = Model(networks.plain(batch=1))
    found = collected(model.proto, feeds_of(model))
    assert found["fc"].rows == 1 and not found["fc"].variance.any() and not found["fc"].covariance().any()
    check(found["conv2"], inputs_of(list(layers(model))[1], [feeds_of(model)]))


def test_half_precision_is_counted_in_single() -> None:
    rng = np.random.default_rng(0)
    feeds = {"x": rng.normal(size=(30, 4)).astype(np.float16), "s": np.array([0.1])}
    single = as_float32(Model(half()))
    fed = {**feeds, "x": feeds["x"].astype(np.float32)}
    found = collected(half(), feeds)
    for layer in layers(single):
        assert found[layer.output].origin.dtype == np.float32
        check(found[layer.output], inputs_of(layer, [fed]))


def test_integers_may_go_in() -> None:
    feeds = [{"ids": np.random.default_rng(seed).integers(0, 9, (2, 6))} for seed in range(2)]
    model = Model(words())
    [layer] = layers(model)
    check(collected(model.proto, *feeds)[layer.output], inputs_of(layer, feeds))


def test_directions_of_a_recurrent_layer_are_given_the_same() -> None:
    g = Graph()
    weights = [g.weight(2, 6, 4), g.weight(2, 6, 2)]
    y = g.nodes_of("GRU", [g.input(5, 3, 4), *weights], 1, hidden_size=2, direction="bidirectional")
    g.output(*y)
    model = Model(g.model())
    [layer] = layers(model)
    feeds = feeds_of(model)
    found = collected(model.proto, feeds)[layer.output]
    check(found, inputs_of(layer, [feeds]))
    assert np.array_equal(found.mean[0], found.mean[1])


def test_of_many_rows_the_chosen_ones_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "FEWEST_ROWS", 40)
    monkeypatch.setattr(rows_module, "ROWS_PER_COLUMN", 1)
    model = Model(networks.plain())
    batches = [feeds_of(model, seed=seed) for seed in range(2)]
    found = collected(model.proto, *batches)
    assert {name: item.rows for name, item in found.items()} == {"conv1": 40, "conv2": 40, "fc": 4}
    for layer in layers(model):
        check(found[layer.output], inputs_of(layer, batches, RowChoice(2)))


def test_covariances_are_kept_only_where_they_are_asked_for_and_not_too_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(networks.plain())
    found = collected(model.proto, feeds_of(model), covariances=False)
    assert all(item.covariance() is None for item in found.values())
    monkeypatch.setattr(module, "WIDEST", 8)
    found = collected(model.proto, feeds_of(model))
    assert [name for name, item in found.items() if item.covariance() is not None] == ["conv2"]


def test_progress_ends_at_one() -> None:
    model, types = typed(networks.plain())
    shares: list[float] = []
    collect(model, types, calibration_of(*[feeds_of(model)] * 2), False, LIMIT, shares.append)
    assert shares == sorted(shares) and len(shares) == 6 and shares[-1] == 1


def test_a_model_without_linear_layers_has_no_statistics() -> None:
    g = Graph()
    g.output(g.add("Relu", g.input(2, 3)))
    assert collected(g.model(), {"input_1": np.ones((2, 3), np.float32)}) == {}


def test_a_layer_that_is_never_given_a_row_counts_nothing() -> None:
    g = Graph()
    g.inputs.append(onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5]))
    y = g.add("MatMul", "x", g.weight(5, 3))
    g.output(y)
    found = collected(g.model(), {"x": np.zeros((0, 5), np.float32)})[y]
    assert found.rows == 0 and not found.mean.any() and not found.variance.any() and not found.zero_share.any()


def test_layers_that_do_the_same_with_one_weight_share_their_statistics() -> None:
    g = Graph()
    x, w = g.input(6, 5), g.weight(5, 5)
    first = g.add("MatMul", x, w)
    second, turned = g.add("MatMul", g.add("Relu", first), w), g.add("MatMul", w, g.transpose(x, 1, 0))
    g.output(second, turned)
    model = Model(g.model())
    feeds = feeds_of(model)
    found = collected(model.proto, feeds)
    assert found[first] is found[second] is not found[turned]
    both = [inputs_of(layer, [feeds]) for layer in layers(model) if layer.output != turned]
    check(found[first], np.concatenate(both, axis=1))


def test_rows_that_are_not_finite_are_left_out() -> None:
    g = Graph()
    x = g.add("Log", g.input(6, 5))
    y = g.linear(x, 3)
    g.output(y)
    values = np.full((6, 5), 0.5, np.float32)
    values[1, 2], values[4, 0] = -1, 0
    found = collected(g.model(), {"input_1": values})[y]
    assert found.rows == 4 and np.allclose(found.mean, np.log(0.5)) and np.isfinite(found.covariance()).all()


def test_there_is_no_covariance_of_values_whose_products_overflow() -> None:
    g = Graph()
    y = g.linear(g.input(6, 5), 3)
    g.output(y)
    values = np.random.default_rng(0).normal(0, 1e20, (6, 5)).astype(np.float32)
    found = collected(g.model(), {"input_1": values})[y]
    assert found.covariance() is None and np.isfinite(found.variance).all()


# Counting


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3), st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 99))
def test_rows_may_come_in_any_portions(groups: int, columns: int, portions: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = np.maximum(rng.normal(0.3, 1, (groups, sum(portions), columns)), 0).astype(np.float32)
    parts = np.split(inputs, np.cumsum(portions)[:-1], axis=1)
    found = Statistics.beginning_with(parts[0], True)
    for part in parts:
        found.add(part)
    check(found, inputs.astype(np.float64))


def test_small_differences_of_large_numbers_are_not_lost() -> None:
    rng = np.random.default_rng(0)
    inputs = (1000 + rng.normal(0, 0.1, (1, 5000, 3))).astype(np.float32)
    found = Statistics.beginning_with(inputs[:, :100], True)
    found.add(inputs)
    check(found, inputs.astype(np.float64), rtol=1e-3)


def test_columns_that_never_change_do_not_vary() -> None:
    inputs = np.full((1, 7, 2), 0.1, np.float32)
    found = Statistics.beginning_with(inputs, True)
    found.add(inputs)
    assert found.variance.max() < 1e-14 and np.abs(found.covariance()).max() < 1e-14


def test_few_rows_are_gathered_before_they_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(networks.plain())
    batches = [feeds_of(model, seed=seed) for seed in range(5)]
    at_once = collected(model.proto, *batches)
    portions: list[int] = []

    class Watched(Statistics):
        def add(self, inputs: Any) -> None:
            portions.append(inputs.shape[1])
            super().add(inputs)

    monkeypatch.setattr(module, "Statistics", Watched)
    monkeypatch.setattr(module, "CHUNK", 60)
    in_parts = collected(model.proto, *batches)
    assert portions == [100, 100, 50] * 2 + [10]
    for name, found in in_parts.items():
        np.testing.assert_allclose(found.covariance(), at_once[name].covariance(), rtol=1e-4, atol=1e-5)
