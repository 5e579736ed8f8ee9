"""Magnitude and chance: what a unit weighs, over everything that goes with it."""

from __future__ import annotations

import numpy as np
import pytest
from networks import Net, branchy, edit, plain, shared_scale, traced, values

from onnxprune.criteria import CRITERIA, score
from onnxprune.criteria.magnitude import normalized
from onnxprune.criteria.registry import criterion
from onnxprune.errors import UsageError


def kernels() -> tuple[np.ndarray, np.ndarray]:
    """The producing and the consuming weights of the first dim of `plain`, one row a unit."""
    weights = values(plain())
    return weights["conv1.weight"].reshape(8, -1), weights["conv2.weight"].transpose(1, 0, 2, 3).reshape(8, -1)


def test_l1_adds_up_what_makes_and_what_reads_a_unit() -> None:
    found = traced(plain())
    producer, consumer = kernels()
    total = np.abs(producer).sum(1) + np.abs(consumer).sum(1)
    np.testing.assert_allclose(score(found, "l1", 0)[found.dims[0]], total / total.mean(), rtol=1e-5)


def test_l2_is_the_norm_of_what_makes_and_what_reads_a_unit() -> None:
    found = traced(plain())
    producer, consumer = kernels()
    norm = np.sqrt((producer**2).sum(1) + (consumer**2).sum(1))
    np.testing.assert_allclose(score(found, "l2", 0)[found.dims[0]], norm / norm.mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_a_unit_of_zeros_weighs_nothing(name: str) -> None:
    def without_unit_3(weights: np.ndarray) -> np.ndarray:
        return weights * (np.arange(8) != 3).reshape(-1, 1, 1, 1)

    silent = edit(plain(), "conv1.weight", without_unit_3)
    silent = edit(silent, "conv2.weight", lambda w: w * (np.arange(8) != 3).reshape(1, -1, 1, 1))
    found = traced(silent)
    saliency = score(found, name, 0)[found.dims[0]]
    assert saliency[3] == 0 and (np.delete(saliency, 3) > 0).all()


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_scaling_a_layer_and_its_readers_ranks_no_dim_above_another(name: str) -> None:
    loud = edit(edit(plain(), "conv1.weight", lambda w: w * 100), "conv2.weight", lambda w: w * 100)
    quiet_dim, loud_dim = traced(plain()), traced(loud)
    np.testing.assert_allclose(
        score(quiet_dim, name, 0)[quiet_dim.dims[0]], score(loud_dim, name, 0)[loud_dim.dims[0]], rtol=1e-5
    )


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_biases_and_normalization_do_not_count_beside_kernels(name: str) -> None:
    heavy = edit(edit(plain(), "conv1.bias", lambda b: b + 1000), "bn1.scale", lambda s: s * 1000)
    before, after = traced(plain()), traced(heavy)
    np.testing.assert_array_equal(score(before, name, 0)[before.dims[0]], score(after, name, 0)[after.dims[0]])


@pytest.mark.parametrize("name", ["l1", "l2", "random"])
@pytest.mark.parametrize("network", [plain, branchy, shared_scale])
def test_every_unit_gets_a_finite_number_at_least_zero(name: str, network: object) -> None:
    assert callable(network)
    found = traced(network())
    saliency = score(found, name, 0)
    assert saliency.keys() == set(found.dims)
    for dim, scores in saliency.items():
        assert scores.shape == (dim.size,) and np.isfinite(scores).all() and (scores >= 0).all()


def test_units_of_a_residual_sum_weigh_with_all_layers_that_write_them() -> None:
    """Making any one of the tied layers heavier makes the same unit heavier."""
    for layer in ("conv1", "conv2", "depthwise"):
        heavy = edit(
            branchy(), f"{layer}.weight", lambda w: w * np.where(np.arange(8) == 5, 10, 1).reshape(-1, 1, 1, 1)
        )
        found = traced(edit(heavy, f"{layer}.weight", lambda w: w.astype(np.float32)))
        before = traced(branchy())
        assert score(found, "l1", 0)[found.dims[0]][5] > score(before, "l1", 0)[before.dims[0]][5]


def test_half_precision_does_not_overflow() -> None:
    net = Net()
    x = net.conv("conv1", "x", 8, 3)
    proto = net.model(net.head(x))
    found = traced(edit(proto, "conv1.weight", lambda w: np.full(w.shape, 6e4, np.float16)))
    assert all(np.isfinite(scores).all() for scores in score(found, "l2", 0).values())


def test_chance_depends_on_the_seed_alone() -> None:
    found = traced(plain())
    first, again, other = (score(found, "random", seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[dim], again[dim]) for dim in found.dims)
    assert not any(np.array_equal(first[dim], other[dim]) for dim in found.dims)


def test_normalizing_divides_by_the_mean_and_leaves_zeros_alone() -> None:
    found = traced(plain())
    first, second = found.dims
    scaled = normalized({first: np.array([1.0, 3.0]), second: np.zeros(2)})
    assert scaled[first].tolist() == [0.5, 1.5] and scaled[second].tolist() == [0, 0]


def test_an_unknown_criterion_lists_those_that_there_are() -> None:
    with pytest.raises(UsageError, match=r"no criterion 'taste'; there are: .*l1, l2, lamp, obs, random"):
        score(traced(plain()), "taste", 0)


def test_two_criteria_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two criteria named l1"):
        criterion("l1")(CRITERIA["l1"])
    assert CRITERIA["l1"].__name__ == "l1"
