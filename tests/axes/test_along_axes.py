"""What a mask, an order, a count or a value of each unit comes to along an axis."""

from __future__ import annotations

import numpy as np

from onnxprune.axes import Dim, Fixed, concat, count, keep, places, product, spread, units


def test_keep_is_row_major_and_laid_end_to_end() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    masks = {d: np.array([True, False]), e: np.array([True, False, True])}
    assert keep(product(d, e), masks).tolist() == [True, False, True, False, False, False]
    assert keep(concat(e, d), masks).tolist() == [True, False, True, True, False]
    assert keep(product(d, Fixed(2), e), masks).tolist() == [True, False, True] * 2 + [False] * 6


def test_places_are_row_major_and_laid_end_to_end() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    orders = {d: np.array([1, 0]), e: np.array([2, 0])}
    assert places(product(d, e), orders).tolist() == [5, 3, 2, 0]
    assert places(concat(e, Fixed(2), d), orders).tolist() == [2, 0, 3, 4, 6, 5]
    assert places(product(d, Fixed(2)), {}).tolist() == [0, 1, 2, 3]


def test_a_dim_without_a_mask_stays_whole() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    assert keep(product(d, e), {d: np.array([True, False])}).tolist() == [True] * 3 + [False] * 3
    assert count(product(d, e), {}) == 6


def test_spread_adds_up_over_the_other_factors_and_over_repeated_terms() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    grid = spread(product(d, e), np.arange(6.0))
    assert grid[d].tolist() == [0 + 1 + 2, 3 + 4 + 5]
    assert grid[e].tolist() == [0 + 3, 1 + 4, 2 + 5]
    line = spread(concat(d, Fixed(1), d), np.arange(5.0))
    assert line[d].tolist() == [0 + 3, 1 + 4]


def test_units_are_row_major_and_laid_end_to_end() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    assert units(concat(e, Fixed(2), d), d).tolist() == [-1] * 5 + [0, 1]
    assert units(product(d, e), d).tolist() == [0, 0, 0, 1, 1, 1]
    assert units(product(d, Fixed(2), e), e).tolist() == [0, 1, 2] * 4


def test_a_position_of_two_units_belongs_to_the_later_one() -> None:
    d = Dim(1, 3)
    assert units(product(d, d), d).tolist() == [0, 1, 2, 1, 1, 2, 2, 2, 2]
    assert units(concat(d, d), d).tolist() == [0, 1, 2] * 2


def test_units_are_those_of_any_equal_dim() -> None:
    assert units(Dim(1, 3), Dim(1, 3)).tolist() == [0, 1, 2]
    assert units(Dim(2, 3), Dim(1, 3)).tolist() == [-1] * 3


def test_an_order_of_some_units_is_laid_out_in_every_place_of_the_dim() -> None:
    d, e = Dim(1, 3), Dim(2, 2)
    assert places(concat(d, e, d), {d: np.array([2])}).tolist() == [2, 3, 4, 7]
    assert places(product(e, concat(d, Fixed(1))), {d: np.array([2, 0])}).tolist() == [2, 0, 3, 6, 4, 7]
