"""What can be pruned in a model, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from onnxprune.axes import free_dims, reasons, size
from onnxprune.cost import Cost
from onnxprune.fixed_mathematics import fixed_mathematics
from onnxprune.parameters import parameter_uses
from onnxprune.plan import member_names
from onnxprune.rules.contraction import SPATIAL
from onnxprune.tracing import Trace, display_name


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
    for name, reason in frozen_axes(trace):
        node, _, why = reason.rpartition(": ")
        groups.setdefault(why, []).append((name, node))
    return [
        {"reason": why, "count": len(found), "first": found[0][0], "node": found[0][1], "names": [n for n, _ in found]}
        for why, found in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def frozen_axes(trace: Trace) -> Iterator[tuple[str, str]]:
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
