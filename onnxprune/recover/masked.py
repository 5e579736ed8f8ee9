"""Ridge regression in which some weights have to stay as they are: the zeros of a sparse layer.

Which weights are free differs from output to output, so there is no one matrix to factor. Conjugate gradients solve for
all outputs at once, with one product an iteration: a masked system is as well conditioned as the whole one or better.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.recover.systems import Normal, Places, Primal, Table, penalties

Array = NDArray[Any]
Mask = NDArray[np.bool_]

MOST_STEPS = 100
SMALL = 1e-6
"""Where the squared residual has become so small a share of what it was, the solution is near enough."""


def conjugate_gradients(times: Callable[[Array], Array], diagonal: Array, wanted: Array, free: Mask) -> Array:
    """Return D that is zero where not `free`, and for which `times(D)` is `wanted` where it is free.

    `times` multiplies [groups, columns, outs] with a positive definite matrix whose `diagonal`, [groups, columns, 1],
    serves as the preconditioner. Every output of every group is a system by itself (Hestenes and Stiefel, "Methods of
    conjugate gradients for solving linear systems", 1952).
    """
    found = np.zeros_like(wanted)
    missing = np.where(free, wanted, 0)
    way = np.zeros_like(wanted)
    size = np.ones_like(wanted[:, :1])
    first = None
    for _ in range(MOST_STEPS):
        scaled = missing / diagonal
        before, size = size, (missing * scaled).sum(axis=1, keepdims=True)
        first = size if first is None else first
        if (size <= SMALL * first).all():
            break
        way = scaled + _ratio(size, before) * way
        ahead = np.where(free, times(way), 0)
        step = _ratio(size, (way * ahead).sum(axis=1, keepdims=True))
        found += step * way
        missing -= step * ahead
    return found


def _ratio(part: Array, whole: Array) -> Array:
    """Return quotients, 0 where there is nothing to divide by: a system that is solved stays."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


class Masked(Primal):
    """(X^T X + penalty I) D = X^T R wherever D is free; elsewhere D is zero."""

    def __init__(self, table: Table, free: Mask) -> None:
        super().__init__(table)
        self._free = free

    def weight(self, mean: Array, products: Array, exponent: int) -> Array:
        """Go towards D step by step, in the precision of the rows."""
        damped = self.damped(mean, exponent).astype(self.table.inputs.dtype)
        diagonal = np.diagonal(damped, axis1=1, axis2=2)[..., None]
        return conjugate_gradients(lambda d: damped @ d, diagonal, products.astype(damped.dtype), self._free)


class Rowwise(Normal):
    """The same without X^T X, which is larger than X itself where there are fewer rows than columns."""

    def __init__(self, table: Table, free: Mask) -> None:
        super().__init__(table)
        groups, _, columns = table.inputs.shape
        self._free = free
        self._taken = np.zeros(0, np.int64)
        self._diagonal = np.zeros((groups, columns, 1))

    def take(self, places: Places) -> None:
        """Note the rows, which are gone through again for every product."""
        super().take(places)
        self._taken = np.concatenate([self._taken, places])

    def add_squares(self, x: Array) -> None:
        """Add up the diagonal of X^T X."""
        self._diagonal += np.einsum("grc,grc->gc", x, x, dtype=np.float64)[..., None]

    def weight(self, mean: Array, products: Array, exponent: int) -> Array:
        """Go towards D step by step, in the precision of the rows."""
        dtype = self.table.inputs.dtype
        centred = self._diagonal - self.count * np.swapaxes(mean, 1, 2) ** 2
        penalty = penalties(centred.mean(axis=1, keepdims=True), exponent, self.count).astype(dtype)
        middle = mean.astype(dtype)

        def times(d: Array) -> Array:
            found: Array = penalty * d - self.count * np.swapaxes(middle, 1, 2) @ (middle @ d)
            for x, _ in self.table.rows(self._taken):
                found += np.swapaxes(x, 1, 2) @ (x @ d)
            return found

        return conjugate_gradients(times, (centred + penalty).astype(dtype), products.astype(dtype), self._free)
