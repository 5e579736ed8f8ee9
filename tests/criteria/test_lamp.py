"""LAMP: the squared weight beside the squares of those that would outlive it."""

from __future__ import annotations

import numpy as np
from networks import Net, edit, plain, traced
from scored import column

from onnxprune.criteria import score
from onnxprune.criteria.magnitude import squares_of


def lamp_of(squares: list[float]) -> list[float]:
    """The scores of a dim whose units have these squared norms."""
    size = len(squares)
    net = Net()
    proto = net.model(net.head(net.conv("conv1", "x", size)))
    unit = np.sqrt(np.asarray(squares, np.float32) / 2)
    proto = edit(
        proto, "conv1.weight", lambda w: column(unit) * np.eye(3, dtype=np.float32)[[0] * size][..., None, None]
    )
    proto = edit(proto, "fc.weight", lambda w: np.where(np.arange(4)[:, None] == 0, unit, np.float32(0)))
    found = traced(proto)
    return score(found, "lamp", 0)[found.dims[0]].tolist()


def test_each_square_is_divided_by_the_sum_of_those_at_least_as_large() -> None:
    np.testing.assert_allclose(lamp_of([4, 1, 2, 3]), [1, 1 / 10, 2 / 9, 3 / 7], rtol=1e-6)


def test_equal_units_get_equal_scores() -> None:
    np.testing.assert_allclose(lamp_of([2, 1, 2, 1]), [2 / 4, 1 / 6, 2 / 4, 1 / 6], rtol=1e-6)


def test_units_of_zeros_get_zero_even_where_all_are() -> None:
    assert lamp_of([0, 4, 0, 0]) == [0, 1, 0, 0]
    assert lamp_of([0, 0, 0]) == [0, 0, 0]


def test_the_order_within_a_dim_is_that_of_the_norms() -> None:
    found = traced(plain())
    saliency, squares = score(found, "lamp", 0), squares_of(found)
    for dim in found.dims:
        assert np.argsort(saliency[dim]).tolist() == np.argsort(squares[dim]).tolist()
