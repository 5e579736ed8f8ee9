"""Normal equations of ridge regression on rows that are taken bit by bit, in two forms: by columns and by rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Places = NDArray[np.int64]

CHUNK = 4096
"""Rows, or columns, that are added up in single precision before their sum goes on in double."""

ROUNDING = float(np.finfo(np.float32).eps)
"""How far inputs, which are at most 1 in a table, may be off."""


class Table:
    """Rows, with inputs moved by a mean and scaled to at most 1 or so: then single precision is enough to add up.

    The mean is that of the rows in `middle`, bool [rows]: where these hold a constant, there are zeros from here on,
    not what rounding leaves of it. Nothing is moved where no bias can make up for it.
    """

    def __init__(self, inputs: Array, residual: Array, middle: NDArray[np.bool_], has_bias: bool) -> None:
        self.inputs, self.residual, self.has_bias = inputs, residual, has_bias
        mean = inputs.mean(axis=1, dtype=np.float64, keepdims=True, where=middle[:, None])
        self.origin = mean.astype(inputs.dtype) * has_bias
        largest = np.maximum(inputs.max(axis=(1, 2)), -inputs.min(axis=(1, 2)))
        self.size = np.where(largest > 0, largest, 1)[:, None, None]

    def rows(self, places: Places) -> Iterator[tuple[Array, Array]]:
        """Yield inputs and residuals of some rows, a chunk at a time."""
        for start in range(0, len(places), CHUNK):
            chosen = places[start : start + CHUNK]
            yield (self.inputs[:, chosen] - self.origin) / self.size, self.residual[:, chosen]

    def columns(self) -> Iterator[Array]:
        """Yield some columns of all rows at a time."""
        for start in range(0, self.inputs.shape[2], CHUNK):
            part = slice(start, start + CHUNK)
            yield (self.inputs[:, :, part] - self.origin[:, :, part]) / self.size

    def restored(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """Return what was fitted to rows of this table for inputs as they are; the bias is [groups, 1, outs]."""
        found = weight / self.size
        return found, (bias - self.origin @ found)[:, 0] * self.has_bias


class System(ABC):
    """The normal equations of the rows taken so far."""

    @abstractmethod
    def take(self, places: Places) -> None:
        """Take more rows."""

    @abstractmethod
    def error(self, judged: Places, exponent: int) -> float:
        """Return the sum of squares that is left of the residual of other rows."""

    @abstractmethod
    def solve(self, exponent: int) -> tuple[Array, Array]:
        """Return what to add to weight and bias."""


class Normal(System):
    """Sums over the rows taken: all that the normal equations need but for X^T X."""

    def __init__(self, table: Table) -> None:
        groups, _, columns = table.inputs.shape
        outs = table.residual.shape[2]
        self.table, self.count = table, 0
        self._x, self._r = np.zeros((groups, 1, columns)), np.zeros((groups, 1, outs))
        self._products = np.zeros((groups, columns, outs))

    @abstractmethod
    def add_squares(self, x: Array) -> None:
        """Take note of X^T X of more rows."""

    @abstractmethod
    def weight(self, mean: Array, products: Array, exponent: int) -> Array:
        """Return D, with which (X^T X + penalty I) D = `products`, for rows less their `mean`, [groups, 1, columns]."""

    def take(self, places: Places) -> None:
        """Add these rows to the sums."""
        self.count += len(places)
        for x, r in self.table.rows(places):
            self._x += x.sum(axis=1, dtype=np.float64, keepdims=True)
            self._r += r.sum(axis=1, dtype=np.float64, keepdims=True)
            self.add_squares(x)
            self._products += np.swapaxes(x, 1, 2) @ r

    def error(self, judged: Places, exponent: int) -> float:
        """Apply the solution to the judged rows."""
        weight, bias = (part.astype(self.table.inputs.dtype) for part in self._solved(exponent))
        return sum(sum_of_squares(r - x @ weight - bias) for x, r in self.table.rows(judged))

    def solve(self, exponent: int) -> tuple[Array, Array]:
        """Solve for D."""
        return self.table.restored(*self._solved(exponent))

    def _solved(self, exponent: int) -> tuple[Array, Array]:
        x, r = (sums / self.count * self.table.has_bias for sums in (self._x, self._r))
        products = self._products - self.count * np.swapaxes(x, 1, 2) * r
        weight = self.weight(x, products, exponent)
        return weight, r - x @ weight


class Primal(Normal):
    """(X^T X + penalty I) D = X^T R."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        groups, _, columns = table.inputs.shape
        self._squares = np.zeros((groups, columns, columns))

    def add_squares(self, x: Array) -> None:
        """Add up X^T X."""
        self._squares += np.swapaxes(x, 1, 2) @ x

    def damped(self, mean: Array, exponent: int) -> Array:
        """Return X^T X + penalty I."""
        squares = self._squares - self.count * (np.swapaxes(mean, 1, 2) * mean)
        return _damped(squares, exponent, squares.shape[1], self.count)

    def weight(self, mean: Array, products: Array, exponent: int) -> Array:
        """Solve for D at once."""
        return np.linalg.solve(self.damped(mean, exponent), products)


