"""OBS: what is lost with a unit once everything else has made up for it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, edit, traced, values
from scored import column, scores, statistics

from onnxprune.calibrate import statistics as statistics_module
from onnxprune.criteria import obs, score, surgery

BATCHES = 12
"""Enough samples for a covariance of as many columns as there are here."""


def small(size: int = 8) -> onnx.ModelProto:
    """One convolution and a classifier; the image has as many channels, so that its outputs are independent."""
    net = Net(channels=size, side=6)
    hidden = net.conv("conv1", "x", size)
    return net.model(net.conv("fc", hidden, 4), [2, 4, 6, 6])


def test_a_unit_that_repeats_another_is_the_first_to_go_and_its_twin_is_not() -> None:
    def repeat(weights: np.ndarray) -> np.ndarray:
        weights = weights.copy()
        weights[5] = weights[2]
        return weights

    proto = edit(edit(small(), "conv1.weight", repeat), "conv1.bias", repeat)
    (found,) = scores(proto, "obs", BATCHES)
    twins = found[[2, 5]]
    assert found.argmin() in (2, 5) and twins.min() < 0.1 * np.delete(found, [2, 5]).min() < twins.max()


def test_a_unit_that_others_add_up_to_costs_almost_nothing() -> None:
    def mix(weights: np.ndarray) -> np.ndarray:
        weights = weights.copy()
        weights[6] = weights[0] - weights[1] + weights[2]
        return weights

    (found,) = scores(edit(edit(small(), "conv1.weight", mix), "conv1.bias", mix), "obs", BATCHES)
    # Any of the four can be made of the other three; one of them goes first.
    assert found.argmin() in (0, 1, 2, 6) and np.sort(found)[0] < 0.1 * np.sort(found)[1]


def test_a_constant_unit_costs_almost_nothing_however_it_weighs() -> None:
    silent = np.arange(8) == 3
    proto = edit(small(), "conv1.weight", lambda w: w * column(~silent).astype(np.float32))
    (found,) = scores(edit(proto, "conv1.bias", lambda b: b + silent.astype(np.float32) * 9), "obs", BATCHES)
    assert found.argmin() == 3 and found[3] < 0.1 * np.sort(found)[1]


def test_layers_too_wide_for_a_covariance_are_scored_by_variances(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics_module, "WIDEST", 0)
    (wide,), (expected,) = (scores(small(), name, BATCHES) for name in ("obs", "variance"))
    np.testing.assert_allclose(wide, expected)


def test_each_use_of_a_weight_counts() -> None:
    def model(uses: int) -> onnx.ModelProto:
        net = Net(channels=8, side=6)
        hidden = net.conv("conv1", "x", 8)
        weight = net.weight("fc", 4, 8, 1, 1)
        outs = [net.node("Conv", [hidden, weight], f"out{use}", 4) for use in range(uses)]
        return net.model(net.node("Sum", outs, "sum"), [2, 4, 6, 6])

    once, thrice = (scores(model(uses), "obs", BATCHES)[0] for uses in (1, 3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-4)


def test_the_first_loss_is_that_of_the_best_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against least squares on the very samples: what is left of the output when one column is taken away."""
    monkeypatch.setattr(surgery, "RIDGE", 1e-9)
    proto = small()
    found = traced(proto)
    seen = statistics(found, BATCHES)
    covariance = seen["fc"].covariance()
    assert covariance is not None
    weights = values(proto)["fc.weight"].reshape(4, 8).T.astype(np.float64)
    root = np.linalg.cholesky(covariance[0]).T
    outputs = root @ weights
    left = []
    for unit in range(8):
        rest = np.delete(root, unit, axis=1)
        left.append(np.sum((outputs - rest @ np.linalg.lstsq(rest, outputs, rcond=None)[0]) ** 2))
    saliency = score(found, "obs", 0, seen)[found.dims[0]]
    assert saliency.argmin() == np.argmin(left)
    np.testing.assert_allclose(saliency.min(), np.min(left) / np.sum(outputs**2), rtol=1e-4)


def test_units_of_unrelated_inputs_are_worth_their_share_of_the_output() -> None:
    """The columns of an identity in front of the classifier see independent noise: `obs` and `variance` agree."""
    proto = edit(small(), "conv1.weight", lambda w: np.eye(8, dtype=np.float32)[..., None, None])
    (surgery,), (shares,) = scores(proto, "obs", 40), scores(proto, "variance", 40)
    assert surgery.argmin() == shares.argmin()
    np.testing.assert_allclose(surgery.min(), shares.min(), rtol=0.1)


def test_what_is_lost_with_all_units_together_is_all_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each loss counts what went before, so that the losses add up."""
    monkeypatch.setattr(surgery, "RIDGE", 1e-9)
    (found,) = scores(small(), "obs", BATCHES)
    assert found.sum() == pytest.approx(1)


def test_of_twins_in_a_wide_layer_one_stays_although_several_units_go_between_two_looks() -> None:
    size = 3 * obs.PART

    def repeat(weights: np.ndarray) -> np.ndarray:
        weights = weights.copy()
        weights[[5, 50]] = weights[[2, 40]]
        return weights

    proto = edit(edit(small(size), "conv1.weight", repeat), "conv1.bias", repeat)
    (found,) = scores(proto, "obs", BATCHES)
    for twins in (found[[2, 5]], found[[40, 50]]):
        assert 20 * twins.min() < twins.max()


def test_units_that_became_dear_wait_until_cheaper_ones_have_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any of six units is a sum of the other five: they are the cheapest until one of them has gone, but not after."""

    def sum_up(weights: np.ndarray) -> np.ndarray:
        weights = weights.copy()
        weights[0] = weights[1:6].sum(axis=0)
        return weights

    proto = edit(edit(small(3 * obs.PART), "conv1.weight", sum_up), "conv1.bias", sum_up)
    (by_parts,) = scores(proto, "obs", BATCHES)
    monkeypatch.setattr(obs, "PART", 10**9)
    (one_by_one,) = scores(proto, "obs", BATCHES)
    np.testing.assert_allclose(np.sort(by_parts)[:6], np.sort(one_by_one)[:6], rtol=1e-6)


def test_a_dim_without_a_consumer_has_the_share_of_the_squared_weights() -> None:
    g = Graph()
    x = g.input(2, 5, 3)
    g.output(g.add("MatMul", g.linear(x, 4), g.transpose(g.linear(x, 4), 0, 2, 1)))
    proto = g.model()
    assert scores(proto, "obs")[0].sum() == 1
    np.testing.assert_allclose(scores(proto, "obs")[0], scores(proto, "variance")[0])
