"""From raw values to those that a model takes."""

from __future__ import annotations

import numpy as np
import pytest

from onnxprune.calibrate.synthetic.scaling import pixel_menu, sound_menu, standardized
from onnxprune.errors import UsageError


def test_a_range_goes_from_its_lowest_to_its_highest_value() -> None:
    scaled = pixel_menu(3).to_range(-2, 6).apply(np.array([[[0.0]], [[0.5]], [[1.0]]], np.float32))
    assert scaled.ravel().tolist() == [-2, 2, 6] and scaled.dtype == np.float32
    assert sound_menu().to_range(0, 1).apply(np.array([[[-1.0, 0.0, 1.0]]], np.float32)).ravel().tolist() == [0, 0.5, 1]


def test_usual_scalings_make_of_black_and_white_what_their_names_say() -> None:
    ends = np.array([0, 1], np.float32).reshape(1, 1, 2)
    for scaling in (*pixel_menu(1).unprocessed, *pixel_menu(1).processed[:2]):
        assert "..".join(f"{end:g}" for end in scaling.apply(ends).ravel()) == scaling.name


def test_mean_and_std_are_those_of_each_channel() -> None:
    pixels = np.ones((1, 3, 1, 1), np.float32)
    scaled = standardized((0.5, 0.0, 1.0), (0.5, 0.25, 2.0), 3).apply(pixels)
    assert scaled.ravel().tolist() == [1, 4, 0]
    assert standardized((0.5,), (0.5, 0.25, 1.0), 3).apply(pixels).ravel().tolist() == [1, 2, 0.5]


@pytest.mark.parametrize(
    ("mean", "std"), [((0.1, 0.2), (1.0,)), ((), (1.0,)), ((0.5,), (0.0,)), ((float("nan"),), (1.0,)), ((0.5,), ())]
)
def test_mean_and_std_that_cannot_be_are_refused(mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="one number, or 3 for the channels"):
        standardized(mean, std, 3)


@pytest.mark.parametrize("limits", [(1, 0), (2, 2), (0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="the lower one first"):
        pixel_menu(3).to_range(*limits)
