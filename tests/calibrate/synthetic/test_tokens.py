"""What goes with tokens: lengths, masks, segments and positions."""

from __future__ import annotations

import numpy as np

from onnxprune.calibrate.synthetic.tokens import mask, positions, real_positions, segments


def test_about_half_of_the_samples_end_in_padding_and_none_is_mostly_padding() -> None:
    real = real_positions(np.random.default_rng(0), 400, 40)
    assert real.min() >= 10 and real.max() == 40
    assert 0.4 < (real < 40).mean() < 0.6


def test_a_sample_of_one_position_is_real() -> None:
    assert real_positions(np.random.default_rng(0), 9, 1).tolist() == [1] * 9


def test_a_mask_is_1_where_positions_are_real() -> None:
    assert mask(np.array([2, 3]), 3, (2, 3)).tolist() == [[1, 1, 0], [1, 1, 1]]


def test_a_mask_of_another_shape_is_ones() -> None:
    for shape in ((2, 5), (3,), (), (3, 3)):
        made = mask(np.array([2, 3]), 3, shape)
        assert made.shape == shape and (made == 1).all()


def test_segments_are_0_and_then_1_in_some_samples() -> None:
    made = segments(np.random.default_rng(0), (200, 12), 2)
    assert set(np.unique(made)) == {0, 1} and (np.diff(made) >= 0).all() and not made[:, 0].any()
    assert 0.3 < made.any(axis=1).mean() < 0.7


def test_there_is_one_segment_where_the_table_has_one_row() -> None:
    assert not segments(np.random.default_rng(0), (50, 6), 1).any()


def test_positions_count_up_and_stay_within_the_table() -> None:
    assert positions((2, 3), 10).tolist() == [[0, 1, 2]] * 2
    assert positions((5,), 3).tolist() == [0, 1, 2, 0, 1]
