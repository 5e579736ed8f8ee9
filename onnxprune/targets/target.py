"""Records of targets: facts about a runtime, each with where it is written or how it was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

from onnxprune.errors import UsageError

DEFAULT = "onnxruntime"
RECORDS = resources.files("onnxprune.targets") / "records"

OF_THIS_MACHINE = "machine"
"""The width of a target whose kernels are those of onnxruntime on the machine that this runs on."""


@dataclass(frozen=True)
class Source:
    """Where a fact is from: a page of documentation, a source file or a measurement, and the version that it is of."""

    page: str
    version: str


@dataclass(frozen=True)
class Fact:
    """One thing that a runtime needs or wants.

    `kind` names the requirement that looks at a model for it, with `value` as its parameters. What `is_required` keeps
    a model from loading or running where it is not met; anything else costs time. `why` says it in words, `do` what to
    do about it.
    """

    kind: str
    value: Mapping[str, Any]
    is_required: bool
    why: str
    do: str
    source: Source


@dataclass(frozen=True)
class Pattern:
    """N:M zeros that a runtime uses: `n` of `m` consecutive input channels at most are not zero.

    Only weights of `operators` count whose outputs are a multiple of `outs` and whose input channels are one of
    `ins`; from `pays_from` channels on it can be expected to pay.
    """

    n: int
    m: int
    outs: int
    ins: int
    pays_from: int
    operators: tuple[str, ...]

    @staticmethod
    def of(value: Mapping[str, Any]) -> Pattern:
        """Return the pattern that a fact is about."""
        return Pattern(**{**value, "operators": tuple(value["operators"])})

    def misfit(self, channels: int, outs: int) -> str | None:
        """Return why the runtime does not use the pattern in a weight of such a size, or None where it does."""
        if channels % self.ins:
            return f"its {channels} input channels are not a multiple of {self.ins}"
        if outs % self.outs:
            return f"its {outs} outputs are not a multiple of {self.outs}"
        return None

    def pays(self, channels: int, outs: int) -> bool:
        """Whether a weight is of a size from which the pattern can be expected to save time."""
        return min(channels, outs) >= self.pays_from


@dataclass(frozen=True)
class Target:
    """A runtime that models go to.

    `version` is the one that the facts were read for. `handover` are lines to paste, in which {model}, {stem},
    {shapes} and {typed_shapes} stand for what they are called; `writes` names what is written beside the model.
    """

    name: str
    title: str
    version: str
    facts: tuple[Fact, ...]
    handover: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    def value(self, kind: str) -> Mapping[str, Any] | None:
        """Return the parameters of the first fact of a kind, or None where there is none."""
        return next((fact.value for fact in self.facts if fact.kind == kind), None)

    @property
    def width(self) -> int | None:
        """The number that channel counts should be multiples of; None where this machine has to be asked."""
        wanted = (self.value("widths") or {"multiple": 1})["multiple"]
        return None if wanted == OF_THIS_MACHINE else int(wanted)

    @cached_property
    def pattern(self) -> Pattern | None:
        """The N:M zeros that the runtime uses, or None where it uses none."""
        value = self.value("pattern")
        return None if value is None else Pattern.of(value)


@cache
def names() -> tuple[str, ...]:
    """Return the names of all targets, the default first."""
    found = sorted(entry.name.removesuffix(".json") for entry in RECORDS.iterdir() if entry.name.endswith(".json"))
    return (DEFAULT, *(name for name in found if name != DEFAULT))


@cache
def find(name: str) -> Target:
    """Return the record of a target. Raises `UsageError` for a name that none has."""
    if name not in names():
        raise UsageError(f"--target {name}: there is no such target; there are: {', '.join(names())}")
    record = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    facts = tuple(Fact(**{**fact, "source": Source(**fact["source"])}) for fact in record["facts"])
    handover, writes = tuple(record["handover"]), tuple(record["writes"])
    return Target(name, record["title"], record["version"], facts, handover, writes)
