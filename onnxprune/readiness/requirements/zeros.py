"""Zeros: which of them a runtime turns into speed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onnxprune.model import ConstantKey
from onnxprune.multiplied import Multiplied
from onnxprune.readiness.requirements.registry import listed, requirement
from onnxprune.readiness.subject import Subject
from onnxprune.readiness.verdict import Observation
from onnxprune.runtime import is_large
from onnxprune.targets.target import Pattern

FEW = 0.1
"""The share of zeros up to which nobody put them there."""

ROUNDING = 1e-3
"""What a share may lack where a weight cannot be divided evenly."""


@dataclass(frozen=True)
class Zeros:
    """A weight: its name, the operators that read it, its input channels and outputs, and its share of zeros."""

    name: str
    operators: frozenset[str]
    channels: int
    outs: int
    share: float
    is_pointwise: bool
    has_pattern: bool = False


@requirement("pattern")
def pattern(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Tell in which weights the runtime can use the N:M zeros that it knows; see `targets.Pattern`."""
    wanted = Pattern.of(value)
    weights = [each for each in _weights(subject, wanted) if each.operators & set(wanted.operators)]
    having = [each for each in weights if each.has_pattern]
    fitting = [each for each in having if wanted.misfit(each.channels, each.outs) is None]
    paying = [each for each in fitting if wanted.pays(each.channels, each.outs)]
    details = {
        "weights": len(weights),
        "with_pattern": [each.name for each in having],
        "eligible": [each.name for each in fitting],
        "from_where_it_pays": [each.name for each in paying],
    }
    form = f"{wanted.n}:{wanted.m}"
    if not having:
        return Observation(True, f"no weight has {form} zeros", details=details)
    found = (
        f"{form} pattern verified in {len(having)} of {len(weights)} weights; {len(fitting)} of them are eligible by "
        f"size, {len(paying)} have the {wanted.pays_from} channels from which it can pay; no speed was measured"
    )
    others = tuple(each.name for each in having if each not in fitting)
    return Observation(bool(fitting), found, details={**details, "not_eligible": others}, is_told=True)


@requirement("zeros")
def zeros(subject: Subject, value: Mapping[str, Any]) -> Observation:
    """Tell whether zeros in weights save time: {"granularities", "from", "operators", "pointwise"}.

    Those of a pattern are for `pattern` to judge.
    """
    if not value["granularities"] and is_large(subject.plain):
        return Observation(None, "no zeros save time, so those of a model of this size (above 1.9 GB) were not counted")
    known = [each for each in _weights(subject, _pattern_of(value["granularities"])) if each.share > FEW]
    if not known:
        return Observation(True, "no weight has zeros to speak of")
    share = float(np.mean([each.share for each in known]))
    there = f"{len(known)} weights have zeros, {share:.0%} of their numbers on average"
    used = [each.name for each in known if _saves_time(each, value)]
    forms = ", ".join(value["granularities"]) or "none"
    if not value["granularities"] or not used:
        return Observation(False, f"{there}; what saves time: {forms}", details={"with_zeros": [e.name for e in known]})
    return Observation(True, f"{there}; {len(used)} may save time: {listed(used)}", details={"used": used})


def _saves_time(weight: Zeros, value: Mapping[str, Any]) -> bool:
    """Whether the zeros of a weight are as many, in such a place, as a runtime makes use of."""
    operators = frozenset(value.get("operators", ()))
    lies_right = weight.has_pattern or _pattern_of(value["granularities"]) is None
    is_read = not operators or bool(weight.operators & operators)
    return (
        lies_right
        and is_read
        and weight.share >= value["from"] - ROUNDING
        and (weight.is_pointwise or not value.get("pointwise"))
    )


def _pattern_of(granularities: Sequence[str]) -> Pattern | None:
    """Return the N:M pattern among the granularities that save time, unless zeros may also lie anywhere."""
    found = [re.fullmatch(r"(\d+):(\d+)", each) for each in granularities]
    if not found or None in found or found[0] is None:
        return None
    return Pattern(int(found[0][1]), int(found[0][2]), 1, 1, 1, ())


def _weights(subject: Subject, wanted: Pattern | None) -> Iterator[Zeros]:
    for key, uses in subject.weights.items():
        if key in subject.zeros:
            yield _looked_at(subject, key, uses, wanted)


def _looked_at(subject: Subject, key: ConstantKey, uses: list[Multiplied], wanted: Pattern | None) -> Zeros:
    dims, use = tuple(subject.plain.constants[key].dims), uses[0]
    channels, outs = dims[use.inputs or 0], 1 if use.outs is None else dims[use.outs]
    operators, share = frozenset(each.operator for each in uses), subject.zeros[key]
    is_pointwise = channels * outs == math.prod(dims)
    has = wanted is not None and len({each.inputs for each in uses}) == 1 and _has(subject, key, use, wanted, share)
    return Zeros(f"{key[0]}{key[1]}", operators, channels, outs, share, is_pointwise, has)


def _has(subject: Subject, key: ConstantKey, use: Multiplied, wanted: Pattern, share: float) -> bool:
    """Whether every `m` consecutive input channels have at most `n` numbers that are not zero, and not all are zero."""
    if not 1 - wanted.n / wanted.m <= share < 1:
        return False
    is_zero = subject.plain.array(subject.plain.constants[key]) == np.asarray(use.zero)
    apart = np.moveaxis(is_zero, use.inputs or 0, -1)
    if apart.shape[-1] % wanted.m:
        return False
    groups = apart.reshape(*apart.shape[:-1], -1, wanted.m)
    return bool((groups.sum(-1) >= wanted.m - wanted.n).all())
