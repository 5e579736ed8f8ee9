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

Variable: TypeAlias = "Dim | str | Floor"
Terms: TypeAlias = dict[tuple[Variable, ...], int]
Content: TypeAlias = NDArray[np.object_]

MOST_TERMS, MOST_FACTORS = 256, 32
"""Terms of a size, and variables in each, up to which it is followed."""


@dataclass(frozen=True, slots=True)
class Source:
    """The number that a size is made from: `element` of input `slot` of node `node`, times `scale` (default 1)."""

    node: Any
    slot: int
    element: int
    scale: Size | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Floor:
    """A size divided by a positive integer, rounded down, that may turn out to be exact once more is known."""

    numerator: Size
    divisor: int


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
            if expr.size is not None:
                return Size.of(expr.size)
            # The symbol of several open sizes that lie together names each, such as `height*width`.
            return math.prod((Size.symbol(symbol) for symbol in expr.symbol.split("*")), start=Size.of(1))
        if isinstance(expr, Product):
            return math.prod((Size.along(factor) for factor in expr.factors), start=Size.of(1))
        return sum((Size.along(term) for term in expr.terms), start=Size.of(0))

    @property
    def dims(self) -> list[Dim]:
        """The dims that the size depends on."""
        found: dict[Dim, None] = {}
        for variables, _ in self.terms:
            for variable in variables:
                found.update(dict.fromkeys(_dims_of(variable)))
        return list(found)

    @property
    def has_floor(self) -> bool:
        """Whether a division in it has not come out exact so far."""
        return any(isinstance(variable, Floor) for variables, _ in self.terms for variable in variables)

    @property
    def is_symbolic(self) -> bool:
        """Whether only the running model knows the value."""
        return self.dense is None

    @property
    def dense(self) -> int | None:
        """The value in the unpruned model; None where only the running model knows it."""
        return self.under({})

    def under(self, counts: Mapping[Dim, int]) -> int | None:
        """Return the value when each dim keeps `counts[dim]` units, or None where it is symbolic."""
        total = 0
        for variables, coefficient in self.terms:
            for variable in variables:
                value = _value(variable, counts)
                if value is None:
                    return None
                coefficient *= value
            total += coefficient
        return total

    @property
    def is_too_long(self) -> bool:
        """Whether it is more than any graph has a use for: products of products, or no 64 bits hold its numbers."""
        within = all(abs(number) < 2**63 and len(factors) <= MOST_FACTORS for factors, number in self.terms)
        return not within or len(self.terms) > MOST_TERMS

    @property
    def unpruned(self) -> Size:
        """The same size with every dim at its dense value: a polynomial over symbols alone."""
        terms: Terms = {}
        for variables, coefficient in self.terms:
            values = [_value(variable, {}) for variable in variables]
            symbols = tuple(v for v, value in zip(variables, values, strict=True) if value is None)
            known = coefficient * math.prod(value for value in values if value is not None)
            terms[symbols] = terms.get(symbols, 0) + known
        return _collect(terms)

    def resolve(self, axes: Axes) -> Size:
        """Return the size in terms of the dims that are left."""
        if all(axes.resolve(dim) == dim for dim in self.dims) and not self.has_floor:
            return self
        total = Size.of(0)
        for variables, coefficient in self.terms:
            term = Size.of(coefficient)
            for variable in variables:
                term *= _resolved(variable, axes)
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

    def floor_divided_by(self, divisor: int) -> Size:
        """Return the quotient by a positive integer, rounded down; exact where the coefficients say so."""
        exact = self.divided_by(Size.of(divisor))
        return exact if exact is not None else Size((((Floor(self, divisor),), 1),))

    def sourced(self, source: Source) -> Size:
        """Return the same size, stored at `source`."""
        return Size(self.terms, source)


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
    if any(value is None or not -(2**63) <= value < 2**63 for value in values):
        return None
    return np.array(values, np.int64).reshape(content.shape)


def _as_size(value: Size | int) -> Size:
    return value if isinstance(value, Size) else Size.of(int(value))


def _order(variable: Variable) -> tuple[int, int, str]:
    if isinstance(variable, Dim):
        return 0, variable.id, ""
    return (1, 0, variable) if isinstance(variable, str) else (2, variable.divisor, str(variable.numerator.terms))


def _dims_of(variable: Variable) -> list[Dim]:
    if isinstance(variable, Dim):
        return [variable]
    return variable.numerator.dims if isinstance(variable, Floor) else []


def _value(variable: Variable, counts: Mapping[Dim, int]) -> int | None:
    if isinstance(variable, Dim):
        return counts.get(variable, variable.size)
    if isinstance(variable, str):
        return None
    numerator = variable.numerator.under(counts)
    return None if numerator is None else numerator // variable.divisor


def _resolved(variable: Variable, axes: Axes) -> Size:
    if isinstance(variable, Dim):
        return Size.along(axes.resolve(variable))
    if isinstance(variable, str):
        return Size.symbol(variable)
    return variable.numerator.resolve(axes).floor_divided_by(variable.divisor)


def _collect(terms: Terms) -> Size:
    kept = sorted(
        ((variables, coefficient) for variables, coefficient in terms.items() if coefficient),
        key=lambda term: [_order(variable) for variable in term[0]],
    )
    return Size(tuple(kept))
