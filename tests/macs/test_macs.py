"""MACs of every operator that multiplies and sums, against counts by hand, onnx-tool, and the products of ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType

import numpy as np
import pytest
from counters import ONNX_TOOL, by_ones, by_onnx_tool, ones_for
from mac_cases import CASES, MacCase
from mac_cases.bodies import step
from mac_cases.case import ONES, TOOL, MacGraph
from networks import traced

from onnxprune.cost import cost_of
from onnxprune.rules import RULES


def every_case(counter: str = "") -> pytest.MarkDecorator:
    cases = [case for case in CASES if not counter or counter in case.counters]
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@every_case()
def test_macs_are_those_counted_by_hand(case: MacCase) -> None:
    cost = cost_of(traced(case.model()))
    assert cost.macs({}) == case.macs
    assert cost.uncounted == 0


@every_case(ONES)
def test_as_many_ones_are_multiplied(case: MacCase) -> None:
    assert by_ones(case.model()) == case.macs


@every_case(TOOL)
def test_onnx_tool_counts_as_many(case: MacCase) -> None:
    proto = case.model()
    assert by_onnx_tool(proto, ones_for(proto)).total() == case.macs


@pytest.mark.parametrize("operator", sorted(ONNX_TOOL))
def test_onnx_tool_is_asked_about_every_operator_that_it_counts_right(operator: str) -> None:
    assert any(case.operator == ("", operator) and TOOL in case.counters for case in CASES)


def test_a_loop_that_runs_while_its_condition_holds_counts_once_and_is_told_of() -> None:
    g = MacGraph()
    g.output(g.add("Loop", g.store(2**63 - 1, np.int64), "", body=step(g.input(4, 5))))
    cost = cost_of(traced(g.model()))
    assert (cost.macs({}), cost.uncounted) == (4 * 5 * 6, 1)


# Every rule that notes work is in the table.


def names_in(code: CodeType) -> set[str]:
    """The globals and attributes that a function uses, also in its comprehensions."""
    inner = [names_in(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def reached(rule: Callable[..., object]) -> set[FunctionType]:
    """A rule and the functions of the rules that it calls."""
    found: set[FunctionType] = set()
    new: list[object] = [rule]
    while new:
        function = new.pop()
        if isinstance(function, FunctionType) and function.__module__.startswith("onnxprune.rules"):
            if function not in found:
                new += [function.__globals__.get(name) for name in names_in(function.__code__)]
            found.add(function)
    return found


def notes_work(rule: Callable[..., object]) -> bool:
    """Whether a rule notes work, its own or that of bodies."""
    return any({"work", "body"} & names_in(function.__code__) for function in reached(rule))


def operators() -> Sequence[tuple[str, str]]:
    return sorted({case.operator for case in CASES})


def test_the_table_is_of_all_operators_whose_rules_note_work() -> None:
    assert sorted(operator for operator, rule in RULES.items() if notes_work(rule)) == operators()


def test_no_rule_of_a_product_forgets_to_note_work() -> None:
    product = re.compile("Conv|Gemm|MatMul|Einsum|LSTM|GRU|RNN|(^|Multi.*|Query)Attention")
    named = sorted(operator for operator in RULES if product.search(operator[1]))
    assert named == sorted(set(operators()) - {("", "If"), ("", "Loop"), ("", "Scan")})
