"""Axes whose size only the running model knows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from concluded import SYMBOLIC, frozen, same

from onnxprune.axes import (
    Axes,
    Dim,
    Expr,
    Fixed,
    Product,
    Sum,
    concat,
    count,
    keep,
    places,
    product,
    reasons,
    show,
    size,
    spread,
    units,
)


def test_a_symbolic_axis_freezes_what_it_meets(axes: Axes) -> None:
    x, grid = axes.dim(4), product(axes.dim(2), axes.dim(3))
    assert axes.unify(x, SYMBOLIC, "Add_1")
    assert axes.unify(SYMBOLIC, grid, "Add_2")
    assert axes.resolve(x) == Fixed(4)
    assert reasons(axes.resolve(x)) == reasons(axes.resolve(grid)) == ["known only at run time"]
    assert frozen(axes, grid)


@pytest.mark.parametrize("form", [product, concat])
@pytest.mark.parametrize("swap", [False, True])
def test_a_partly_symbolic_axis_takes_no_size_away_from_what_it_meets(axes: Axes, form: type, swap: bool) -> None:
    """A dim of 8 against N*4 or N+4 stays an axis of 8 positions that can be masked and counted."""
    x, y = axes.dim(8), axes.dim(4)
    sides = (x, form(SYMBOLIC, y))
    axes.unify(*(reversed(sides) if swap else sides), "Reshape")
    assert size(axes.resolve(x)) == 8
    assert keep(axes.resolve(x), {}).shape == (8,)


def test_products_tie_the_inner_factors_up_to_a_symbolic_one(axes: Axes) -> None:
    heads, width, flat = axes.dim(4), axes.dim(8), axes.dim(32)
    outer = axes.dim(5)
    assert axes.unify(product(SYMBOLIC, heads, width), product(outer, flat), "Reshape")
    assert axes.resolve(flat) == product(heads, width)
    assert not frozen(axes, flat)
    assert axes.resolve(outer) == Fixed(5)


def test_the_same_symbolic_factor_on_both_sides_lines_up(axes: Axes) -> None:
    x, y, inner, other = (axes.dim(n) for n in (3, 3, 4, 4))
    assert axes.unify(product(x, SYMBOLIC, inner), product(y, SYMBOLIC, other), "Add")
    assert same(axes, x, y) and same(axes, inner, other)
    assert not frozen(axes, x)


def test_what_lies_outside_different_symbolic_factors_freezes(axes: Axes) -> None:
    x, y, inner, other = (axes.dim(n) for n in (2, 3, 4, 4))
    another = Fixed(None, "known only at run time", "M")
    assert axes.unify(product(x, SYMBOLIC, inner), product(y, another, other), "Add")
    assert frozen(axes, x, y)
    assert same(axes, inner, other)
    assert not frozen(axes, inner)


def test_a_boundary_at_a_symbolic_place_freezes(axes: Axes) -> None:
    x, y = axes.dim(3), axes.dim(4)
    assert not axes.unify(concat(x, SYMBOLIC), concat(SYMBOLIC, y), "Add")
    assert frozen(axes, x, y)


def test_terms_that_are_no_whole_number_of_an_open_number_of_blocks_freeze(axes: Axes) -> None:
    line, inner = concat(axes.dim(4), axes.dim(4), axes.dim(3)), axes.dim(4)
    assert not axes.unify(line, product(SYMBOLIC, inner), "Reshape")
    assert frozen(axes, line, inner)


def test_the_same_symbolic_axis_is_itself(axes: Axes) -> None:
    x = axes.dim(4)
    assert axes.unify(product(SYMBOLIC, x), product(SYMBOLIC, x), "Add")
    assert not frozen(axes, x)


@pytest.mark.parametrize("expr", [SYMBOLIC, concat(Dim(1, 4), SYMBOLIC), product(SYMBOLIC, Dim(1, 4))], ids=show)
def test_a_symbolic_axis_has_no_size_and_nothing_can_be_laid_along_it(expr: Expr) -> None:
    assert size(expr) is None
    for along in (keep, places, count):
        with pytest.raises(ValueError, match="N! is known only at run time"):
            along(expr, {})
    with pytest.raises(ValueError, match="N! is known only at run time"):
        units(expr, Dim(1, 4))


@pytest.mark.parametrize("form", [concat, product])
def test_nothing_is_spread_from_an_axis_of_which_a_part_is_symbolic(form: Callable[..., Expr]) -> None:
    with pytest.raises(ValueError, match="N! is known only at run time"):
        spread(form(Dim(1, 4), SYMBOLIC), np.ones(4))


def test_neighbouring_factors_merge_only_where_both_or_neither_is_symbolic() -> None:
    three, five = Fixed(3), Fixed(5)
    assert product(three, SYMBOLIC) == Product((three, SYMBOLIC))
    assert product(SYMBOLIC, three) == Product((SYMBOLIC, three))
    assert product(three, five) == Fixed(15)
    assert product(SYMBOLIC, Fixed(None, symbol="M")) == Fixed(None, symbol="N*M")
    assert product(SYMBOLIC, Fixed(None)) == Fixed(None, symbol="N*None")


def test_neighbouring_terms_merge_only_where_both_are_known() -> None:
    three, five = Fixed(3), Fixed(5)
    assert concat(three, SYMBOLIC) == Sum((three, SYMBOLIC))
    assert concat(SYMBOLIC, three) == Sum((SYMBOLIC, three))
    assert concat(SYMBOLIC, SYMBOLIC) == Sum((SYMBOLIC, SYMBOLIC))
    assert concat(three, five) == Fixed(8)
