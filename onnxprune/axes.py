"""The axis algebra: what the positions along a tensor axis *are*, and how axes are tied together.

Every axis of every tensor carries an expression:

    expr := Dim(n)               n independent units; the only thing that can shrink
          | Fixed(n)             n positions that must all stay, with the reason
          | Product(e1, e2, ..)  outer to inner: position = (i1, i2, ..) row-major
          | Sum(e1, e2, ..)      laid end to end

Operators relate axes by `Axes.unify`; what must not shrink is `Axes.freeze`-d. Whatever is still a `Dim`
at the end may lose units or be reordered, and `keep`, `places`, `count` and `spread` carry that (or a saliency)
between a dim and every axis that it is part of.

This module knows numpy alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dim:
    """`size` independent units. Identity is `id`: two dims are the same only if they were unified."""

    id: int
    size: int


@dataclass(frozen=True, slots=True)
class Fixed:
    """Positions that all stay. `size` is None where only the running model knows it; `symbol` then names it."""

    size: int | None
    reason: str = field(default="", compare=False)
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A row-major grid of `factors`, outer to inner. Build it with `product`, which keeps it in normal form."""

    factors: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """`terms` laid end to end. Build it with `concat`, which keeps it in normal form."""

    terms: tuple[Expr, ...]


Expr: TypeAlias = "Dim | Fixed | Product | Sum"

ONE = Fixed(1)
EMPTY = Fixed(0)


def size(expr: Expr) -> int | None:
    """Return the number of positions of `expr`, or None where it is symbolic."""
    if isinstance(expr, (Dim, Fixed)):
        return expr.size
    parts = [size(part) for part in _parts(expr)]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return math.prod(known) if isinstance(expr, Product) else sum(known)


def product(*factors: Expr) -> Expr:
    """Return the product of `factors` in normal form.

    Nested products are flattened, factors of size 1 vanish (splitting by 1 gives back the axis itself, so
    unification would not terminate with them), and neighbouring fixed factors become one, those of known size and
    symbolic ones each among themselves.
    """
    every = list(_flatten(factors, Product))
    if any(size(factor) == 0 for factor in every):
        return EMPTY
    flat: list[Expr] = []
    for factor in every:
        last = flat[-1] if flat else None
        if isinstance(factor, Fixed) and isinstance(last, Fixed) and (factor.size is None) == (last.size is None):
            flat[-1] = _merge_fixed(last, factor)
        elif size(factor) != 1:
            flat.append(factor)
    return _unwrap(flat, Product, ONE)


def concat(*terms: Expr) -> Expr:
    """Return `terms` laid end to end, in normal form: flat, without empty terms, fixed neighbours merged."""
    flat: list[Expr] = []
    for term in _flatten(terms, Sum):
        last = flat[-1] if flat else None
        if size(term) == 0:
            continue
        if isinstance(term, Fixed) and isinstance(last, Fixed) and term.size is not None and last.size is not None:
            flat[-1] = Fixed(last.size + term.size, last.reason or term.reason or "each part is a single position")
        else:
            flat.append(term)
    return _unwrap(flat, Sum, EMPTY)


def free_dims(expr: Expr) -> list[Dim]:
    """Return the distinct dims in a resolved expression, outer to inner and first to last."""
    return list(dict.fromkeys(_walk_dims(expr)))


def keep(expr: Expr, masks: Mapping[Dim, Mask]) -> Mask:
    """Return which positions along a resolved axis stay: bool, shape [size(expr)].

    `masks` holds a bool vector for each dim that shrinks; a dim that is not in it stays whole.
    """
    if isinstance(expr, Dim):
        mask = masks.get(expr)
        return np.ones(expr.size, bool) if mask is None else mask
    if isinstance(expr, Fixed):
        return np.ones(_length(expr), bool)
    parts = [keep(part, masks) for part in _parts(expr)]
    if isinstance(expr, Sum):
        return np.concatenate(parts)
    grid = parts[0]
    for part in parts[1:]:
        grid = np.logical_and.outer(grid, part).ravel()
    return grid


