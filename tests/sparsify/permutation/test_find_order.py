"""The search for an order of columns: what it keeps, that it finds what is there, and that it is repeatable."""

from __future__ import annotations

import time
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from onnxprune.granularity import Pattern
from onnxprune.sparsify.permutation import find_order, kept
from onnxprune.sparsify.permutation.search import GROUP, TURNS

RATIOS = [(2, 4), (1, 4), (3, 4), (1, 2), (4, 8)]


def random_scores(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Magnitudes of normal weights, some columns of which are louder than others."""
    rng = np.random.default_rng(seed)
    return np.abs(rng.standard_normal((rows, columns)) * rng.lognormal(0, 0.5, columns)).astype(np.float32)


@settings(max_examples=40)
@given(arrays.arrays(np.float32, (3, 24), elements=st.integers(0, 9).map(float)), st.sampled_from(RATIOS))
def test_what_is_kept_is_what_the_pattern_leaves(scores: np.ndarray, ratio: tuple[int, int]) -> None:
    goes = Pattern(*ratio).lowest(scores.T[None])[0].T
    assert kept(scores, *ratio) == scores[~goes].sum()


@settings(max_examples=40, deadline=None)
@given(arrays.arrays(np.float32, (5, 16), elements=st.integers(0, 9).map(float)), st.sampled_from(RATIOS))
def test_an_order_never_keeps_less_and_is_the_old_one_where_it_keeps_no_more(
    scores: np.ndarray, ratio: tuple[int, int]
) -> None:
    order = find_order(scores, *ratio)
    assert sorted(order) == list(range(16))
    gained = kept(scores[:, order], *ratio) - kept(scores, *ratio)
    assert gained > 0 or (gained == 0 and order.tolist() == list(range(16)))


@pytest.mark.parametrize("ratio", [(2, 4), (1, 4), (3, 4)])
def test_of_two_stripes_the_best_order_of_all_is_found(ratio: tuple[int, int]) -> None:
    scores = random_scores(6, 8)
    best = max(kept(scores[:, list(order)], *ratio) for order in permutations(range(8)) if order[0] == 0)
    assert kept(scores[:, find_order(scores, *ratio)], *ratio) == pytest.approx(best)


@pytest.mark.parametrize("columns", [64, 2 * GROUP])
@pytest.mark.parametrize("ratio", RATIOS)
def test_loud_columns_that_stand_together_are_spread(columns: int, ratio: tuple[int, int]) -> None:
    """Of every M columns N are loud, but they all stand in front: in another order nothing loud has to go."""
    n, m = ratio
    scores = random_scores(20, columns).astype(np.float64) * 0.01
    scores[:, : columns * n // m] += 1
    everything = scores[:, : columns * n // m].sum()
    assert kept(scores, n, m) < 0.95 * everything
    assert kept(scores[:, find_order(scores, n, m)], n, m) > everything * (1 - 1e-9)


def test_columns_that_are_all_alike_stay_where_they_are() -> None:
    for scores in (np.ones((5, 12)), np.zeros((5, 12)), np.repeat(random_scores(5, 1), 12, axis=1)):
        assert find_order(scores, 2, 4).tolist() == list(range(12))


def test_fewer_columns_than_two_stripes_stay_where_they_are() -> None:
    assert find_order(random_scores(5, 4), 2, 4).tolist() == [0, 1, 2, 3]


def test_a_stripe_may_be_wider_than_a_group() -> None:
    scores = random_scores(2, 4 * GROUP)
    order = find_order(scores, GROUP, 2 * GROUP)
    assert kept(scores[:, order], GROUP, 2 * GROUP) > kept(scores, GROUP, 2 * GROUP)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_scores_does_not_matter(scale: float) -> None:
    scores = random_scores(30, 32).astype(np.float64)
    assert np.array_equal(find_order(scores * scale, 2, 4), find_order(scores, 2, 4))


def test_stripes_and_their_columns_stand_in_their_old_order() -> None:
    by_stripe = find_order(random_scores(30, 64), 2, 4).reshape(-1, 4)
    assert (np.diff(by_stripe, axis=1) > 0).all() and (np.diff(by_stripe[:, 0]) > 0).all()


@pytest.mark.parametrize("columns", [64, 2 * GROUP])
def test_a_seed_gives_the_same_order_every_time(columns: int) -> None:
    scores = random_scores(40, columns)
    orders = [find_order(scores, 2, 4, seed) for seed in (1, 1, 2)]
    assert np.array_equal(orders[0], orders[1]) and not np.array_equal(orders[0], orders[2])


def test_progress_grows_to_one() -> None:
    shares: list[float] = []
    find_order(random_scores(10, 16), 2, 4, on_progress=shares.append)
    assert shares == sorted(shares) and len(shares) == TURNS and shares[-1] == 1


@pytest.mark.parametrize(("rows", "columns", "least"), [(576, 64, 0.04), (64, 576, 0.1)])
def test_a_good_part_of_what_is_lost_is_won_back_in_no_time(rows: int, columns: int, least: float) -> None:
    scores = random_scores(rows, columns)
    start = time.perf_counter()
    order = find_order(scores, 2, 4)
    assert time.perf_counter() - start < 2  # a tenth of a second on a quiet machine
    before, after = kept(scores, 2, 4), kept(scores[:, order], 2, 4)
    assert (after - before) / (scores.sum() - before) > least


@pytest.mark.slow
def test_a_wide_layer_takes_seconds() -> None:
    scores = random_scores(2000, 2048)
    start = time.perf_counter()
    order = find_order(scores, 2, 4)
    assert time.perf_counter() - start < 60  # some 5 seconds on a quiet machine
    before, after = kept(scores, 2, 4), kept(scores[:, order], 2, 4)
    assert (after - before) / (scores.sum(dtype=float) - before) > 0.05