class Dual(System):
    """D = X^T A, with (X X^T + penalty I) A = R."""

    def __init__(self, table: Table) -> None:
        groups, rows, _ = table.inputs.shape
        self._table, self._taken = table, np.zeros(0, np.int64)
        self._squares = np.zeros((groups, rows, rows))
        for part in table.columns():
            self._squares += part @ np.swapaxes(part, 1, 2)

    def take(self, places: Places) -> None:
        """Note the rows: what they give with each other is known of all."""
        self._taken = np.sort(np.concatenate([self._taken, places]))

    def error(self, judged: Places, exponent: int) -> float:
        """Apply A to the products of the judged rows with those taken."""
        found, bias = self._solved(exponent)
        return sum_of_squares(self._table.residual[:, judged] - self._between(judged) @ found - bias)

    def solve(self, exponent: int) -> tuple[Array, Array]:
        """Solve for A and turn it into D."""
        found, bias = self._solved(exponent)
        weights = [np.swapaxes(part[:, self._taken], 1, 2) @ found for part in self._table.columns()]
        return self._table.restored(np.concatenate(weights, axis=1), bias)

    def _between(self, places: Places) -> Array:
        return self._squares[:, places][:, :, self._taken]

    def _solved(self, exponent: int) -> tuple[Array, Array]:
        """Return A, whose columns sum to 0 where there is a bias, and the bias."""
        squares = self._between(self._taken)
        residual = self._table.residual[:, self._taken].astype(np.float64)
        bias = residual.mean(axis=1, keepdims=True) * self._table.has_bias
        means = squares.mean(axis=1, keepdims=True) * self._table.has_bias
        centred = squares - means - np.swapaxes(means, 1, 2) + means.mean(axis=2, keepdims=True)
        damped = _damped(centred, exponent, self._table.inputs.shape[2], len(self._taken))
        found = np.linalg.solve(damped, residual - bias)
        return found, bias - means @ found


def penalties(sizes: Array, exponent: int, rows: int) -> Array:
    """Return the penalty of each group, where a column of so many rows of a table has this sum of squares on average.

    That is a power of 10 times the sum, and at least what may be rounding: there is nothing else where inputs never
    change.
    """
    return np.asarray(np.maximum(10.0**exponent * sizes, rows * ROUNDING**2))


def _damped(squares: Array, exponent: int, columns: int, rows: int) -> Array:
    """Return squares, of so many rows and columns of a table, to which the penalty was added."""
    size = np.trace(squares, axis1=1, axis2=2) / columns
    places = np.arange(squares.shape[1])
    damped: Array = squares.copy()
    damped[:, places, places] += penalties(size, exponent, rows)[:, None]
    return damped


def sum_of_squares(values: Array) -> float:
    """Return the sum of the squares of values, [groups, rows, outs], added up in double precision."""
    return float(np.einsum("gro,gro->", values, values, dtype=np.float64))
