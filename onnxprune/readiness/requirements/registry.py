"""Where requirements are registered: one decorator, by the kind of fact."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from onnxprune.errors import OnnxPruneError
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.targets.target import Fact

Requirement: TypeAlias = "Callable[[Subject, Mapping[str, Any]], Observation]"
"""Looks at a model with the value of a fact as its parameters."""

REQUIREMENTS: dict[str, Requirement] = {}


def requirement(kind: str) -> Callable[[Requirement], Requirement]:
    """Register a function as what looks for facts of a kind."""

    def register(function: Requirement) -> Requirement:
        if kind in REQUIREMENTS:
            raise ValueError(f"two requirements named {kind}")
        REQUIREMENTS[kind] = function
        return function

    return register


def observe(fact: Fact, subject: Subject) -> Observation:
    """Look at a model for a fact; what cannot be looked at is told, not raised."""
    try:
        return REQUIREMENTS[fact.kind](subject, fact.value)
    except OnnxPruneError as error:
        return Observation(None, f"could not be looked at: {error}")


def listed(items: Sequence[str], most: int = 3) -> str:
    """Return the first few of some names, and how many more there are."""
    unique = list(dict.fromkeys(items))
    more = f" and {len(unique) - most} more" if len(unique) > most else ""
    return f"{', '.join(unique[:most])}{more}"
