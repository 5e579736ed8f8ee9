"""Dead leaves: pictures with edges and flat regions, at every size."""

from __future__ import annotations

import numpy as np
import pytest

from onnxprune.calibrate.synthetic import leaves
from onnxprune.calibrate.synthetic.leaves import _Leaf, dead_leaves


def kurtosis(values: np.ndarray) -> float:
    """The fourth moment over the square of the second: 3 for a normal distribution."""
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2)


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """How far the pixels of a square are from its centre, [1, side, side] each."""
    line = (np.arange(side) + 0.5 - side / 2).astype(np.float32)
    x, y = np.meshgrid(line, line)
    return x[None], y[None]


def area(leaf: _Leaf, flatness: float = 1.0) -> float:
    return float(leaf.cover(*grid(120), np.full((1, 1, 1), flatness, np.float32)).sum())


@pytest.mark.parametrize("shape", [(3, 24, 40), (1, 9, 9), (4, 64, 32)])
def test_images_have_the_shape_asked_for_and_lie_between_0_and_1(shape: tuple[int, int, int]) -> None:
    made = dead_leaves(np.random.default_rng(0), 5, *shape)
    assert made.shape == (5, *shape) and made.dtype == np.float32
    assert made.min() >= 0 and made.max() <= 1 and made.std() > 0.1


def test_most_neighbours_are_alike_and_a_few_differ_much() -> None:
    differences = np.diff(dead_leaves(np.random.default_rng(0), 20, 3, 32, 32))
    assert kurtosis(differences) > 9
    assert kurtosis(np.diff(np.random.default_rng(0).standard_normal((20, 3, 32, 32)))) < 4


def test_large_pictures_look_like_small_ones() -> None:
    small, large = (dead_leaves(np.random.default_rng(1), 24, 3, side, side).std(axis=(2, 3)) for side in (24, 96))
    assert small.mean() == pytest.approx(large.mean(), rel=0.2)


def test_a_disc_covers_its_area() -> None:
    assert area(_Leaf(30, 0, None)) == pytest.approx(np.pi * 30**2, rel=0.01)
    assert area(_Leaf(30, 0, None), flatness=3) == pytest.approx(np.pi * 30**2 / 3, rel=0.02)


@pytest.mark.parametrize("sides", [3, 4, 5])
def test_a_polygon_covers_its_area(sides: int) -> None:
    exact = sides / 2 * 40**2 * np.sin(2 * np.pi / sides)
    assert area(_Leaf(40, sides, None)) == pytest.approx(exact, rel=0.01)
    assert area(_Leaf(40, sides, None), flatness=2) == pytest.approx(exact / 2, rel=0.02)


def test_an_outline_is_as_wide_as_its_pen() -> None:
    assert area(_Leaf(40, 0, 3)) == pytest.approx(2 * np.pi * 40 * 6, rel=0.01)


@pytest.mark.parametrize(("sides", "pen"), [(0, None), (3, None), (4, 5.0), (0, 2.0)])
def test_nothing_is_seen_beyond_the_reach_of_a_filled_leaf(sides: int, pen: float | None) -> None:
    leaf = _Leaf(20, sides, None)
    x, y = grid(60)
    outside = np.hypot(x, y) > leaf.reach
    assert outside.any() and not leaf.cover(x, y, np.ones((1, 1, 1), np.float32))[outside].any()


def test_sizes_follow_the_power_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaves, "LEAVES", (4000, 4000))
    radii = np.array([leaf.radius for leaf in leaves._leaves(np.random.default_rng(0), 100)])
    assert radii.min() >= 8 and radii.max() <= 50
    # The share above r is (1/r^2 - 1/50^2) / (1/8^2 - 1/50^2) where the density is 1/r^3.
    expected = (1 / 16**2 - 1 / 50**2) / (1 / 8**2 - 1 / 50**2)
    assert (radii > 16).mean() == pytest.approx(expected, abs=0.03)
