"""Ridge regression in its two forms, held against numpy's least squares on rows that stand for the penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxprune.recover.least_squares import EXPONENTS, fit

Array = NDArray[Any]
GROUPS, COLUMNS, OUTS = 2, 6, 3
HELD_BACK = 5


def table(rows: int, noise: float = 0.0, columns: int = COLUMNS, seed: int = 0) -> tuple[Array, Array]:
    """Inputs far from centred, and a residual that is linear in them but for noise."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(2, rng.uniform(0.5, 2, columns), (GROUPS, rows, columns))
    weights = rng.normal(size=(GROUPS, columns, OUTS))
    residual = inputs @ weights + 3 + noise * rng.normal(size=(GROUPS, rows, OUTS))
    return inputs.astype(np.float32), residual.astype(np.float32)


def held(rows: int) -> NDArray[np.bool_]:
    return np.arange(rows) % HELD_BACK == 0


def ridge(x: Array, r: Array, exponent: int, has_bias: bool) -> tuple[Array, Array]:
    """One group by lstsq, in double precision: a row for each column says that its weight should be nothing."""
    x, r = x.astype(np.float64), r.astype(np.float64)
    x_mean, r_mean = (values.mean(axis=0) * has_bias for values in (x, r))
    centred = x - x_mean
    columns = x.shape[1]
    penalty = 10.0**exponent * np.sum(centred**2) / columns
    stacked = np.concatenate([centred, np.sqrt(penalty) * np.eye(columns)])
    target = np.concatenate([r - r_mean, np.zeros((columns, r.shape[1]))])
    weight = np.linalg.lstsq(stacked, target, rcond=None)[0]
    return weight, r_mean - x_mean @ weight


def fitted(inputs: Array, residual: Array, exponent: int, has_bias: bool = True) -> tuple[Array, Array]:
    """All groups, by lstsq."""
    found = [ridge(x, r, exponent, has_bias) for x, r in zip(inputs, residual, strict=True)]
    return np.stack([weight for weight, _ in found]), np.stack([bias for _, bias in found])


def missed(inputs: Array, residual: Array, exponent: int, has_bias: bool = True) -> float:
    """What the rows that are not held back leave of the residual of those that are, by lstsq."""
    judged = held(inputs.shape[1])
    weight, bias = fitted(inputs[:, ~judged], residual[:, ~judged], exponent, has_bias)
    return float(np.sum((residual[:, judged] - inputs[:, judged] @ weight - bias[:, None]) ** 2))


def chosen(inputs: Array, residual: Array, has_bias: bool = True) -> int:
    """The penalty with which least is missed."""
    return min(EXPONENTS, key=lambda exponent: missed(inputs, residual, exponent, has_bias))


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(200, 6), (20, 6), (10, 30), (40, 41)], ids=str)
def test_a_fit_is_that_of_numpy_with_the_penalty_that_misses_least(rows: int, columns: int, has_bias: bool) -> None:
    inputs, residual = table(rows, noise=1.0, columns=columns)
    exponent = chosen(inputs, residual, has_bias)
    weight, bias = fitted(inputs, residual, exponent, has_bias)
    found = fit(inputs, residual, held(rows), has_bias)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-3, atol=1e-4 * np.abs(weight).max())
    np.testing.assert_allclose(found.bias, bias, rtol=1e-3, atol=1e-3)
    assert found.weight.shape == (GROUPS, columns, OUTS) and found.bias.shape == (GROUPS, OUTS)
    assert found.after == pytest.approx(missed(inputs, residual, exponent, has_bias), rel=1e-3)
    assert found.before == pytest.approx(np.sum(residual[:, held(rows)].astype(np.float64) ** 2))


def test_the_penalty_grows_with_the_noise() -> None:
    """Which of them is taken shows in how far the weights are pulled: the references are apart, the fit is at one."""
    exponents = []
    for noise in (0.0, 3.0, 100.0):
        inputs, residual = table(30, noise)
        weight = fit(inputs, residual, held(30)).weight
        apart = {e: np.abs(fitted(inputs, residual, e)[0] - weight).max() for e in EXPONENTS}
        exponents.append(min(EXPONENTS, key=lambda e: apart[e]))
        assert exponents[-1] == chosen(inputs, residual)
    assert exponents == sorted(exponents) and exponents[0] < exponents[1] < exponents[2]


@pytest.mark.parametrize("rows", [24, 200])
def test_without_noise_the_fit_is_exact(rows: int) -> None:
    inputs, residual = table(rows)
    found = fit(inputs, residual, held(rows))
    np.testing.assert_allclose(inputs @ found.weight + found.bias[:, None], residual, atol=1e-3)
    assert found.after < 1e-7 * found.before


@pytest.mark.parametrize("rows", [10, 200])
def test_columns_that_repeat_stand_still_or_are_zero_do_no_harm(rows: int) -> None:
    inputs, residual = table(rows)
    doubled = np.concatenate([inputs, inputs, np.zeros_like(inputs), np.full_like(inputs, 7)], axis=2)
    found = fit(doubled, residual, held(rows))
    assert np.isfinite(found.weight).all() and np.isfinite(found.bias).all()
    np.testing.assert_allclose(found.weight[:, :COLUMNS], found.weight[:, COLUMNS : 2 * COLUMNS], atol=1e-3)
    np.testing.assert_allclose(found.weight[:, 2 * COLUMNS :], 0, atol=1e-5)
    if rows > COLUMNS * HELD_BACK:
        np.testing.assert_allclose(doubled @ found.weight + found.bias[:, None], residual, atol=1e-3)


def test_without_room_for_a_bias_none_is_fitted() -> None:
    inputs, residual = table(200)
    found = fit(inputs, residual, held(200), has_bias=False)
    assert not found.bias.any()
    assert found.after > 1e-3 * found.before, "the residual has a mean that only a bias can make up for"


def test_a_residual_of_nothing_asks_for_nothing() -> None:
    inputs, residual = table(50)
    found = fit(inputs, np.zeros_like(residual), held(50))
    assert not found.weight.any() and not found.bias.any() and found.after == found.before == 0


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("rows", [10, 200])
def test_the_size_of_inputs_does_not_matter(rows: int, scale: float) -> None:
    inputs, residual = table(rows, noise=0.5, columns=12)
    expected = fit(inputs, residual, held(rows))
    found = fit(inputs * np.float32(scale), residual, held(rows))
    np.testing.assert_allclose(found.weight * scale, expected.weight, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-3, atol=1e-3)


def test_a_mean_far_larger_than_the_spread_does_not_blur_the_fit() -> None:
    inputs, residual = table(400)
    found = fit(inputs + np.float32(1000), residual, held(400))
    assert found.after < 1e-5 * found.before


def test_many_rows_are_added_up_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, residual = table(100, noise=1.0)
    wide = table(20, noise=1.0, columns=50)
    whole = [fit(inputs, residual, held(100)), fit(*wide, held(20))]
    monkeypatch.setattr("onnxprune.recover.systems.CHUNK", 7)
    for expected, found in zip(whole, [fit(inputs, residual, held(100)), fit(*wide, held(20))], strict=True):
        np.testing.assert_allclose(found.weight, expected.weight, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-4, atol=1e-4)
