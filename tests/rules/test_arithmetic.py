"""Arithmetic on sizes: what is computed from them stays right whatever the dims come to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from onnxprune.axes import Dim
from onnxprune.rules.arithmetic import OPERATIONS, arithmetic
from onnxprune.sizes import Content, Size

A, B = Dim(1, 12), Dim(2, 8)
OPEN = Size.symbol("N")

linear = st.builds(
    lambda a, b, c: Size.along(A) * a + Size.along(B) * b + Size.of(c), *[st.integers(-2, 2)] * 2, st.integers(-9, 20)
)
sizes = st.one_of(linear, st.sampled_from([Size.along(A), Size.along(B), Size.along(A) * Size.along(B)]))
numbers = st.integers(-6, 24).map(Size.of)
divisors = st.one_of(st.sampled_from([Size.along(A), Size.along(B) * 2]), st.integers(1, 8).map(Size.of))
counts = st.fixed_dictionaries({A: st.integers(1, 12), B: st.integers(1, 8)})

COMPUTED: dict[str, Callable[..., Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "Min": np.minimum,
    "Max": np.maximum,
    "And": np.logical_and,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Where": np.where,
    "Mod": np.mod,
    "Div": lambda a, b: np.trunc(a / b),
}


def contents(*entries: Size) -> list[Content]:
    """One content of a single integer for each size."""
    found = [np.empty(1, object) for _ in entries]
    for content, entry in zip(found, entries, strict=True):
        content[0] = entry
    return found


def computed(op_type: str, *operands: Size) -> tuple[Size, list[Dim]]:
    """What one operator makes of sizes, and the dims whose sizes had to be decided."""
    outcome = arithmetic(op_type, contents(*operands), "out")
    assert outcome is not None
    return outcome.content[0], outcome.decided


def check(op_type: str, operands: list[Size], at: dict[Dim, int]) -> None:
    """Compare with numpy, where the dims whose sizes were decided are as they were."""
    result, decided = computed(op_type, *operands)
    kept = {dim: count for dim, count in at.items() if dim not in decided}
    expected = COMPUTED[op_type](*(operand.under(kept) for operand in operands))
    assert result.under(kept) == expected


def test_every_operator_that_is_followed_is_compared_here() -> None:
    assert set(COMPUTED) == set(OPERATIONS)


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Equal", "Less", "Greater", "Min", "Max", "And"])
@given(st.one_of(sizes, numbers), st.one_of(sizes, numbers), counts)
def test_two_sizes_give_what_their_values_give(op_type: str, a: Size, b: Size, at: dict[Dim, int]) -> None:
    check(op_type, [a, b], at)


@pytest.mark.parametrize("op_type", ["Neg", "Not"])
@given(st.one_of(sizes, numbers), counts)
def test_one_size_gives_what_its_value_gives(op_type: str, a: Size, at: dict[Dim, int]) -> None:
    check(op_type, [a], at)


@given(st.one_of(sizes, numbers), st.one_of(sizes, numbers), st.one_of(sizes, numbers), counts)
def test_a_choice_between_sizes_is_that_between_their_values(
    condition: Size, a: Size, b: Size, at: dict[Dim, int]
) -> None:
    check("Where", [condition, a, b], at)


@given(st.one_of(sizes, numbers), st.one_of(sizes, numbers), counts)
def test_a_remainder_is_that_of_the_values(a: Size, b: Size, at: dict[Dim, int]) -> None:
    assume(b.dense and b.under(at))
    check("Mod", [a, b], at)


@given(st.one_of(sizes, numbers), divisors, counts)
def test_a_quotient_is_that_of_the_values(a: Size, b: Size, at: dict[Dim, int]) -> None:
    check("Div", [a, b], at)


@given(numbers, divisors)
def test_a_quotient_of_numbers_is_truncated(a: Size, b: Size) -> None:
    check("Div", [a, b], {})


def test_a_number_is_divided_by_a_negative_one_where_that_is_exact() -> None:
    check("Div", [Size.of(6), Size.of(-3)], {})


@pytest.mark.parametrize(
    ("op_type", "operands", "expected"),
    [
        ("Equal", [OPEN, Size.of(-1)], Size.of(0)),
        ("Equal", [Size.of(-1), OPEN * 3 + Size.along(A)], Size.of(0)),
        ("Where", [OPEN, Size.along(A), Size.along(A)], Size.along(A)),
        ("And", [OPEN, Size.of(0)], Size.of(0)),
        ("And", [Size.of(0), Size.along(A)], Size.of(0)),
        ("Div", [OPEN * 6, Size.of(3)], OPEN * 2),
        ("Div", [Size.along(A) * OPEN, Size.along(A)], OPEN),
        ("Min", [OPEN, OPEN + Size.of(1)], OPEN),
        ("Max", [OPEN, OPEN + Size.of(1)], OPEN + Size.of(1)),
        ("Less", [OPEN, OPEN + Size.of(1)], Size.of(1)),
    ],
)
def test_what_holds_for_every_size_needs_no_decision(op_type: str, operands: list[Size], expected: Size) -> None:
    assert computed(op_type, *operands) == (expected, [])


@pytest.mark.parametrize(
    ("op_type", "operands"),
    [
        ("Equal", [OPEN, Size.of(0)]),
        ("Equal", [OPEN, Size.of(3)]),
        ("Equal", [Size.of(-1), OPEN - Size.of(3)]),
        ("Equal", [Size.of(-1), OPEN - Size.of(1)]),
        ("Equal", [Size.of(-1), Size.symbol("cast<0>")]),
        ("Where", [OPEN, Size.of(2), Size.of(3)]),
        ("And", [OPEN, Size.of(1)]),
        ("Not", [OPEN]),
        ("Mod", [Size.of(7), OPEN]),
        ("Mod", [Size.of(7), Size.of(0)]),
        ("Div", [Size.of(7), Size.of(0)]),
        ("Div", [OPEN, Size.of(-2)]),
        ("Div", [Size.of(6), OPEN]),
        ("Less", [OPEN, Size.of(3)]),
        ("Min", [OPEN, Size.of(3)]),
        ("Max", [OPEN, Size.of(3)]),
    ],
)
def test_what_depends_on_an_open_size_is_a_size_of_its_own(op_type: str, operands: list[Size]) -> None:
    assert computed(op_type, *operands) == (Size.symbol("out<(0,)>"), [])


@pytest.mark.parametrize(
    ("op_type", "operands", "decided"),
    [
        ("Equal", [Size.along(A), Size.of(12)], [A]),
        ("Less", [Size.along(A), Size.along(B)], [A, B]),
        ("Max", [Size.along(B), Size.of(3)], [B]),
        ("Mod", [Size.along(A), Size.of(5)], [A]),
        ("Not", [Size.along(A)], [A]),
        ("Div", [Size.of(24), Size.along(A)], [A]),
        ("Div", [Size.along(A), Size.along(B)], [A, B]),
        ("Div", [Size.along(A) - Size.of(14), Size.of(3)], [A]),
    ],
)
def test_the_sizes_that_decide_are_named(op_type: str, operands: list[Size], decided: list[Dim]) -> None:
    assert computed(op_type, *operands)[1] == decided


def test_operands_are_broadcast_and_each_element_is_computed() -> None:
    whole = np.array([[Size.along(A), Size.of(3)], [Size.of(5), OPEN]], object)
    outcome = arithmetic("Sub", [whole, contents(Size.of(1))[0]], "out")
    assert outcome is not None
    expected = [[Size.along(A) - Size.of(1), Size.of(2)], [Size.of(4), OPEN - Size.of(1)]]
    assert outcome.content.tolist() == expected


def test_other_operators_are_not_followed() -> None:
    assert arithmetic("Sqrt", contents(Size.of(4)), "out") is None
