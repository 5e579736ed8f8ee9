"""Sizes: polynomials over dims that stay right whatever the dims come to keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxprune.axes import Axes, Dim, Fixed, concat, product
from onnxprune.sizes import Size, Source, content_of, dense_values

A, B = Dim(1, 12), Dim(2, 8)
counts = st.fixed_dictionaries({A: st.integers(1, 12), B: st.integers(1, 8)})
atoms = st.one_of(st.sampled_from([Size.along(A), Size.along(B)]), st.integers(-4, 4).map(Size.of))
sizes = st.recursive(
    atoms,
    lambda parts: st.one_of(st.builds(Size.__add__, parts, parts), st.builds(Size.__mul__, parts, parts)),
    max_leaves=5,
)


def value(size: Size, at: dict[Dim, int]) -> int:
    result = size.under(at)
    assert result is not None
    return result


@given(sizes, sizes, counts)
def test_arithmetic_is_that_of_the_values(a: Size, b: Size, at: dict[Dim, int]) -> None:
    assert value(a + b, at) == value(a, at) + value(b, at)
    assert value(a - b, at) == value(a, at) - value(b, at)
    assert value(a * b, at) == value(a, at) * value(b, at)
    assert value(-a, at) == -value(a, at)


@given(sizes, sizes)
def test_equal_polynomials_are_equal_however_they_were_made(a: Size, b: Size) -> None:
    assert a + b == b + a and a * b == b * a
    assert (a + b) * (a - b) == a * a - b * b
    assert hash(a + b) == hash(b + a)


@given(sizes, st.sampled_from([Size.along(A), Size.along(B) * 2, Size.of(3), Size.along(A) * Size.along(B)]))
def test_division_undoes_multiplication(a: Size, divisor: Size) -> None:
    assert (a * divisor).divided_by(divisor) == a


@given(sizes, st.sampled_from([Size.along(A), Size.of(3), Size.along(B) * 2]), counts)
def test_a_quotient_holds_for_every_count(a: Size, divisor: Size, at: dict[Dim, int]) -> None:
    quotient = a.divided_by(divisor)
    if quotient is not None:
        assert value(quotient, at) * value(divisor, at) == value(a, at)


@given(sizes, st.integers(1, 5), counts)
def test_division_that_rounds_down_does_so_for_every_count(a: Size, divisor: int, at: dict[Dim, int]) -> None:
    assert value(a.floor_divided_by(divisor), at) == value(a, at) // divisor


def test_there_is_no_quotient_by_a_sum_or_where_it_would_not_be_whole() -> None:
    a = Size.along(A)
    assert a.divided_by(a + 1) is None
    assert (a + 1).divided_by(a) is None
    assert a.divided_by(Size.of(2)) is None
    assert (a * 6).divided_by(Size.of(2)) == a * 3


def test_integers_mix_with_sizes() -> None:
    assert (3 + Size.along(A) * 2) == (2 * Size.along(A) + 3)
    assert Size.of(0).terms == () and Size.of(5).dense == 5


@pytest.mark.parametrize(
    ("axis", "dense", "pruned"),
    [(A, 12, 5), (product(A, B), 96, 15), (concat(A, B), 20, 8), (product(A, Fixed(7)), 84, 35), (Fixed(9), 9, 9)],
)
def test_the_size_of_an_axis_follows_its_dims(axis: Dim, dense: int, pruned: int) -> None:
    size = Size.along(axis)
    assert size.dense == dense
    assert size.under({A: 5, B: 3}) == pruned


def test_a_symbol_has_no_value_but_can_be_divided_out() -> None:
    n = Size.along(Fixed(None, "at run time", "N"))
    assert n == Size.symbol("N") and n.dense is None and n.is_symbolic
    assert (n * Size.along(A)).divided_by(n) == Size.along(A)
    assert (n * Size.along(A)).unpruned == n * 12


def test_dims_are_listed_once_in_order() -> None:
    assert (Size.along(A) * Size.along(B) + Size.along(A)).dims == [A, B]


def test_resolving_puts_in_what_was_concluded() -> None:
    axes = Axes()
    whole, left, right = axes.dim(12), axes.dim(4), axes.dim(8)
    size = Size.along(whole) * 2
    axes.unify(whole, concat(left, right), "a test")
    assert size.resolve(axes) == Size.along(left) * 2 + Size.along(right) * 2
    axes.freeze(left, "a test")
    assert size.resolve(axes) == Size.along(right) * 2 + 8


def test_resolving_keeps_where_a_size_is_stored() -> None:
    axes = Axes()
    whole = axes.dim(12)
    source = Source("node", 1, 0)
    size = Size.along(whole).sourced(source)
    axes.freeze(whole, "a test")
    assert size.resolve(axes).source == source


def test_a_division_that_comes_out_exact_once_more_is_known() -> None:
    axes = Axes()
    whole, half = axes.dim(12), axes.dim(6)
    halved = Size.along(whole).floor_divided_by(2)
    assert halved.has_floor
    axes.unify(whole, product(half, Fixed(2)), "a test")
    assert halved.resolve(axes) == Size.along(half)


def test_stored_integers_remember_their_place() -> None:
    content = content_of(np.array([[1, -1], [0, 5]]), "node", 1)
    assert content.shape == (2, 2)
    assert content[1, 1].source == Source("node", 1, 3) and content[1, 1].dense == 5
    dense = dense_values(content)
    assert dense is not None and dense.tolist() == [[1, -1], [0, 5]]


def test_content_with_a_symbol_has_no_dense_values() -> None:
    content = np.empty(2, object)
    content[:] = [Size.of(1), Size.symbol("N")]
    assert dense_values(content) is None and dense_values(None) is None


def test_where_a_size_is_stored_does_not_make_it_different() -> None:
    assert Size.of(3, Source("a", 0, 0)) == Size.of(3, Source("b", 1, 2)) == Size.of(3)


def test_sizes_that_no_graph_has_a_use_for_are_too_long() -> None:
    power = number = Size.symbol("n")
    for _ in range(6):
        power = power * power
    many = sum((Size.symbol(f"n{place}") for place in range(300)), start=number)
    assert power.is_too_long and many.is_too_long and (Size.of(2**62) * 4).is_too_long
    assert not any(size.is_too_long for size in (number, number * number + 1, Size.of(2**63 - 1)))


def test_values_that_64_bits_do_not_hold_are_not_known() -> None:
    content = np.array([Size.of(2**63)], object)
    assert dense_values(content) is None
