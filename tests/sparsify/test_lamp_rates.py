"""Layer-adaptive rates: sorted scores, and how many numbers they take of each weight."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from networks import values

import onnxprune
from onnxprune.sparsify import lamp
from onnxprune.sparsify.lamp import beside_survivors


@given(arrays.arrays(np.float32, st.integers(1, 40), elements=st.floats(0, 10, width=32)), st.sampled_from([1, 3, 64]))
def test_a_score_is_a_square_beside_all_that_are_no_smaller(squares: np.ndarray, part: int) -> None:
    ascending = np.sort(squares)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lamp, "PART", part)
        found = np.concatenate([*beside_survivors(ascending, 1.0)][::-1])
    sums = np.cumsum(ascending[::-1].astype(float))[::-1]
    np.testing.assert_allclose(found, ascending / np.maximum(sums, 1e-300), rtol=1e-5, atol=1e-37)
    assert found[-1] == (1 if ascending[-1] > 0 else 0)


def scaled(scale: float) -> onnx.ModelProto:
    g = Graph()
    first, second = (g.rng.normal(0, 1, (32, 32)) for _ in range(2))
    x = g.add("MatMul", g.input(2, 32), g.store(first, np.float32))
    g.output(g.add("MatMul", x, g.store(second * scale, np.float32)))
    return g.model()


def zeros(proto: onnx.ModelProto) -> list[int]:
    return [int((value == 0).sum()) for value in values(proto).values()]


def pruned(scale: float, amount: float, **options: object) -> list[int]:
    result = onnxprune.prune(scaled(scale), amount, granularity="element", calibration="none", **options)
    return zeros(result.model)


@pytest.mark.parametrize("amount", [0.3, 0.5, 0.9])
def test_the_scale_of_a_weight_makes_no_difference(amount: float) -> None:
    small, large = pruned(1e-3, amount), pruned(1.0, amount)
    assert small == large and sum(small) == round(amount * 2048)
    assert pruned(1e-3, amount, criterion="l1")[1] >= 0.99 * min(1024, sum(small))  # a plain ranking empties it


def test_the_smallest_of_each_weight_go() -> None:
    dense = scaled(1.0)
    result = onnxprune.prune(dense, 0.5, granularity="element", criterion="lamp", calibration="none")
    for before, after in zip(values(dense).values(), values(result.model).values(), strict=True):
        went = np.abs(before[after == 0])
        assert went.max() <= np.abs(after[after != 0]).min()


def test_a_large_weight_is_sampled_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is chosen does not depend on the sample."""
    from onnxprune.sparsify import ranking, threshold

    expected = pruned(0.1, 0.7)
    monkeypatch.setattr(threshold, "SAMPLE", 64)
    monkeypatch.setattr(ranking, "SAMPLED", 4)
    monkeypatch.setattr(ranking, "RUN", 8)
    assert pruned(0.1, 0.7) == expected
