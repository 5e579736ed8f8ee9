"""How sensitivity looks in a terminal: a heat map of dims and amounts, the most sensitive first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxprune.sensitivity import Curve, Sensitivity, most_sensitive_first

HEAT = ("#a6d96a", "#d9ef8b", "#fee08b", "#fdae61", "#f46d43", "#d73027")
"""Backgrounds from no drop at all to the largest of the table."""
BARS = "▁▂▃▄▅▆▇█"


def show_sensitivity(found: Sensitivity, written: Sequence[Path], console: Console) -> None:
    """Print what was measured, a table of dims and one of blocks, what to read from each, and which files have it."""
    for kind, curves in (("dim", found.dims), ("block", found.blocks)):
        if curves:
            ranked = most_sensitive_first(curves)
            console.print(f"drop in %, by the % of units that are gone from one {kind}:")
            console.print(_table(kind, ranked))
            console.print(Text(_reading(ranked)))
    if not (found.dims or found.blocks):
        console.print("nothing to measure: no dim can lose units (see `onnxprune inspect`)")
    alone = [curve for curve in found.blocks if curve.members == (curve.name,)]
    if alone:
        console.print(Text(f"{len(alone)} dims whose names speak of no block are blocks by themselves", style="dim"))
    console.print(Text(_footnote(found), style="dim"))
    for path in written:
        console.print(Text.assemble("written to ", (str(path), "bold")))


def percent(drop: float) -> str:
    """Return a drop in percent, in at most four characters up to 999 %; what rounds to nothing is 0."""
    if math.isinf(drop):
        return "inf"
    share = 100 * drop
    if abs(share) < 0.05:
        return "0"
    return f"{share:.1f}" if abs(share) < 9.95 else f"{share:.0f}"


def _table(kind: str, curves: Sequence[Curve]) -> Table:
    """Return the heat map: the drop in percent, by the percentage of units that are gone."""
    amounts = sorted({point.amount for curve in curves for point in curve.points})
    largest = _largest(curves)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(kind, overflow="fold")
    table.add_column("units", justify="right")
    for amount in amounts:
        table.add_column(f"{100 * amount:g}", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for curve in curves:
        drops = {point.amount: point.drop for point in curve.points}
        cells = [_cell(drops[amount], largest) if amount in drops else Text() for amount in amounts]
        table.add_row(curve.name, str(curve.size), *cells, _line(curve, largest))
    return table


def _largest(curves: Sequence[Curve]) -> float:
    """Return the largest finite drop; 1 where there is none."""
    drops = [point.drop for curve in curves for point in curve.points if math.isfinite(point.drop)]
    return max([drop for drop in drops if drop > 0], default=1.0)


def _cell(drop: float, largest: float) -> Text:
    return Text(percent(drop), style=f"black on {HEAT[_step(drop, largest, len(HEAT))]}")


def _line(curve: Curve, largest: float) -> Text:
    """Return the curve as a row of bars."""
    return Text("".join(BARS[_step(point.drop, largest, len(BARS))] for point in curve.points))


def _step(drop: float, largest: float, steps: int) -> int:
    """Return which of so many steps to the largest drop a drop is on: by its root, so that small ones differ too."""
    return steps - 1 if math.isinf(drop) else min(steps - 1, int(steps * math.sqrt(max(drop, 0.0) / largest)))


def _reading(curves: Sequence[Curve]) -> str:
    """Return what the table says, in one line: what is hurt most and what least."""
    first, last = curves[0], curves[-1]
    if first is last:
        return f"only '{first.name}' was measured: {_at_half(first)}"
    return f"'{first.name}' matters most ({_at_half(first)}), '{last.name}' least ({_at_half(last)})"


def _at_half(curve: Curve) -> str:
    point = min(curve.points, key=lambda point: abs(point.amount - 0.5))
    return f"drop {percent(point.drop)}% with {point.kept} of {curve.size} units"


def _footnote(found: Sensitivity) -> str:
    metrics = ", ".join(f"{metric} of '{output}'" for output, metric in found.metrics.items())
    samples = found.request["samples"]
    return f"by {metrics} on {samples['count']} samples ({samples['source']}); nothing was repaired"
