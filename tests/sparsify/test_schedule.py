"""Schedules: how many numbers go of each weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from graphs import Graph
from hypothesis import given
from hypothesis import strategies as st
from networks import traced
from numpy.typing import NDArray

from onnxprune.granularity import ELEMENTS
from onnxprune.options import Options
from onnxprune.sparsify import schedule
from onnxprune.sparsify.weights import Weight, find_weights


@dataclass(frozen=True)
class Numbers:
    """Scores that are there already."""

    values: NDArray[np.float32]

    @property
    def size(self) -> int:
        return len(self.values)

    def windows(self) -> Iterator[NDArray[np.float32]]:
        yield self.values

    def sample(self) -> NDArray[np.float32]:
        return self.values


def numbers(*sizes: int, scale: Sequence[float] = (1, 1, 1)) -> list[Numbers]:
    rng = np.random.default_rng(0)
    return [Numbers((rng.random(size) * by).astype(np.float32)) for size, by in zip(sizes, scale, strict=False)]


def nothing(share: float) -> None:
    pass


@given(st.integers(0, 160))
def test_a_ranking_takes_the_lowest_of_all(wanted: int) -> None:
    ranked = numbers(100, 40, 20)
    found = schedule.by_ranking(ranked, wanted, 1.0, nothing)
    every = np.sort(np.concatenate([each.values for each in ranked]))
    below = [int((each.values < (every[wanted] if wanted < 160 else np.inf)).sum()) for each in ranked]
    assert [cut.zeros for cut in found] == below


@given(st.integers(0, 160), st.sampled_from([0.3, 0.5, 0.9]))
def test_no_weight_loses_more_than_its_limit_and_the_others_make_up_for_it(wanted: int, most: float) -> None:
    ranked = numbers(100, 40, 20, scale=(0.1, 1, 2))
    zeros = [cut.zeros for cut in schedule.by_ranking(ranked, wanted, most, nothing)]
    limits = [int(most * each.size) for each in ranked]
    assert all(count <= limit for count, limit in zip(zeros, limits, strict=True))
    assert sum(zeros) == min(wanted, sum(limits))


@given(st.integers(0, 160))
def test_evenly_means_the_same_share_of_each(wanted: int) -> None:
    ranked = numbers(100, 40, 20)
    zeros = [cut.zeros for cut in schedule.evenly(ranked, wanted, 1.0)]
    assert sum(zeros) == wanted
    assert all(abs(count - wanted * each.size / 160) <= 1 for count, each in zip(zeros, ranked, strict=True))


@pytest.fixture(scope="module")
def weights() -> tuple[Weight, ...]:
    g = Graph()
    x = g.add("MatMul", g.add("MatMul", g.input(2, 16), g.weight(16, 64)), g.weight(64, 64))
    g.output(g.add("MatMul", x, g.weight(64, 4)))
    return find_weights(traced(g.model()), ELEMENTS, Options()).found


@given(amount=st.floats(0, 0.99))
def test_erk_keeps_in_proportion_to_the_sum_of_axes_over_their_product(
    weights: tuple[Weight, ...], amount: float
) -> None:
    ranked = [Numbers(np.arange(weight.size, dtype=np.float32)) for weight in weights]
    total = sum(weight.size for weight in weights)
    wanted = round(amount * total)
    zeros = [cut.zeros for cut in schedule.by_fan(weights, ranked, wanted, 1.0)]
    assert abs(sum(zeros) - wanted) <= len(weights)
    kept = [1 - count / weight.size for count, weight in zip(zeros, weights, strict=True)]
    fans = [sum(weight.shape) / weight.size for weight in weights]
    scales = [share / fan for share, fan in zip(kept, fans, strict=True) if share < 0.999]
    if wanted > total // 10:
        assert max(scales) - min(scales) < 0.1 * max(scales) + 1
