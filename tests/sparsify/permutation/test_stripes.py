"""Where M input channels that share a pattern are M units of one dim, and where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from onnxprune.axes import Dim, Expr, Fixed, concat, places, product
from onnxprune.sparsify.permutation.stripes import stripes

WIDTH = Dim(1, 8)
HEADS = Dim(2, 3)
OTHER = Dim(3, 4)
LINE = list(range(8))


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (WIDTH, [LINE]),
        (product(HEADS, WIDTH), [LINE, [8 + p for p in LINE], [16 + p for p in LINE]]),
        (concat(OTHER, WIDTH), [[4 + p for p in LINE]]),
        (concat(WIDTH, Fixed(4), WIDTH), [LINE, [12 + p for p in LINE]]),
        (concat(Fixed(2), WIDTH, Fixed(2), WIDTH, Fixed(4)), [[12 + p for p in LINE]]),
        (product(WIDTH, Fixed(4)), []),
        (product(WIDTH, Fixed(9)), []),
        (concat(WIDTH, Fixed(3)), []),
        (OTHER, []),
    ],
    ids=[
        "the dim itself",
        "once for each head",
        "behind another term",
        "twice",
        "once beside a stripe, once on it",
        "whole stripes of one unit",
        "flattened",
        "no whole stripes",
        "another dim",
    ],
)
def test_stripes_of_positions_are_stripes_of_units(axis: Expr, expected: list[list[int]]) -> None:
    found = stripes(axis, WIDTH, 4)
    assert found.shape == (len(expected), WIDTH.size)
    assert found.tolist() == expected


def test_a_dim_of_no_whole_stripes_has_none() -> None:
    assert stripes(concat(Dim(1, 6), Fixed(2)), Dim(1, 6), 4).shape == (0, 6)


@pytest.mark.parametrize("axis", [product(HEADS, WIDTH), concat(WIDTH, OTHER, WIDTH)])
def test_an_order_does_to_positions_what_it_does_to_units(axis: Expr) -> None:
    order = np.random.default_rng(0).permutation(WIDTH.size)
    found = stripes(axis, WIDTH, 4)
    assert np.array_equal(places(axis, {WIDTH: order})[found], found[:, order])
