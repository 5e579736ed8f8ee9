"""Which rows of a layer are looked at."""

from __future__ import annotations

import numpy as np

from onnxprune.calibrate.rows import FEWEST_ROWS, LARGEST_TABLE, ROWS_PER_COLUMN, RowChoice


def test_all_rows_are_taken_where_they_are_few() -> None:
    assert np.array_equal(RowChoice(2).of(1, FEWEST_ROWS // 2, 3), np.arange(FEWEST_ROWS // 2))


def test_of_many_rows_some_are_taken_in_order_and_none_twice() -> None:
    rows = RowChoice(2).of(0, 10 * FEWEST_ROWS, 3)
    assert len(rows) == FEWEST_ROWS // 2 and (np.diff(rows) > 0).all()
    assert 0 <= rows[0] < 1000 and 10 * FEWEST_ROWS > rows[-1] > 10 * FEWEST_ROWS - 1000


def test_wide_layers_are_given_more_rows() -> None:
    columns = FEWEST_ROWS
    assert len(RowChoice(1).of(0, 10**6, columns)) == min(ROWS_PER_COLUMN * columns, LARGEST_TABLE // columns)


def test_no_table_is_larger_than_the_limit() -> None:
    columns = 1 << 20
    assert len(RowChoice(1).of(0, 10**6, columns)) * columns <= LARGEST_TABLE


def test_every_batch_gives_something() -> None:
    assert len(RowChoice(10 * FEWEST_ROWS).of(7, 50, 3)) == 1


def test_the_same_rows_are_taken_whenever_they_are_asked_for() -> None:
    many = 10 * FEWEST_ROWS
    first = RowChoice(2).of(0, many, 3)
    assert np.array_equal(first, RowChoice(2).of(0, many, 5))
    assert not np.array_equal(first, RowChoice(2).of(1, many, 3))
    assert not np.array_equal(first, RowChoice(2, seed=1).of(0, many, 3))
