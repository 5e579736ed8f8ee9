"""Ridge regression towards the weights that are there, its penalty chosen on rows held back.

For rows of a layer's inputs X and the residual R = Y - X W - b of the wanted outputs Y, D and d minimise

    |R - X D - d|^2 + penalty * |D|^2,

so D = (X^T X + penalty I)^-1 X^T R with both centred, and d makes up for the means (Hoerl and Kennard, "Ridge
regression", 1970). Where there are fewer rows than columns the same D is X^T (X X^T + penalty I)^-1 R. Pulling towards
the weights that are there, not towards zero, keeps a layer whole where the rows say nothing about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Tried in this order until the error on the held-back rows grows; relative to the mean variance of a column."""

Solve: TypeAlias = "Callable[[float], Array]"

CHUNK = 4096
"""Rows that are added up in single precision before their sum goes on in double."""


@dataclass(frozen=True)
class Fit:
    """What to add to a weight, float64 [groups, columns, outs], and to a bias, float64 [groups, outs].

    `before` and `after` are the sums of squares of the residual on the rows held back.
    """

    weight: Array
    bias: Array
    before: float
    after: float


def fit(inputs: Array, residual: Array, held: NDArray[np.bool_], has_bias: bool = True) -> Fit:
    """Fit corrections to inputs, [groups, rows, columns], and a residual, [groups, rows, outs], in float32.

    The penalty is chosen on the rows where `held` is true, bool [rows]; then everything is fitted on all rows.
    """
    x, r = _means(inputs, has_bias), _means(residual, has_bias)
    inputs, residual = inputs - x.astype(inputs.dtype), residual - r.astype(residual.dtype)
    judged = inputs[:, held], residual[:, held]
    system = _dual if inputs.shape[2] > inputs.shape[1] else _primal
    solve = system(inputs[:, ~held], residual[:, ~held])
    best, least = PENALTIES[0], np.inf
    for penalty in PENALTIES:
        error = _squares(judged[1] - judged[0] @ solve(penalty).astype(inputs.dtype))
        if error > least:
            break
        best, least = penalty, error
    weight = system(inputs, residual)(best)
    bias = (r - x @ weight)[:, 0]
    return Fit(weight, bias, _squares(judged[1] + r.astype(inputs.dtype)), least)


def _means(values: Array, has_bias: bool) -> Array:
    """Return the mean over all rows, float64 [groups, 1, ..]; zeros where nothing can make up for it."""
    means = values.mean(axis=1, dtype=np.float64, keepdims=True)
    return np.asarray(means if has_bias else np.zeros_like(means))


def _squares(values: Array) -> float:
    return float(np.einsum("gro,gro->", values, values, dtype=np.float64))


def _primal(inputs: Array, residual: Array) -> Solve:
    """Return a function from a penalty to D, by X^T X."""
    groups, rows, columns = inputs.shape
    squares, products = np.zeros((groups, columns, columns)), np.zeros((groups, columns, residual.shape[2]))
    for start in range(0, rows, CHUNK):
        part = slice(start, start + CHUNK)
        turned = np.swapaxes(inputs[:, part], 1, 2)
        squares += turned @ inputs[:, part]
        products += turned @ residual[:, part]
    size = np.trace(squares, axis1=1, axis2=2) / columns
    return lambda penalty: np.linalg.solve(squares + _ridge(size, rows, penalty) * np.eye(columns), products)


def _dual(inputs: Array, residual: Array) -> Solve:
    """Return a function from a penalty to D, by X X^T."""
    _, rows, columns = inputs.shape
    turned = np.swapaxes(inputs, 1, 2)
    squares = (inputs @ turned).astype(np.float64)
    size = np.trace(squares, axis1=1, axis2=2) / columns
    return lambda penalty: turned @ np.linalg.solve(squares + _ridge(size, rows, penalty) * np.eye(rows), residual)


def _ridge(mean_square: Array, rows: int, penalty: float) -> Array:
    """Return the penalty of each group, [groups, 1, 1], for the sum over rows of a column's mean square."""
    least = rows * np.finfo(np.float32).tiny
    return np.asarray(np.maximum(penalty * mean_square, least)[:, None, None])
