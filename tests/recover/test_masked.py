"""Ridge regression with some weights held at zero, in both forms, held against numpy output by output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from onnxprune.recover.least_squares import EXPONENTS, fit
from onnxprune.recover.masked import conjugate_gradients

Array = NDArray[Any]
Mask = NDArray[np.bool_]
GROUPS, OUTS = 2, 4
LONG, WIDE = (300, 12), (30, 50)
"""Rows and columns: with more rows the Gram matrix is formed, with fewer it is not."""


def table(rows: int, columns: int, noise: float = 1.0, mean: float = 2.0) -> tuple[Array, Array]:
    """Inputs far from centred, and a residual that is linear in them but for noise."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(mean, rng.uniform(0.5, 2, columns), (GROUPS, rows, columns))
    residual = inputs @ rng.normal(size=(GROUPS, columns, OUTS)) + 3 + noise * rng.normal(size=(GROUPS, rows, OUTS))
    return inputs.astype(np.float32), residual.astype(np.float32)


def some_frozen(columns: int, share: float = 0.5) -> Mask:
    """Another half for each output."""
    return np.random.default_rng(1).random((GROUPS, columns, OUTS)) < share


def held(rows: int) -> Mask:
    return np.arange(rows) % 5 == 0


def ridge(x: Array, r: Array, exponent: int, has_bias: bool, free: Mask) -> tuple[Array, Array]:
    """One group, output by output, in double precision."""
    x, r = x.astype(np.float64), r.astype(np.float64)
    x_mean, r_mean = (values.mean(axis=0) * has_bias for values in (x, r))
    squares = (x - x_mean).T @ (x - x_mean)
    squares += 10.0**exponent * np.trace(squares) / len(squares) * np.eye(len(squares))
    weight = np.zeros((x.shape[1], r.shape[1]))
    for out, own in enumerate(free.T):
        weight[own, out] = np.linalg.solve(squares[np.ix_(own, own)], ((x - x_mean).T @ (r - r_mean))[own, out])
    return weight, r_mean - x_mean @ weight


def fitted(inputs: Array, residual: Array, exponent: int, has_bias: bool, free: Mask) -> tuple[Array, Array]:
    found = [ridge(*each[:2], exponent, has_bias, each[2]) for each in zip(inputs, residual, free, strict=True)]
    return np.stack([weight for weight, _ in found]), np.stack([bias for _, bias in found])


def best(inputs: Array, residual: Array, has_bias: bool, free: Mask) -> tuple[int, float]:
    """The penalty with which least is missed on the rows held back, and how much that is."""
    judged = held(inputs.shape[1])
    missed = {}
    for exponent in EXPONENTS:
        weight, bias = fitted(inputs[:, ~judged], residual[:, ~judged], exponent, has_bias, free)
        missed[exponent] = float(np.sum((residual[:, judged] - inputs[:, judged] @ weight - bias[:, None]) ** 2))
    exponent = min(missed, key=lambda each: missed[each])
    return exponent, missed[exponent]


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_a_fit_is_that_of_the_free_weights_alone(size: tuple[int, int], has_bias: bool) -> None:
    inputs, residual = table(*size)
    frozen = some_frozen(size[1])
    exponent, missed = best(inputs, residual, has_bias, ~frozen)
    weight, bias = fitted(inputs, residual, exponent, has_bias, ~frozen)
    found = fit(inputs, residual, held(size[0]), has_bias, frozen)
    assert not found.weight[frozen].any() and found.weight[~frozen].all()
    np.testing.assert_allclose(found.weight, weight, atol=5e-3 * np.abs(weight).max())
    np.testing.assert_allclose(found.bias, bias, atol=5e-3 * np.abs(residual).max())
    assert found.after == pytest.approx(missed, rel=5e-3) and has_bias == found.bias.any()


@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_with_nothing_frozen_the_fit_is_the_closed_form_bit_by_bit(size: tuple[int, int]) -> None:
    inputs, residual = table(*size)
    expected = fit(inputs, residual, held(size[0]))
    found = fit(inputs, residual, held(size[0]), frozen=np.zeros((GROUPS, size[1], OUTS), bool))
    assert found.weight.tobytes() == expected.weight.tobytes() and found.bias.tobytes() == expected.bias.tobytes()


