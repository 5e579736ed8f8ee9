"""Axis expressions are kept in one form, whatever they are put together from."""

from __future__ import annotations

from copy import copy
from dataclasses import FrozenInstanceError, fields

import pytest
from concluded import PAIR, SYMBOLIC, same

from onnxprune.axes import ONE, Axes, Dim, Expr, Fixed, Product, Sum, concat, product, reasons, show, size


def test_factors_of_size_one_vanish(axes: Axes) -> None:
    d, e = axes.dim(3), axes.dim(4)
    assert product(axes.dim(1), d, Fixed(1, "broadcast")) == d
    assert product(d, ONE, e) == Product((d, e))
    assert size(product(ONE, ONE)) == size(product()) == 1
    assert axes.resolve(Product((d, Fixed(1), e))) == Product((d, e))


def test_a_factor_that_turns_out_to_be_fixed_merges_with_its_neighbour(axes: Axes) -> None:
    d, e = axes.dim(3), axes.dim(4)
    grid = product(d, Fixed(5, "plane"), e)
    axes.freeze(e, "softmax")
    assert axes.resolve(grid) == Product((d, Fixed(20)))


def test_nested_products_and_sums_are_flat(axes: Axes) -> None:
    a, b, c = (axes.dim(n) for n in (2, 3, 4))
    assert product(product(a, b), c) == product(a, product(b, c)) == Product((a, b, c))
    assert concat(concat(a, b), c) == concat(a, concat(b, c)) == Sum((a, b, c))


def test_a_bound_factor_or_term_is_flattened_when_resolved(axes: Axes) -> None:
    a, b, c, d = (axes.dim(n) for n in (2, 3, 6, 5))
    grid, line = product(c, d), concat(c, d)
    axes.unify(c, product(a, b), "Reshape")
    assert axes.resolve(grid) == Product((a, b, d))
    axes.unify(d, concat(axes.dim(2), axes.dim(3)), "Split")
    assert len(axes.resolve(line).terms) == 3


def test_empty_terms_vanish(axes: Axes) -> None:
    d = axes.dim(3)
    assert concat(Fixed(0), d, axes.dim(0)) == d
    assert size(concat()) == size(concat(Fixed(0), Fixed(0))) == 0
    assert axes.unify(d, concat(Fixed(0), axes.dim(3)), "Concat")


@pytest.mark.parametrize("other", [Dim(1, 3), Fixed(3), SYMBOLIC])
def test_a_product_with_an_empty_factor_is_empty(other: Expr) -> None:
    assert size(product(other, Fixed(0))) == size(product(Fixed(0), other)) == 0


def test_an_axis_of_one_or_no_positions_is_fixed(axes: Axes) -> None:
    assert axes.dim(1) == Fixed(1)
    assert axes.dim(0) == Fixed(0)
    assert isinstance(axes.dim(2), Dim)


def test_dims_are_the_same_only_if_unified(axes: Axes) -> None:
    d, e = axes.dim(4), axes.dim(4)
    assert not same(axes, d, e)
    axes.unify(d, e, "Add")
    assert same(axes, d, e)


@pytest.mark.parametrize("expr", [Dim(1, 3), PAIR, Product((PAIR, Dim(1, 3))), Sum((PAIR, Dim(1, 3)))], ids=show)
def test_an_expression_is_a_value_that_never_changes(expr: Expr) -> None:
    assert {expr: show(expr)}[copy(expr)] == show(copy(expr))
    with pytest.raises(FrozenInstanceError):
        setattr(expr, fields(expr)[0].name, None)


def test_a_reason_does_not_make_an_axis_another_one() -> None:
    assert Fixed(3, "padding") == Fixed(3, "softmax")
    assert Fixed(None, "open", "N") != Fixed(None, "open", "M")


@pytest.mark.parametrize("others", [Fixed(5), ONE, Fixed(1, "broadcast")])
def test_merged_factors_keep_the_reason_of_the_one_that_has_more_than_one_position(others: Fixed) -> None:
    padding = Fixed(3, "padding")
    assert reasons(product(padding, others)) == reasons(product(others, padding)) == ["padding"]
    assert reasons(product(Fixed(3), Fixed(1, "broadcast"))) == []
