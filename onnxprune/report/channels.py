"""The report of a run that removed whole units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from onnxprune.axes import Dim, Mask, free_dims
from onnxprune.options import AUTO, Options
from onnxprune.plan import member_names
from onnxprune.report.data import Before, DimReport, Facts, Report, added_params, common, warnings_of
from onnxprune.report.inspection import frozen_axes
from onnxprune.report.layers import layers_of
from onnxprune.select import Reached, Selection
from onnxprune.select.widths import off_width, width_for
from onnxprune.tracing import Trace
from onnxprune.verify import Verification


def report_of(facts: Facts, selection: Selection) -> Report:
    """Collect the facts of a finished run."""
    trace, cost, options = facts.trace, facts.cost, facts.options
    check = facts.made.verification
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    report = common(
        facts,
        params=Before(cost.params({}), cost.params(counts) + added_params(facts)),
        macs=Before(cost.macs({}), cost.macs(counts)),
        amount=_amount(selection.hardest),
    )
    report.limits = [_amount(limit) for limit in selection.limits]
    report.width = selection.width
    report.dims = [
        DimReport(trace.names[dim], dim.size, counts.get(dim, dim.size), member_names(trace, dim)) for dim in trace.dims
    ]
    report.layers = layers_of(trace, cost, counts)
    report.protected = [{"name": trace.names[dim], "reason": reason} for dim, reason in selection.protected.items()]
    report.not_pruned = list(_not_pruned(trace, selection.masks, selection.protected))
    if isinstance(check, Verification):
        report.warnings.extend(_about(check))
    report.warnings.extend(warnings_of(facts, report))
    report.warnings.extend(_approximations(trace, selection.masks))
    report.warnings.extend(_about_widths(trace, selection, options))
    return report


def _amount(limit: Reached) -> dict[str, Any]:
    return {"budget": limit.measure, "requested": limit.requested, "reached": limit.removed}


def _about_widths(trace: Trace, selection: Selection, options: Options) -> Iterator[str]:
    """Yield what the widths may cost in speed."""
    if selection.relaxed_from is not None:
        yield (
            f"widths are multiples of {selection.width}, not of {selection.relaxed_from} as suits {options.target}: "
            "the budget could not be met so closely otherwise; --round-to sets it"
        )
    elif options.round_to != AUTO and selection.masks:
        best = width_for(options.runtime)
        counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
        if slow := off_width(trace, counts, best):
            yield (
                f"{len(slow)} of {len(counts)} dims have widths that are no multiple of {best}, such as "
                f"'{trace.names[slow[0]]}' with {counts[slow[0]]}: kernels of {options.target} may take longer for "
                "those than for wider ones (--round-to auto)"
            )


def _approximations(trace: Trace, masks: Mapping[Dim, Mask]) -> Iterator[str]:
    """Yield what is not exactly the masked dense model: norms that take their statistics over fewer units."""
    shrunk = [
        norm for norm in trace.record.norms if not norm.is_rms and any(dim in masks for dim in free_dims(norm.axis))
    ]
    if shrunk:
        yield f"approximate (--allow-norm): {len(shrunk)} LayerNormalizations take their statistics over the kept units"


def _not_pruned(trace: Trace, masks: Mapping[Dim, Mask], protected: Mapping[Dim, str]) -> Iterator[dict[str, str]]:
    for dim in trace.dims:
        if dim not in masks:
            reason = protected.get(dim, "its units matter more than those that the budget removed")
            yield {"name": trace.names[dim], "reason": reason}
    for name, reason in frozen_axes(trace):
        yield {"name": name, "reason": reason}


def _about(check: Verification) -> Iterator[str]:
    """Yield what the verification could not see."""
    if check.verdict == "vacuous":
        unseen = ", ".join(f"'{name}'" for name in check.unseen)
        yield f"the verification is vacuous on these inputs: damage to {unseen} would not have been seen"
    if check.not_compared:
        names = ", ".join(f"'{name}'" for name in check.not_compared)
        yield f"not compared: {names}; rounding tips the choices behind them in the dense model itself"