@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_with_one_weight_frozen_the_rest_is_close_to_the_closed_form(size: tuple[int, int]) -> None:
    """The weight that is frozen had nothing to do in the first place: its input never changes."""
    inputs, residual = table(*size)
    inputs[:, :, 0] = 1
    frozen = np.zeros((GROUPS, size[1], OUTS), bool)
    frozen[:, 0] = True
    expected, found = fit(inputs, residual, held(size[0])), fit(inputs, residual, held(size[0]), frozen=frozen)
    np.testing.assert_allclose(found.weight, expected.weight, atol=5e-3 * np.abs(expected.weight).max())
    assert found.after == pytest.approx(expected.after, rel=5e-3)


@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_with_everything_frozen_only_the_bias_moves(size: tuple[int, int]) -> None:
    inputs, residual = table(*size)
    found = fit(inputs, residual, held(size[0]), frozen=np.ones((GROUPS, size[1], OUTS), bool))
    assert not found.weight.any()
    np.testing.assert_allclose(found.bias, residual.mean(axis=1), rtol=1e-4)


@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_columns_that_repeat_or_are_zero_do_no_harm(size: tuple[int, int]) -> None:
    inputs, residual = table(*size)
    doubled = np.concatenate([inputs, inputs, np.zeros_like(inputs)], axis=2)
    frozen = np.tile(some_frozen(size[1]), (1, 3, 1))
    found = fit(doubled, residual, held(size[0]), frozen=frozen)
    assert np.isfinite(found.weight).all()
    np.testing.assert_allclose(found.weight[:, : size[1]], found.weight[:, size[1] : 2 * size[1]], atol=1e-3)
    assert not found.weight[:, 2 * size[1] :].any()


@pytest.mark.parametrize("size", [LONG, WIDE], ids=str)
def test_a_mean_far_larger_than_the_spread_does_not_blur_the_fit(size: tuple[int, int]) -> None:
    inputs, residual = table(*size)
    frozen = some_frozen(size[1])
    expected = fit(inputs, residual, held(size[0]), frozen=frozen)
    found = fit(inputs + np.float32(1000), residual, held(size[0]), frozen=frozen)
    np.testing.assert_allclose(found.weight, expected.weight, atol=5e-3 * np.abs(expected.weight).max())


def test_many_rows_are_added_up_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (LONG, WIDE)
    frozen = [some_frozen(columns) for _, columns in sizes]
    whole = [fit(*table(*size), held(size[0]), frozen=mask) for size, mask in zip(sizes, frozen, strict=True)]
    monkeypatch.setattr("onnxprune.recover.systems.CHUNK", 7)
    for size, mask, expected in zip(sizes, frozen, whole, strict=True):
        found = fit(*table(*size), held(size[0]), frozen=mask)
        np.testing.assert_allclose(found.weight, expected.weight, atol=5e-3 * np.abs(expected.weight).max())


def test_conjugate_gradients_solve_every_output_by_itself() -> None:
    """Scales that differ by a million, and one output for which there is nothing to do."""
    rng = np.random.default_rng(0)
    root = rng.normal(size=(1, 30, 20)) * np.geomspace(1e-3, 1e3, 20)
    matrix = np.swapaxes(root, 1, 2) @ root
    wanted = rng.normal(size=(1, 20, 3)) * np.sqrt(np.diagonal(matrix, axis1=1, axis2=2))[..., None]
    wanted[..., 2] = 0
    free = rng.random(wanted.shape) < 0.7
    diagonal = np.diagonal(matrix, axis1=1, axis2=2)[..., None]
    found = conjugate_gradients(lambda d: matrix @ d, diagonal, wanted, free)
    left = np.where(free, wanted - matrix @ found, 0)
    size = ((left**2 / diagonal).sum(axis=1) / (np.where(free, wanted, 0) ** 2 / diagonal).sum(axis=1).clip(1e-300))[0]
    assert (size < 1e-6).all() and not found[~free].any() and not found[..., 2].any()
