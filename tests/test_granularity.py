"""What becomes zero together, and how a granularity is written."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onnxprune.errors import UsageError
from onnxprune.granularity import ELEMENTS, Blocks, Pattern, granularity_of

SCORES = st.integers(0, 5).map(float)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channel", None),
        ("element", ELEMENTS),
        ("2:4", Pattern(2, 4)),
        ("1:16", Pattern(1, 16)),
        ("block:4x1", Blocks(4, 1)),
        ("block:32x32", Blocks(32, 32)),
    ],
)
def test_a_granularity_is_read_from_its_name(text: str, expected: object) -> None:
    found = granularity_of(text)
    assert found == expected
    assert text == "channel" or str(found) == text


@pytest.mark.parametrize("text", ["4:2", "2:2", "0:4", "block:0x4", "block:4", "elements", "2:4:8", ""])
def test_a_granularity_that_makes_no_sense_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match="--granularity"):
        granularity_of(text)


@given(
    st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)).flatmap(
        lambda shape: arrays.arrays(np.float32, (shape[0], shape[1] * 4, shape[2]), elements=SCORES)
    ),
    st.sampled_from([(1, 4), (2, 4), (3, 4), (1, 2)]),
)
def test_a_pattern_keeps_the_highest_of_every_m_input_channels(scores: np.ndarray, ratio: tuple[int, int]) -> None:
    n, m = ratio
    goes = Pattern(n, m).lowest(scores)
    groups, columns, outs = scores.shape
    for group in range(groups):
        for first in range(0, columns, m):
            for out in range(outs):
                here, left = scores[group, first : first + m, out], ~goes[group, first : first + m, out]
                assert left.sum() == n
                assert here[left].min() >= here[~left].max()


@given(arrays.arrays(np.float32, (2, 3, 8, 2), elements=SCORES), st.integers(0, 3))
def test_a_pattern_runs_along_any_axis(scores: np.ndarray, axis: int) -> None:
    turned = np.moveaxis(np.moveaxis(scores, 2, -1), -1, axis)
    goes = np.moveaxis(Pattern(2, 4).along(turned, axis), axis, -1)
    expected = np.moveaxis(Pattern(2, 4).along(scores, 2), 2, -1)
    np.testing.assert_array_equal(goes, expected)


@given(arrays.arrays(np.float32, (2, 6, 8), elements=SCORES), st.integers(0, 96))
def test_blocks_with_the_lowest_sums_go_first(scores: np.ndarray, zeros: int) -> None:
    blocks = Blocks(outs=4, channels=3)
    goes = blocks.lowest(scores, zeros)
    assert goes.sum() == zeros // 12 * 12
    sums = scores.reshape(2, 2, 3, 2, 4).sum(axis=(2, 4))
    whole = goes.reshape(2, 2, 3, 2, 4)
    assert (whole.all(axis=(2, 4)) == whole.any(axis=(2, 4))).all()
    gone = whole.all(axis=(2, 4))
    if gone.any() and not gone.all():
        assert sums[gone].max() <= sums[~gone].min()


@given(arrays.arrays(np.float32, (1, 5, 7), elements=SCORES), st.integers(0, 35))
def test_of_equal_elements_the_first_go(scores: np.ndarray, zeros: int) -> None:
    goes = ELEMENTS.lowest(scores, zeros)
    order = sorted(range(scores.size), key=lambda place: (scores.flat[place], place))
    assert set(np.flatnonzero(goes)) == set(order[:zeros])


def test_the_order_in_memory_makes_no_difference() -> None:
    scores = np.zeros((1, 4, 6), np.float32)
    turned = np.asfortranarray(scores)
    np.testing.assert_array_equal(ELEMENTS.lowest(turned, 5), ELEMENTS.lowest(scores, 5))
    assert ELEMENTS.lowest(turned, 5).ravel()[:5].all()


def test_a_weight_whose_axes_are_no_multiples_has_a_reason() -> None:
    assert Pattern(2, 4).misfit(64, 3) is None
    assert "3 input channels" in str(Pattern(2, 4).misfit(3, 64))
    assert "6 outputs" in str(Blocks(4, 1).misfit(64, 6))
