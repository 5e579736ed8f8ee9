"""What a profile says: where the time goes, what each dim has to do with it, and what widths would save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onnxprune.axes import Dim
from onnxprune.cost import Cost
from onnxprune.latency.fit import misfit
from onnxprune.latency.nodes import Node
from onnxprune.latency.table import Table
from onnxprune.machine import Machine
from onnxprune.measure import Counts, Measure
from onnxprune.select.widths import admissible, steps, width_of_this_machine
from onnxprune.tracing import Trace

SHARES = (1.0, 0.75, 0.5, 0.25)


@dataclass(frozen=True)
class DimProfile:
    """What the width of one dim, all others whole, means for the latency in milliseconds: [n] widths, narrowest first.

    `step` is the step in which it shrinks so that its axes stay multiples of what the kernels take at a time.
    """

    name: str
    size: int
    step: int
    widths: list[int]
    latency_ms: list[float]

    @property
    def saves_ms(self) -> float:
        """What half of its units take less."""
        return self.latency_ms[-1] - float(np.interp(self.size / 2, self.widths, self.latency_ms))


@dataclass(frozen=True)
class Level:
    """All dims at the same share of their units, in round widths: latency and MACs as shares of the dense model's."""

    share: float
    latency: float
    macs: float


@dataclass(frozen=True)
class Profile:
    """What one model takes on one machine. `error` is how far the prices are from the measured points, as a share."""

    machine: Machine
    threads: int
    shapes: Mapping[str, Sequence[int]]
    width: int
    latency_ms: float
    error: float
    operators: Mapping[str, float]
    levels: Sequence[Level]
    dims: Sequence[DimProfile]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def summary(
    trace: Trace, cost: Cost, table: Table, nodes: Sequence[Node], shapes: Mapping[str, Sequence[int]]
) -> Profile:
    """Return what the table says of a model; the latency is that in `cost`."""
    latency = cost.measures["latency"]
    width = width_of_this_machine()
    rule = steps(trace, width)
    dims = [_dim(trace, dim, rule[dim], latency) for dim in trace.dims]
    return Profile(
        table.machine,
        table.threads,
        shapes,
        width,
        latency.dense,
        error=misfit(table, nodes, width),
        operators=_by_operator(table, nodes),
        levels=[_level(trace, cost, rule, share) for share in SHARES],
        dims=sorted(dims, key=lambda dim: -dim.saves_ms),
    )


def _dim(trace: Trace, dim: Dim, step: int, latency: Measure) -> DimProfile:
    widths = admissible(dim, step, trace.axes.minimum(dim))
    curve = latency.curve(dim, widths, {})
    times = curve - curve[-1] + latency.dense
    return DimProfile(trace.names[dim], dim.size, step, widths.tolist(), [round(float(time), 4) for time in times])


def _level(trace: Trace, cost: Cost, rule: Mapping[Dim, int], share: float) -> Level:
    counts: Counts = {dim: _nearest(trace, dim, rule[dim], share) for dim in trace.dims}
    latency, macs = (cost.measures[name] for name in ("latency", "macs"))
    return Level(share, latency.at(counts) / latency.dense, macs.at(counts) / macs.dense if macs.dense else 1.0)


def _nearest(trace: Trace, dim: Dim, step: int, share: float) -> int:
    widths = admissible(dim, step, trace.axes.minimum(dim))
    return int(widths[np.abs(widths - share * dim.size).argmin()])


def _by_operator(table: Table, nodes: Sequence[Node]) -> dict[str, float]:
    """Return the milliseconds of each operator in the dense model, the most first."""
    times: dict[str, float] = {}
    for node in nodes:
        dense = [dim.size for dim in node.dims]
        measured = [time for widths, time in table.rows[node.signature].points if widths == dense]
        time = float(np.mean(measured)) / 1e3 if measured else 0.0
        times[node.operator] = times.get(node.operator, 0.0) + time
    return {operator: round(time, 4) for operator, time in sorted(times.items(), key=lambda item: -item[1]) if time}
