"""Which rows of a layer are looked at."""

from __future__ import annotations

import numpy as np

from onnxprune.calibrate.rows import FEWEST_ROWS, LARGEST_TABLE, PLENTY, ROWS_PER_COLUMN, RowChoice

MANY = 10 * PLENTY


def test_all_rows_are_taken_where_they_are_few() -> None:
    assert np.array_equal(RowChoice(2).of(1, FEWEST_ROWS // 2, 3), np.arange(FEWEST_ROWS // 2))


def test_of_many_rows_some_are_taken_in_order_and_none_twice() -> None:
    rows = RowChoice(2).of(0, MANY, 3)
    assert len(rows) == FEWEST_ROWS // 2 and (np.diff(rows) > 0).all()
    assert 0 <= rows[0] < 1000 and MANY > rows[-1] > MANY - 1000


def test_wider_layers_are_given_more_rows_and_ever_fewer_for_each_column() -> None:
    columns = [FEWEST_ROWS // ROWS_PER_COLUMN, 20, PLENTY // ROWS_PER_COLUMN, PLENTY // 10, 2000]
    rows = [len(RowChoice(1).of(0, MANY, width)) for width in columns]
    assert rows == [FEWEST_ROWS, 20 * ROWS_PER_COLUMN, PLENTY, PLENTY, 20_000]


def test_no_table_is_larger_than_the_limit() -> None:
    columns = 1 << 20
    assert len(RowChoice(1).of(0, MANY, columns)) * columns <= LARGEST_TABLE
    assert len(RowChoice(1).of(0, MANY, 100, groups=1 << 16)) * 100 * (1 << 16) <= LARGEST_TABLE


def test_something_is_taken_however_large_a_row_is() -> None:
    assert len(RowChoice(1).of(0, MANY, 2 * LARGEST_TABLE)) == 1


def test_every_batch_gives_something() -> None:
    assert len(RowChoice(MANY).of(7, 50, 3)) == 1


def test_the_same_rows_are_taken_whenever_they_are_asked_for() -> None:
    first = RowChoice(2).of(0, MANY, 3)
    assert np.array_equal(first, RowChoice(2).of(0, MANY, 5))
    assert not np.array_equal(first, RowChoice(2).of(1, MANY, 3))
    assert not np.array_equal(first, RowChoice(2, seed=1).of(0, MANY, 3))
