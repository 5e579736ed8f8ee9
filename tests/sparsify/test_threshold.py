"""The lowest scores: exactly as many as wanted, of equal ones the first, however much the sample misleads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from onnxprune.sparsify import threshold
from onnxprune.sparsify.threshold import Cut, cuts

Array = NDArray[Any]

MANY_TIES = st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, np.inf]).map(np.float32)
ANY = st.floats(0, width=32, allow_nan=False)
WITH_NAN = st.one_of(MANY_TIES, st.just(np.float32(np.nan)))


@dataclass
class Scores:
    """Scores in memory, handed out in small windows; the sample need not be like them."""

    values: Array
    sampled: Array
    reads: int = 0

    @property
    def size(self) -> int:
        return len(self.values)

    def windows(self) -> Iterator[Array]:
        self.reads += 1
        step = max(7, len(self.values) // 10)
        yield from (self.values[start : start + step] for start in range(0, len(self.values), step))

    def sample(self) -> Array:
        return self.sampled


def tensors(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Scores]]:
    values = arrays.arrays(np.float32, st.integers(0, 60), elements=elements)
    sampled = arrays.arrays(np.float32, st.integers(1, 5), elements=elements)
    return st.lists(st.builds(Scores, values, sampled), min_size=1, max_size=8)


def large(values: Array, sampled: Array | None = None) -> Scores:
    """Scores with, unless given, a sample that tells the truth."""
    return Scores(values.astype(np.float32), (values[::20] if sampled is None else sampled).astype(np.float32))


def masks(ranked: list[Scores], wanted: int) -> Array:
    found = cuts(ranked, wanted)
    parts = [
        np.concatenate([np.empty(0, bool), *cut.masks(each.windows())]) for cut, each in zip(found, ranked, strict=True)
    ]
    assert [int(part.sum()) for part in parts] == [cut.zeros for cut in found]
    return np.concatenate(parts)


def expected(ranked: list[Scores], wanted: int) -> Array:
    order = np.argsort(np.concatenate([each.values for each in ranked]), kind="stable")
    goes = np.zeros(len(order), bool)
    goes[order[:wanted]] = True
    return goes


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which some ten thousand scores are many."""
    for name, value in {"SAMPLE": 1000, "KEPT": 20_000, "SAMPLED": 20, "MARGIN": 4}.items():
        monkeypatch.setattr(threshold, name, value)


@given(st.one_of(tensors(MANY_TIES), tensors(ANY)), st.floats(0, 1))
def test_the_lowest_go_and_of_equal_ones_the_first(ranked: list[Scores], share: float) -> None:
    wanted = round(share * sum(each.size for each in ranked))
    np.testing.assert_array_equal(masks(ranked, wanted), expected(ranked, wanted))


@given(st.one_of(tensors(MANY_TIES), tensors(ANY)), st.floats(0, 1), st.integers(1, 3))
def test_samples_that_mislead_and_room_for_few_change_nothing(ranked: list[Scores], share: float, margin: int) -> None:
    wanted = round(share * sum(each.size for each in ranked))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"SAMPLE": 3, "KEPT": 3, "SAMPLED": 1, "MARGIN": margin}.items():
            patch.setattr(threshold, name, value)
        np.testing.assert_array_equal(masks(ranked, wanted), expected(ranked, wanted))


@pytest.mark.parametrize("sample", [3, threshold.SAMPLE])
@given(tensors(WITH_NAN), st.floats(0, 1))
def test_what_is_no_number_never_goes(sample: int, ranked: list[Scores], share: float) -> None:
    values = np.concatenate([each.values for each in ranked])
    wanted = round(share * len(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threshold, "SAMPLE", sample)
        goes = masks(ranked, wanted)
    numbers = np.count_nonzero(~np.isnan(values))
    np.testing.assert_array_equal(goes, expected(ranked, min(wanted, numbers)))


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.9999, 1.0])
def test_with_a_sample_that_tells_the_truth_one_read_is_enough(share: float) -> None:
    rng = np.random.default_rng(0)
    ranked = [large(np.abs(rng.normal(0, scale, 40_000))) for scale in (0.1, 1, 3)]
    goes = masks(ranked, round(share * 120_000))
    np.testing.assert_array_equal(goes, expected(ranked, round(share * 120_000)))
    assert [each.reads for each in ranked] == [2, 2, 2]  # one for the cuts, one for the masks


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("sampled", [np.zeros(1), np.full(9, 1e9), np.array([0, 1e9])], ids=["low", "high", "both"])
def test_with_one_that_lies_two_reads_are(sampled: Array) -> None:
    rng = np.random.default_rng(0)
    ranked = [large(np.abs(rng.normal(0, 1, 40_000)), sampled) for _ in range(3)]
    np.testing.assert_array_equal(masks(ranked, 50_000), expected(ranked, 50_000))
    assert [each.reads for each in ranked] == [3, 3, 3]


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("share", [0.3, 0.7, 0.999])
def test_ties_are_counted_and_not_kept(share: float) -> None:
    """A model that is half zeros, in integers: more equal scores than are kept."""
    rng = np.random.default_rng(0)
    ranked = [large(rng.integers(0, 100, 30_000) * rng.integers(0, 2, 30_000)) for _ in range(3)]
    wanted = round(share * 90_000)
    np.testing.assert_array_equal(masks(ranked, wanted), expected(ranked, wanted))
    assert [each.reads for each in ranked] == [2, 2, 2]


@pytest.mark.usefixtures("few")
def test_each_tensor_has_a_say_in_the_sample_by_its_size() -> None:
    """Tensors of few, large scores that are sampled as often as others must not move the bracket."""
    rng = np.random.default_rng(0)
    small = [large(1000 + rng.random(20), np.full(500, 1000)) for _ in range(50)]
    ranked = [large(rng.random(100_000), rng.random(500)), *small]
    np.testing.assert_array_equal(masks(ranked, 50_000), expected(ranked, 50_000))
    assert ranked[0].reads == 2


def test_progress_goes_from_nothing_to_all() -> None:
    shares: list[float] = []
    cuts([large(np.arange(100)), large(np.arange(50))], 30, shares.append)
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == 1


def test_nothing_is_read_where_nothing_goes() -> None:
    ranked = [large(np.arange(10))]
    assert cuts(ranked, 0) == [Cut(0.0, 0, 0)] and ranked[0].reads == 0


@pytest.mark.parametrize("wanted", [-1, 11])
def test_more_than_there_is_cannot_be_wanted(wanted: int) -> None:
    with pytest.raises(ValueError, match="of 10 scores"):
        cuts([large(np.arange(10))], wanted)
