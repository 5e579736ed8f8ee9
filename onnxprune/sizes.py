"""Sizes inside the graph: integers that a model computes or stores, and the axes that they are sizes of.

A `Size` is a polynomial over dims and symbols with integer coefficients, so `c / 2 * 7` still knows that it is
seven times half of channel dim `c`. Equal polynomials stay equal whatever is concluded about their dims later,
which is what makes it safe to prune a dim whose size is computed at run time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Axes, Dim, Expr, Fixed, Product

Variable: TypeAlias = "Dim | str"
Terms: TypeAlias = dict[tuple[Variable, ...], int]
Content: TypeAlias = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Source:
    """The element of a stored constant that a size is read from: `element` of input `slot` of node `node`."""

    node: Any
    slot: int
    element: int


@dataclass(frozen=True)
class Size:
    """An integer as a polynomial; `source` says where it is stored when it is read, unchanged, from a constant."""

    terms: tuple[tuple[tuple[Variable, ...], int], ...]
    source: Source | None = field(default=None, compare=False)

    @staticmethod
    def of(value: int, source: Source | None = None) -> Size:
        """Return the plain integer `value`."""
        return Size((((), int(value)),) if value else (), source)

    @staticmethod
    def symbol(name: str) -> Size:
        """Return a size that only the running model knows."""
        return Size((((name,), 1),))

    @staticmethod
    def along(expr: Expr) -> Size:
        """Return the number of positions of a resolved axis, as a polynomial."""
        if isinstance(expr, Dim):
            return Size((((expr,), 1),))
        if isinstance(expr, Fixed):
            return Size.symbol(expr.symbol) if expr.size is None else Size.of(expr.size)
        if isinstance(expr, Product):
            return math.prod((Size.along(factor) for factor in expr.factors), start=Size.of(1))
        return sum((Size.along(term) for term in expr.terms), start=Size.of(0))

    @property
    def dims(self) -> list[Dim]:
        """The dims that the size depends on."""
        return list(dict.fromkeys(v for variables, _ in self.terms for v in variables if isinstance(v, Dim)))

    @property
    def dense(self) -> int | None:
        """The value in the unpruned model; None where only the running model knows it."""
        return self.under({})

    def under(self, counts: Mapping[Dim, int]) -> int | None:
        """Return the value when each dim keeps `counts[dim]` units, or None where it is symbolic."""
        total = 0
        for variables, coefficient in self.terms:
            for variable in variables:
                if not isinstance(variable, Dim):
                    return None
                coefficient *= counts.get(variable, variable.size)
            total += coefficient
        return total

    @property
    def unpruned(self) -> Size:
        """The same size with every dim at its dense value: a polynomial over symbols alone."""
        terms: Terms = {}
        for variables, coefficient in self.terms:
            symbols = tuple(variable for variable in variables if not isinstance(variable, Dim))
            value = coefficient * math.prod(v.size for v in variables if isinstance(v, Dim))
            terms[symbols] = terms.get(symbols, 0) + value
        return _collect(terms)

    def resolve(self, axes: Axes) -> Size:
        """Return the size in terms of the dims that are left."""
        if all(axes.resolve(dim) == dim for dim in self.dims):
            return self
        total = Size.of(0)
        for variables, coefficient in self.terms:
            term = Size.of(coefficient)
            for variable in variables:
                term *= Size.along(axes.resolve(variable)) if isinstance(variable, Dim) else Size.symbol(variable)
            total += term
        return Size(total.terms, self.source)

    def __add__(self, other: Size | int) -> Size:
        terms = dict(self.terms)
        for variables, coefficient in _as_size(other).terms:
            terms[variables] = terms.get(variables, 0) + coefficient
        return _collect(terms)

    def __radd__(self, other: Size | int) -> Size:
        return self + other

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size | int) -> Size:
        return self + -_as_size(other)

    def __mul__(self, other: Size | int) -> Size:
        terms: Terms = {}
        for left, a in self.terms:
            for right, b in _as_size(other).terms:
                variables = tuple(sorted((*left, *right), key=_order))
                terms[variables] = terms.get(variables, 0) + a * b
        return _collect(terms)

    def __rmul__(self, other: Size | int) -> Size:
        return self * other

    def divided_by(self, other: Size) -> Size | None:
        """Return the exact quotient by a monomial, or None where there is none that holds for every count."""
        if len(other.terms) != 1:
            return None
        (divisor, scale), quotient = other.terms[0], {}
        for variables, coefficient in self.terms:
            rest = list(variables)
            for variable in divisor:
                if variable not in rest:
                    return None
                rest.remove(variable)
            if coefficient % scale:
                return None
            quotient[tuple(rest)] = coefficient // scale
        return _collect(quotient)


def content_of(values: NDArray[Any], node: Any, slot: int) -> Content:
    """Return the elements of a stored integer constant as sizes that remember where they are stored."""
    flat = [Size.of(int(value), Source(node, slot, place)) for place, value in enumerate(values.ravel())]
    content = np.empty(len(flat), object)
    content[:] = flat
    return content.reshape(values.shape)


def dense_values(content: Content | None) -> NDArray[np.int64] | None:
    """Return the values of a content in the unpruned model, or None where any is not known."""
    if content is None:
        return None
    values = [size.dense for size in content.ravel()]
    if any(value is None for value in values):
        return None
    return np.array(values, np.int64).reshape(content.shape)


def _as_size(value: Size | int) -> Size:
    return value if isinstance(value, Size) else Size.of(int(value))


def _order(variable: Variable) -> tuple[int, int, str]:
    return (0, variable.id, "") if isinstance(variable, Dim) else (1, 0, variable)


def _collect(terms: Terms) -> Size:
    kept = sorted(
        ((variables, coefficient) for variables, coefficient in terms.items() if coefficient),
        key=lambda term: [_order(variable) for variable in term[0]],
    )
    return Size(tuple(kept))
