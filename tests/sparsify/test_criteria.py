"""Element criteria: their formulas, and what they know of a weight."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Graph
from networks import traced

from onnxprune.errors import UsageError
from onnxprune.granularity import ELEMENTS
from onnxprune.options import Options
from onnxprune.sparsify.criteria import ALIASES, CRITERIA, Evidence, best_criterion, find
from onnxprune.sparsify.weights import Weight, find_weights

VALUES = np.array([[0.5, -2.0, 0.0], [1.0, -0.5, 4.0]], np.float32)


@pytest.fixture
def weight() -> Weight:
    g = Graph()
    g.output(g.add("MatMul", g.input(1, 2), g.store(VALUES)))
    return find_weights(traced(g.model()), ELEMENTS, Options()).found[0]


def scored(weight: Weight, name: str, seed: int = 0, norms: float | None = None) -> np.ndarray:
    given = {} if norms is None else {weight.name: np.float32(norms)}
    return CRITERIA[name].score(VALUES, Evidence(weight, seed, given))


@pytest.mark.parametrize("name", CRITERIA)
def test_scores_have_the_shape_of_the_weights_and_zeros_are_worth_nothing(weight: Weight, name: str) -> None:
    found = scored(weight, name)
    assert found.shape == VALUES.shape and found.dtype == np.float32
    assert (found >= 0).all() and found[0, 2] == 0 and (found[VALUES != 0] > 0).all()


def test_magnitudes_are_ranked_the_same_by_both_norms(weight: Weight) -> None:
    np.testing.assert_array_equal(scored(weight, "l1"), np.abs(VALUES))
    np.testing.assert_array_equal(scored(weight, "l2"), VALUES**2)


def test_random_scores_depend_on_the_seed_and_the_weight_alone(weight: Weight) -> None:
    np.testing.assert_array_equal(scored(weight, "random"), scored(weight, "random"))
    assert (scored(weight, "random") != scored(weight, "random", seed=1)).any()


def test_activations_scale_what_meets_them(weight: Weight) -> None:
    np.testing.assert_allclose(scored(weight, "wanda", norms=3), 3 * np.abs(VALUES))
    np.testing.assert_allclose(scored(weight, "obs", norms=3), 9 * VALUES**2)


def test_without_a_look_at_its_inputs_a_weight_goes_by_magnitude(weight: Weight) -> None:
    np.testing.assert_array_equal(scored(weight, "wanda"), np.abs(VALUES))


def test_sparsegpt_is_another_name_of_obs() -> None:
    assert set(ALIASES.values()) <= set(CRITERIA)
    assert find("sparsegpt") is find("obs") is CRITERIA["obs"]


def test_a_criterion_for_channels_alone_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"fpgm.*there are: .*lamp"):
        find("fpgm")


def test_the_default_depends_on_samples() -> None:
    assert (best_criterion(True), best_criterion(False)) == ("obs", "lamp")
