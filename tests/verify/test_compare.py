"""The distance between two values of a tensor: per channel, and never silent about what cannot be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxprune.verify.compare import QUIET_CHANNEL, difference

ONES = np.ones((2, 3, 4), np.float32)


def test_equal_values_are_at_distance_0() -> None:
    apart = difference(ONES, ONES.copy())
    assert (apart.absolute, apart.relative) == (0, 0)


def test_a_loud_channel_does_not_hide_a_quiet_one() -> None:
    expected = np.stack([np.full(5, 480.0), np.full(5, 0.9)])[None]
    actual = expected.copy()
    actual[0, 1, 2] += 0.09
    assert difference(expected, actual).relative == pytest.approx(0.1)
    assert difference(expected, actual).absolute == pytest.approx(0.09)


def test_noise_in_a_silent_channel_is_judged_against_the_loudest() -> None:
    expected = np.array([[1000.0, 0.0]])
    actual = np.array([[1000.0, 0.5]])
    assert difference(expected, actual).relative == pytest.approx(0.5 / (1000 * QUIET_CHANNEL))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["expected", "actual"])
def test_nan_or_infinity_on_one_side_is_infinitely_far(bad: float, side: str) -> None:
    broken = ONES.copy()
    broken[1, 1, 1] = bad
    pair = (broken, ONES) if side == "expected" else (ONES, broken)
    assert difference(*pair).relative == np.inf


def test_nan_on_both_sides_is_infinitely_far() -> None:
    broken = np.full((2, 2), np.nan)
    assert difference(broken, broken).relative == np.inf


def test_the_same_infinities_are_equal() -> None:
    masked = np.array([[0.5, -np.inf, 2.0]])
    assert difference(masked, masked.copy()).relative == 0
    assert difference(masked, -masked).relative == np.inf


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 5), (1, 2, 3, 4), ()])
def test_other_shapes_are_infinitely_far(shape: tuple[int, ...]) -> None:
    assert difference(ONES, np.ones(shape, np.float32)).relative == np.inf


@pytest.mark.parametrize(
    ("expected", "actual", "distance"),
    [
        (np.array([1, 2]), np.array([1, 2]), 0),
        (np.array([1, 2]), np.array([1, 3]), 1),
        (np.array([True]), np.array([False]), 1),
        (np.array(["a"], object), np.array(["a"], object), 0),
        (np.array(["a"], object), np.array(["b"], object), 1),
        (np.zeros((0, 4)), np.zeros((0, 4)), 0),
    ],
)
def test_what_is_not_real_is_equal_or_at_distance_1(expected: Any, actual: Any, distance: float) -> None:
    assert difference(expected, actual).relative == distance


@pytest.mark.parametrize("shape", [(), (4,), (2, 3), (2, 3, 4, 5)])
def test_every_rank_can_be_compared(shape: tuple[int, ...]) -> None:
    assert difference(np.full(shape, 2.0), np.full(shape, 3.0)).relative == pytest.approx(0.5)


def test_all_zeros_on_one_side_do_not_divide_by_zero() -> None:
    assert difference(np.zeros((2, 2)), np.zeros((2, 2))).relative == 0
    assert difference(np.zeros((2, 2)), np.full((2, 2), 0.1)).relative > 1


@given(st.floats(1e-6, 1), st.integers(0, 2), st.floats(1e-3, 1e6))
def test_the_relative_distance_does_not_depend_on_the_scale(error: float, channel: int, scale: float) -> None:
    expected = np.ones((2, 3, 2))
    actual = expected.copy()
    actual[0, channel, 1] += error
    assert difference(expected * scale, actual * scale).relative == pytest.approx(error, rel=1e-6)