def places(expr: Expr, orders: Mapping[Dim, NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return which positions along a resolved axis stay, in their new order: int64, shape [positions that stay].

    `orders` holds, for each dim that changes, the units that stay in their new order; a dim that is not in it stays
    as it is. With units in their old order these are the positions where `keep` is true.
    """
    if isinstance(expr, Dim):
        return orders[expr] if expr in orders else np.arange(expr.size, dtype=np.int64)
    if isinstance(expr, Fixed):
        return np.arange(_length(expr), dtype=np.int64)
    parts = [(_length(part), places(part, orders)) for part in _parts(expr)]
    if isinstance(expr, Sum):
        ends = itertools.accumulate(length for length, _ in parts)
        return np.concatenate([end - length + inner for end, (length, inner) in zip(ends, parts, strict=True)])
    grid = np.zeros(1, np.int64)
    for length, inner in parts:
        grid = np.add.outer(grid * length, inner).ravel()
    return grid


def count(expr: Expr, counts: Mapping[Dim, Any]) -> Any:
    """Return how many positions of a resolved axis stay when each dim keeps `counts[dim]` units (default: all).

    Counts may be arrays of candidates, and so is the result then.
    """
    if isinstance(expr, Dim):
        return counts.get(expr, expr.size)
    if isinstance(expr, Fixed):
        return _length(expr)
    if isinstance(expr, Product):
        return math.prod(count(factor, counts) for factor in expr.factors)
    return sum(count(term, counts) for term in expr.terms)


def spread(expr: Expr, values: NDArray[Any]) -> dict[Dim, NDArray[Any]]:
    """Add up a value per position into a value per unit of each dim: the adjoint of `keep`.

    `values` has shape [size(expr)]; each result has shape [dim.size].
    """
    totals: dict[Dim, NDArray[Any]] = {}
    _spread_into(expr, values, totals)
    return totals


def _spread_into(expr: Expr, values: NDArray[Any], totals: dict[Dim, NDArray[Any]]) -> None:
    if isinstance(expr, Dim):
        totals[expr] = totals[expr] + values if expr in totals else values
    elif isinstance(expr, Sum):
        start = 0
        for term in expr.terms:
            stop = start + _length(term)
            _spread_into(term, values[start:stop], totals)
            start = stop
    elif isinstance(expr, Product):
        grid = values.reshape([_length(factor) for factor in expr.factors])
        for place, factor in enumerate(expr.factors):
            others = tuple(axis for axis in range(grid.ndim) if axis != place)
            _spread_into(factor, grid.sum(axis=others), totals)


def units(expr: Expr, dim: Dim) -> NDArray[np.int64]:
    """Return which unit of `dim` each position along a resolved axis belongs to, or -1: int64, shape [size(expr)].

    Where a position belongs to two units, as in `Product(d, d)`, it is the later one.
    """
    if isinstance(expr, Dim):
        return np.arange(dim.size) if expr == dim else np.full(expr.size, -1)
    if isinstance(expr, Fixed):
        return np.full(_length(expr), -1)
    parts = [units(part, dim) for part in _parts(expr)]
    if isinstance(expr, Sum):
        return np.concatenate(parts)
    grid = parts[0]
    for part in parts[1:]:
        grid = np.maximum.outer(grid, part).ravel()
    return grid


def _length(expr: Expr) -> int:
    """Return the number of positions of `expr`. Raises `ValueError` where it is symbolic."""
    length = size(expr)
    if length is None:
        raise ValueError(f"the number of positions of {show(expr)} is known only at run time")
    return length


class MismatchError(Exception):
    """Two axes that cannot be laid over each other. Never leaves this module."""


class Axes:
    """The dims of one model and what has been concluded about them so far."""

    def __init__(self) -> None:
        self._bindings: dict[int, Expr] = {}
        self._trail: list[int] = []
        self._plural: set[int] = set()
        self._created = 0

    def dim(self, units: int) -> Expr:
        """Return a new dim of `units` units; an axis of 0 or 1 positions can never shrink and is fixed."""
        if units == 1:
            return ONE
        if units == 0:
            return EMPTY
        self._created += 1
        return Dim(self._created, units)

    def resolve(self, expr: Expr) -> Expr:
        """Return `expr` with everything that is known put in, in normal form."""
        while isinstance(expr, Dim):
            bound = self._bindings.get(expr.id)
            if bound is None:
                return expr
            expr = bound
        if isinstance(expr, Fixed):
            return expr
        parts = [self.resolve(part) for part in _parts(expr)]
        return product(*parts) if isinstance(expr, Product) else concat(*parts)

    def unify(self, first: Expr, second: Expr, where: str) -> bool:
        """Conclude that two axes are the same, position by position.

        Returns False, with both frozen as they were before and `where` in the reason, if they cannot be laid
        over each other. Nothing stays half bound.
        """
        mark = len(self._trail)
        try:
            self._unify(first, second)
        except MismatchError as mismatch:
            while len(self._trail) > mark:
                del self._bindings[self._trail.pop()]
            reason = f"{where}: {mismatch}"
            self.freeze(first, reason)
            self.freeze(second, reason)
            return False
        return True

    def freeze(self, expr: Expr, reason: str) -> None:
        """Conclude that nothing in `expr` may shrink, because of `reason`."""
        for dim in free_dims(self.resolve(expr)):
            self._bind(dim, Fixed(dim.size, reason))

    def keep_plural(self, expr: Expr) -> None:
        """Conclude that `expr` must keep two positions or more: at one, Squeeze would change meaning."""
        expr = self.resolve(expr)
        if isinstance(expr, Dim):
            self._plural.add(expr.id)
        elif isinstance(expr, Product) and not any(_is_plural(factor) for factor in expr.factors):
            self.keep_plural(next(factor for factor in expr.factors if isinstance(factor, Dim)))

    def minimum(self, dim: Dim) -> int:
        """Return the number of units that `dim` must keep: 1, or 2 where one would change meaning."""
        return 2 if dim.id in self._plural else 1

    def _bind(self, dim: Dim, target: Expr) -> None:
        if dim in _walk_dims(target):
            raise MismatchError(f"{show(dim)} would contain itself in {show(target)}")
        self._bindings[dim.id] = target
        self._trail.append(dim.id)
        if dim.id in self._plural:
            self.keep_plural(target)

    def _unify(self, first: Expr, second: Expr) -> None:
        a, b = self.resolve(first), self.resolve(second)
        if a == b:
            return
        if isinstance(a, Fixed) or isinstance(b, Fixed):
            self._unify_fixed(a, b)
        elif isinstance(a, Dim) or isinstance(b, Dim):
            self._unify_dim(a, b)
        elif isinstance(a, Product) and isinstance(b, Product):
            self._unify_products(a, b)
        elif isinstance(a, Sum) and isinstance(b, Sum):
            self._unify_sums(a, b)
        elif isinstance(a, Sum) and isinstance(b, Product):
            self._unify_sum_with_product(a, b)
        elif isinstance(a, Product) and isinstance(b, Sum):
            self._unify_sum_with_product(b, a)

    def _unify_fixed(self, a: Expr, b: Expr) -> None:
        _check_sizes(a, b)
        fixed, other = (a, b) if isinstance(a, Fixed) else (b, a)
        assert isinstance(fixed, Fixed)
        self.freeze(other, fixed.reason)

    def _unify_dim(self, a: Expr, b: Expr) -> None:
        """Bind a dim to the other side; of two dims the younger to the older, so that names stay stable."""
        _check_sizes(a, b)
        if size(a) is None or size(b) is None:
            raise MismatchError(f"{show(a)} meets {show(b)} at a size known only at run time")
        if isinstance(a, Dim) and isinstance(b, Dim):
            older, younger = sorted((a, b), key=lambda dim: dim.id)
            self._bind(younger, older)
        else:
            dim, other = (a, b) if isinstance(a, Dim) else (b, a)
            assert isinstance(dim, Dim)
            self._bind(dim, other)

    def _unify_products(self, first: Product, second: Product) -> None:
        """Walk both from the innermost factor; where one size divides the other, the larger factor splits."""
        _check_sizes(first, second)
        left, right = list(first.factors), list(second.factors)
        while left and right:
            a, b = self._pop_factor(left), self._pop_factor(right)
            if a == b:  # the same symbolic size on both sides, say
                continue
            size_a, size_b = size(a), size(b)
            if size_a is None or size_b is None:
                left.append(a)
                right.append(b)
                break
            if size_a == size_b:
                self._unify(a, b)
            elif size_a % size_b == 0:
                left.append(self._split_off_inner(a, b, size_a // size_b))
            elif size_b % size_a == 0:
                right.append(self._split_off_inner(b, a, size_b // size_a))
            else:
                raise MismatchError(f"{show(first)} does not line up with {show(second)} ({size_a} against {size_b})")
        for rest in (*left, *right):
            self.freeze(rest, f"{show(first)} meets {show(second)} at a size known only at run time")

    def _pop_factor(self, factors: list[Expr]) -> Expr:
        """Take the innermost factor, which may have become a product since the list was made."""
        factor = self.resolve(factors.pop())
        if isinstance(factor, Product):
            factors.extend(factor.factors)
            factor = factors.pop()
        return factor

    def _split_off_inner(self, factor: Expr, inner: Expr, outer_size: int) -> Expr:
        outer = self.dim(outer_size)
        self._unify(factor, product(outer, inner))
        return outer

    def _unify_sums(self, first: Sum, second: Sum) -> None:
        """Split the terms of both at each other's boundaries; the parts then are the same one by one."""
        _check_sizes(first, second)
        ends_a, ends_b = _ends(first), _ends(second)
        if ends_a is None or ends_b is None:
            raise MismatchError(f"{show(first)} against {show(second)}: a boundary is known only at run time")
        cuts = sorted({*ends_a, *ends_b})
        parts_a = self._cut_terms(first, ends_a, cuts)
        parts_b = self._cut_terms(second, ends_b, cuts)
        for a, b in zip(parts_a, parts_b, strict=True):
            self._unify(a, b)

    def _cut_terms(self, whole: Sum, ends: list[int], cuts: list[int]) -> list[Expr]:
        """Return the parts of a sum between consecutive `cuts`, all of its own `ends` among them."""
        parts: list[Expr] = []
        start = 0
        for term, end in zip(whole.terms, ends, strict=True):
            inside = [cut for cut in cuts if start < cut <= end]
            if len(inside) == 1:
                parts.append(term)
            else:
                pieces = [self.dim(stop - begin) for begin, stop in itertools.pairwise([start, *inside])]
                self._unify(term, concat(*pieces))
                parts.extend(pieces)
            start = end
        return parts

    def _unify_sum_with_product(self, terms: Sum, grid: Product) -> None:
        """Split the product's outer factors at the sum's boundaries; every part then shares the inner factors."""
        _check_sizes(terms, grid)
        for cut in range(1, len(grid.factors)):
            inner = product(*grid.factors[cut:])
            parts = _parts_of_whole_blocks(terms, size(inner))
            if len(parts) < 2:
                continue
            outers = [self.dim(blocks) for _, blocks in parts]
            for (part, _), outer in zip(parts, outers, strict=True):
                self._unify(part, product(outer, inner))
            self._unify(product(*grid.factors[:cut]), concat(*outers))
            return
        raise MismatchError(f"{show(terms)} has boundaries inside the units of {show(grid)}")


def _check_sizes(a: Expr, b: Expr) -> None:
    size_a, size_b = size(a), size(b)
    if size_a is not None and size_b is not None and size_a != size_b:
        raise MismatchError(f"{size_a} positions against {size_b}")


def _ends(terms: Sum) -> list[int] | None:
    """Return the position after each term, or None where a size is symbolic."""
    sizes = [size(term) for term in terms.terms]
    known = [length for length in sizes if length is not None]
    return list(itertools.accumulate(known)) if len(known) == len(sizes) else None


def _parts_of_whole_blocks(terms: Sum, block: int | None) -> list[tuple[Expr, int]]:
    """Group neighbouring terms into the smallest parts that are whole blocks; return each with its blocks.

    Empty where sizes are symbolic or the end of the sum is not the end of a block.
    """
    ends = _ends(terms)
    if ends is None or not block or ends[-1] % block:
        return []
    parts: list[tuple[Expr, int]] = []
    group: list[Expr] = []
    start = 0
    for term, end in zip(terms.terms, ends, strict=True):
        group.append(term)
        if end % block == 0:
            parts.append((concat(*group), (end - start) // block))
            group, start = [], end
    return parts


def _is_plural(expr: Expr) -> bool:
    """Whether an axis certainly keeps two positions: a sum, or fixed at a known size."""
    return isinstance(expr, Sum) or (isinstance(expr, Fixed) and expr.size is not None)


def show(expr: Expr) -> str:
    """Return a short text for messages, such as `64`, `12*64` or `32+32`; fixed parts carry a `!`."""
    if isinstance(expr, Dim):
        return str(expr.size)
    if isinstance(expr, Fixed):
        return f"{expr.symbol or '?'}!" if expr.size is None else f"{expr.size}!"
    if isinstance(expr, Product):
        return "*".join(f"({show(f)})" if isinstance(f, Sum) else show(f) for f in expr.factors)
    return "+".join(show(term) for term in expr.terms)


def reasons(expr: Expr) -> list[str]:
    """Return why parts of a resolved axis are fixed, without repeats; axes of one position need no reason."""
    if isinstance(expr, Fixed):
        return [expr.reason] if expr.size != 1 and expr.reason else []
    return list(dict.fromkeys(reason for part in _parts(expr) for reason in reasons(part)))


def _parts(expr: Expr) -> tuple[Expr, ...]:
    if isinstance(expr, Product):
        return expr.factors
    return expr.terms if isinstance(expr, Sum) else ()


def _walk_dims(expr: Expr) -> Iterator[Dim]:
    if isinstance(expr, Dim):
        yield expr
    for part in _parts(expr):
        yield from _walk_dims(part)


def _flatten(parts: Iterable[Expr], kind: type[Product] | type[Sum]) -> Iterator[Expr]:
    for part in parts:
        if isinstance(part, kind):
            yield from _parts(part)
        else:
            yield part


def _merge_fixed(outer: Fixed, inner: Fixed) -> Fixed:
    if outer.size == 1:
        return inner
    if inner.size == 1:
        return outer
    reason = outer.reason or inner.reason
    if outer.size is None or inner.size is None:
        return Fixed(None, reason, f"{outer.symbol or outer.size}*{inner.symbol or inner.size}")
    return Fixed(outer.size * inner.size, reason)


def _unwrap(parts: list[Expr], kind: type[Product] | type[Sum], empty: Fixed) -> Expr:
    if not parts:
        return empty
    return parts[0] if len(parts) == 1 else kind(tuple(parts))
