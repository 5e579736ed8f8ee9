"""Where operator rules are registered: one decorator, keyed by domain and operator type."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from onnxprune.rules.site import Site

Rule: TypeAlias = "Callable[[Site], None]"

RULES: dict[tuple[str, str], Rule] = {}


def rule(*op_types: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Register a function as the rule of the operators `op_types`; a second rule for one operator is an error."""

    def register(function: Rule) -> Rule:
        for op_type in op_types:
            if (domain, op_type) in RULES:
                raise ValueError(f"two rules for {domain or 'ai.onnx'}::{op_type}")
            RULES[domain, op_type] = function
        return function

    return register
