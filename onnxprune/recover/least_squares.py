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
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.recover.masked import Masked, Rowwise
from onnxprune.recover.systems import Dual, Primal, System, Table, sum_of_squares

Array = NDArray[Any]
Mask = NDArray[np.bool_]

EXPONENTS = range(-5, 3)
"""Penalties are these powers of 10, relative to the mean variance of a column."""

FIRST_TRY = -2


@dataclass(frozen=True)
class Fit:
    """What to add to a weight, float64 [groups, columns, outs], and to a bias, float64 [groups, outs].

    `before` and `after` are the sums of squares of the residual on the rows held back, `after` with what the other
    rows alone give. Where values are so large that sums overflow, `after` is infinite or NaN.
    """

    weight: Array
    bias: Array
    before: float
    after: float


def fit(inputs: Array, residual: Array, held: Mask, has_bias: bool = True, frozen: Mask | None = None) -> Fit:
    """Fit corrections to inputs, [groups, rows, columns], and a residual, [groups, rows, outs], in float32.

    The penalty is chosen on the rows where `held` is true, bool [rows]; then everything is fitted on all rows. The
    correction is zero where `frozen` is true, bool [groups, columns, outs].
    """
    system = _system(Table(inputs, residual, ~held, has_bias), frozen)
    judged = np.flatnonzero(held)
    with np.errstate(over="ignore", invalid="ignore"):
        system.take(np.flatnonzero(~held))
        exponent, after = _least(partial(system.error, judged))
        system.take(judged)
        weight, bias = system.solve(exponent)
    return Fit(weight, bias, sum_of_squares(residual[:, held]), after)


def _system(table: Table, frozen: Mask | None) -> System:
    """Return the normal equations in the form that is solved fastest."""
    is_wide = table.inputs.shape[2] > table.inputs.shape[1]
    if frozen is None or not frozen.any():
        return Dual(table) if is_wide else Primal(table)
    return Rowwise(table, ~frozen) if is_wide else Masked(table, ~frozen)


def _least(error: Callable[[int], float]) -> tuple[int, float]:
    """Walk from the first try in the direction in which the error falls; return where it is least, and the error."""
    best, least = FIRST_TRY, error(FIRST_TRY)
    for step in (-1, 1):
        while best + step in EXPONENTS and (found := error(best + step)) < least:
            best, least = best + step, found
        if best != FIRST_TRY:
            break
    return best, least
