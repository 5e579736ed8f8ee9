"""Losses at every width: they start at nothing, never fall, and go through the running maximum of what was measured."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Array, plain, traced
from surveys import curve, sensitivity

from onnxprune.errors import DataError
from onnxprune.sensitivity import losses

SIZE = 8
FOUND = traced(plain())
DIM = next(dim for dim, name in FOUND.names.items() if name == "conv1.weight[0]")


def loss(points: dict[int, float]) -> Array:
    return losses(sensitivity(curve("conv1.weight[0]", SIZE, points)), FOUND)[DIM]


measured = st.dictionaries(
    st.integers(1, SIZE - 1), st.floats(-1, 3, allow_nan=False) | st.just(math.inf), min_size=1, max_size=SIZE - 1
)


@settings(deadline=None)
@given(measured)
def test_losses_start_at_zero_never_fall_and_have_one_more_than_there_are_units(points: dict[int, float]) -> None:
    found = loss(points)
    assert found.shape == (SIZE + 1,) and found.dtype == np.float64
    assert found[0] == 0 and not np.isnan(found).any()
    assert all(after >= before for before, after in pairwise(found))


@settings(deadline=None)
@given(measured)
def test_at_measured_points_the_loss_is_the_largest_drop_so_far(points: dict[int, float]) -> None:
    found, largest = loss(points), 0.0
    for gone in sorted(points):
        largest = max(largest, points[gone])
        assert found[gone] == pytest.approx(largest)


def test_between_points_and_beyond_them_the_loss_is_linear() -> None:
    np.testing.assert_allclose(loss({2: 0.2, 4: 0.6}), [0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4])


def test_a_single_point_makes_a_straight_line() -> None:
    np.testing.assert_allclose(loss({4: 0.4}), np.arange(9) / 10)


def test_a_point_that_is_better_than_the_dense_model_costs_nothing() -> None:
    np.testing.assert_allclose(loss({4: -0.4, 6: 0.2}), [0, 0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4])


def test_all_is_infinite_beyond_the_last_point_before_an_infinite_one() -> None:
    np.testing.assert_allclose(loss({4: 0.4, 6: math.inf}), [0, 0.1, 0.2, 0.3, 0.4, *[math.inf] * 4])


def test_dims_of_which_nothing_was_measured_are_left_out() -> None:
    known, nothing_gone = curve("conv1.weight[0]", SIZE, {1: 0.1}), curve("conv2.weight[0]", 12, {0: 0.0})
    found = losses(sensitivity(known, nothing_gone, curve("elsewhere[0]", 3, {1: 0.1})), FOUND)
    assert list(found) == [DIM]


def test_a_dim_of_another_size_is_refused() -> None:
    with pytest.raises(DataError, match=r"'conv1.weight\[0\]' has 8 units in this model and 9 where"):
        losses(sensitivity(curve("conv1.weight[0]", 9, {1: 0.1})), FOUND)


def test_blocks_alone_give_no_losses() -> None:
    with pytest.raises(DataError, match=r"only blocks were measured.*--by dim"):
        losses(sensitivity(blocks=(curve("layer1", 8, {1: 0.1}),)), FOUND)
