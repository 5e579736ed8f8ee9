"""Every rule, on small graphs: it finds the dims that it should, and pruning them by any mask is exact."""

from __future__ import annotations

import ast
from pathlib import Path

import onnx
import pytest
from proof import check_shapes, needs_onnxruntime_to_run
from pruning import frozen_reasons, largest_masks, prune_and_check, random_masks, smallest_masks
from rule_cases import CASES, Case

from onnxprune.model import Model
from onnxprune.rules import RULES
from onnxprune.tracing import Trace, trace

NEVER_SEEN = {"unit_matrix": ("stored_6[0]",)}
"""Dims of weights whose values nobody reads, only their shapes."""

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def traced(case: Case) -> Trace:
    model = case.model()
    onnx.checker.check_model(model, full_check=True)
    return trace(Model(model))


@every_case
def test_the_prunable_dims_are_those_expected(case: Case) -> None:
    found = traced(case)
    assert sorted(dim.size for dim in found.dims) == list(case.dims)
    assert case.frozen in frozen_reasons(found)


@every_case
def test_what_is_traced_is_the_shape_of_every_tensor(case: Case) -> None:
    found = traced(case)
    needs_onnxruntime_to_run(found.model.proto)
    check_shapes(found)


@every_case
def test_removing_random_units_is_proved_exact(case: Case) -> None:
    found = traced(case)
    for dim in found.dims:
        _, result = prune_and_check(found, {dim: largest_masks(found, seed=1)[dim]})
        assert result.verdict == "proved" or found.names[dim] in NEVER_SEEN.get(case.name, ())
    _, result = prune_and_check(found, random_masks(found, seed=2))
    assert result.verdict in ("proved", "vacuous")


@every_case
def test_removing_all_units_but_the_fewest_allowed_is_exact(case: Case) -> None:
    found = traced(case)
    pruned, _ = prune_and_check(found, smallest_masks(found, seed=3))
    assert elements(pruned) < elements(found.model)


def elements(model: Model) -> int:
    """The number of elements of all weights."""
    return sum(model.array(tensor).size for tensor in model.tensors())


def test_every_operator_with_a_rule_is_tested() -> None:
    """By a case of the table, or by the tests of its family, which name it."""
    in_table = {operator for case in CASES.values() for operator in case.operators()}
    named = {word for path in Path(__file__).parents[1].rglob("*.py") for word in words_in(path)}
    assert sorted(f"{domain}::{op}" for domain, op in set(RULES) - in_table if op not in named) == []


def words_in(path: Path) -> set[str]:
    """The words of all strings in a Python file."""
    strings = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return {word for text in strings if isinstance(text, str) for word in text.split()}
