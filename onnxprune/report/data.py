"""The facts of a run, collected once; every way of showing them starts here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from onnxprune.attempt import Attempt
from onnxprune.axes import Dim, Mask, free_dims, reasons, size
from onnxprune.calibrate import Calibration
from onnxprune.cost import Cost
from onnxprune.fixed_mathematics import fixed_mathematics
from onnxprune.max_drop import Step
from onnxprune.options import Options
from onnxprune.parameters import parameter_uses
from onnxprune.plan import member_names
from onnxprune.rules.contraction import SPATIAL
from onnxprune.select import Selection
from onnxprune.tracing import Trace, display_name
from onnxprune.verify import Verification


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


@dataclass
class Report:
    """Everything that is known after a run."""

    params: Before
    macs: Before
    amount: dict[str, Any]
    dims: list[DimReport]
    not_pruned: list[dict[str, str]]
    verified: dict[str, Any] | None = None
    recovery: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    output: str | None = None
    bytes: Before | None = None
    warnings: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Inspection:
    """What can be pruned in a model, and why the rest cannot."""

    params: int
    macs: int
    prunable_params: float
    prunable_macs: float
    dims: list[dict[str, Any]]
    not_prunable: list[dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Facts:
    """What a report is made of: everything that a run found, chose, made and measured."""

    trace: Trace
    cost: Cost
    selection: Selection
    options: Options
    made: Attempt
    samples: Calibration | None
    judged: Calibration | None
    curve: tuple[Step, ...]
    seconds: Mapping[str, float]


def report_of(facts: Facts) -> Report:
    """Collect the facts of a finished run."""
    trace, cost, selection, options = facts.trace, facts.cost, facts.selection, facts.options
    check = facts.made.verification
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    report = Report(
        params=Before(cost.params({}), cost.params(counts) + _added_params(facts)),
        macs=Before(cost.macs({}), cost.macs(counts)),
        amount={"requested": options.amount, "reached": selection.reached, "budget": options.budget},
        dims=[
            DimReport(trace.names[dim], dim.size, counts.get(dim, dim.size), member_names(trace, dim))
            for dim in trace.dims
        ],
        not_pruned=list(_not_pruned(trace, selection.masks, selection.protected)),
        verified=check.as_dict() if check is not None else None,
        recovery=_recovery(facts),
        drift=_drift(facts),
        curve=[asdict(step) for step in facts.curve],
        seconds={name: round(seconds, 3) for name, seconds in facts.seconds.items()},
        options=options.as_dict(),
    )
    report.warnings.extend(_warnings(report, check))
    report.warnings.extend(_about_repair(facts))
    if cost.uncounted:
        report.warnings.append(
            f"the MACs of {cost.uncounted} nodes depend on sizes that only the running model knows; those count as 1"
        )
    report.warnings.extend(_approximations(trace, selection.masks))
    return report


def _added_params(facts: Facts) -> int:
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


def _about_repair(facts: Facts) -> Iterator[str]:
    """Yield what somebody who trusts the accuracy has to know."""
    if facts.made.repair is not None and facts.samples is not None and not facts.samples.real:
        yield (
            "no real data protected the accuracy: the weights were repaired on made-up samples; a folder of some 500 "
            "unlabelled ones (--calibration FOLDER) keeps more of it and shows how much"
        )


def _approximations(trace: Trace, masks: Mapping[Dim, Mask]) -> Iterator[str]:
    """Yield what is not exactly the masked dense model: norms that take their statistics over fewer units."""
    shrunk = [
        norm for norm in trace.record.norms if not norm.is_rms and any(dim in masks for dim in free_dims(norm.axis))
    ]
    if shrunk:
        yield f"approximate (--allow-norm): {len(shrunk)} LayerNormalizations take their statistics over the kept units"


def _warnings(report: Report, check: Verification | None) -> Iterator[str]:
    if check is None:
        yield "not verified (--no-verify): nothing shows that the pruned model computes the right thing"
    elif check.verdict == "vacuous":
        unseen = ", ".join(f"'{name}'" for name in check.unseen)
        yield f"the verification is vacuous on these inputs: damage to {unseen} would not have been seen"
    if check is not None and check.not_compared:
        names = ", ".join(f"'{name}'" for name in check.not_compared)
        yield f"not compared: {names}; rounding tips the choices behind them in the dense model itself"
    requested, reached = report.amount["requested"], report.amount["reached"]
    if reached < requested - 0.01:
        yield f"{reached:.1%} of the {report.amount['budget']} was removed, not the {requested:.1%} asked for"


def _not_pruned(trace: Trace, masks: Mapping[Dim, Mask], protected: Mapping[Dim, str]) -> Iterator[dict[str, str]]:
    for dim in trace.dims:
        if dim not in masks:
            reason = protected.get(dim, "its units matter more than those that the budget removed")
            yield {"name": trace.names[dim], "reason": reason}
    for name, reason in _frozen(trace):
        yield {"name": name, "reason": reason}


def _frozen(trace: Trace) -> Iterator[tuple[str, str]]:
    """Yield every parameter axis that cannot shrink at all, with the reason; kernel positions are not listed."""
    seen: set[str] = set()
    for use in parameter_uses(trace):
        for axis, expr in enumerate(use.axes):
            name = f"{display_name(use.constant)}[{axis}]"
            if name in seen or size(expr) == 1 or free_dims(expr):
                continue
            seen.add(name)
            reason = "; ".join(reasons(expr)) or "each part is a single position"
            if not reason.endswith(SPATIAL):
                yield name, reason


def inspect_trace(trace: Trace, cost: Cost) -> Inspection:
    """Tell what can be pruned: every dim with what hangs on one of its units, and every reason why not, counted."""
    protected = fixed_mathematics(trace)
    floor = {dim: trace.axes.minimum(dim) for dim in trace.dims if dim not in protected}
    params, macs = cost.params({}), cost.macs({})
    dims = []
    for dim in trace.dims:
        # From the second unit removed to the third: the first may cost a copy of a shared constant.
        one, two = {dim: dim.size - 1}, {dim: dim.size - 2}
        dims.append(
            {
                "name": trace.names[dim],
                "size": dim.size,
                "params_per_unit": cost.params(one) - cost.params(two),
                "macs_per_unit": cost.macs(one) - cost.macs(two),
                "members": member_names(trace, dim),
                "protected": protected.get(dim),
            }
        )
    return Inspection(
        params,
        macs,
        1 - cost.params(floor) / params if params else 0.0,
        1 - cost.macs(floor) / macs if macs else 0.0,
        dims,
        _grouped(trace),
    )


def _grouped(trace: Trace) -> list[dict[str, Any]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in _frozen(trace):
        node, _, why = reason.rpartition(": ")
        groups.setdefault(why, []).append((name, node))
    return [
        {"reason": why, "count": len(found), "first": found[0][0], "node": found[0][1], "names": [n for n, _ in found]}
        for why, found in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]
