"""The facts of a run, collected once; every way of showing them starts here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from onnxprune.attempt import Attempt
from onnxprune.calibrate import Calibration
from onnxprune.cost import Cost
from onnxprune.limits import is_met
from onnxprune.max_drop import Step
from onnxprune.options import Options
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Before:
    """A quantity before and after pruning."""

    before: int
    after: int


@dataclass(frozen=True)
class DimReport:
    """How one dim fared."""

    name: str
    size: int
    kept: int
    members: list[str]


@dataclass(frozen=True)
class LayerReport:
    """A node with parameters or multiply-accumulates. A constant that several nodes read counts for the first."""

    name: str
    operator: str
    params: Before
    macs: Before


@dataclass(frozen=True)
class SaliencyReport:
    """The scores of one dim: how many units that are kept, and removed, lie between two `edges`.

    There is one edge more than counts. Scores span many powers of ten: edges are equally far apart as logarithms, and
    units without any worth lie in the first place. `threshold` is the highest score that was removed.
    """

    name: str
    edges: list[float]
    kept: list[int]
    removed: list[int]
    threshold: float | None


@dataclass
class Report:
    """Everything that is known after a run."""

    params: Before
    macs: Before
    amount: dict[str, Any]
    limits: list[dict[str, Any]] = field(default_factory=list)
    width: int | None = None
    latency: dict[str, Any] | None = None
    dims: list[DimReport] = field(default_factory=list)
    layers: list[LayerReport] = field(default_factory=list)
    saliency: list[SaliencyReport] = field(default_factory=list)
    sparsity: dict[str, Any] | None = None
    protected: list[dict[str, str]] = field(default_factory=list)
    not_pruned: list[dict[str, str]] = field(default_factory=list)
    verified: dict[str, Any] | None = None
    recovery: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    output: str | None = None
    bytes: Before | None = None
    compressed: Before | None = None
    storage: dict[str, Any] | None = None
    simplified: dict[str, Any] | None = None
    target: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What a report is made of: everything that a run found, chose, made and measured."""

    trace: Trace
    cost: Cost
    options: Options
    made: Attempt
    samples: Calibration | None
    judged: Calibration | None
    curve: tuple[Step, ...]
    seconds: Mapping[str, float]


def common(facts: Facts, params: Before, macs: Before, amount: dict[str, Any]) -> Report:
    """Return what is reported whatever was removed."""
    check = facts.made.verification
    return Report(
        params=params,
        macs=macs,
        amount=amount,
        verified=check.as_dict() if check is not None else None,
        recovery=_recovery(facts),
        drift=_drift(facts),
        curve=[asdict(step) for step in facts.curve],
        seconds=dict(facts.seconds),
        options=facts.options.as_dict(),
    )


def warnings_of(facts: Facts, report: Report) -> Iterator[str]:
    """Yield what somebody has to know whatever was removed."""
    if facts.made.verification is None:
        yield "not verified (--no-verify): nothing shows that the pruned model computes the right thing"
    requested, reached = report.amount["requested"], report.amount["reached"]
    if not is_met(requested, reached):
        yield f"{reached:.1%} of the {report.amount['budget']} was removed, not the {requested:.1%} asked for"
    is_repaired = facts.made.repair is not None and bool(facts.made.repair.layers)
    if is_repaired and facts.samples is not None and not facts.samples.real:
        yield (
            "no real data protected the accuracy: the weights were repaired on made-up samples; a folder of some 500 "
            "unlabelled ones (--calibration FOLDER) keeps more of it and shows how much"
        )
    if facts.cost.uncounted:
        yield (
            f"the MACs of {facts.cost.uncounted} nodes depend on sizes that only the running model knows; those count "
            "as 1"
        )


def added_params(facts: Facts) -> int:
    """Return the elements of the biases that repair added."""
    if facts.made.repair is None:
        return 0
    stored = {tensor.name: tensor for tensor in facts.made.pruned.proto.graph.initializer}
    return sum(math.prod(stored[name].dims) for name in facts.made.repair.added)


def _recovery(facts: Facts) -> dict[str, Any] | None:
    repaired, samples = facts.made.repair, facts.samples
    if repaired is None or samples is None:
        return None
    return {
        "method": repaired.method,
        "samples": samples.samples,
        "source": samples.source,
        "real_data": samples.real,
        "layers": [asdict(layer) for layer in repaired.layers],
        "left": [{"name": name, "reason": reason} for name, reason in repaired.left.items()],
    }


def _drift(facts: Facts) -> dict[str, Any] | None:
    """Return how far each output is from the dense model's; `held_back` unless a single batch had to do for all."""
    judgement, judged = facts.made.judgement, facts.judged
    if judgement is None or judged is None:
        return None
    scores = {name: {"metric": judgement.metrics[name], **asdict(score)} for name, score in judgement.scores.items()}
    held_back = judged is not facts.samples
    return {"samples": judged.samples, "real_data": judged.real, "held_back": held_back, "outputs": scores}
