"""Curves: what outputs lose, over what was removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnxprune.report.page.figures.drawn import Drawn, drawn
from onnxprune.report.page.figures.style import GONE, INK, KEPT, LINE, MUTED, SERIES, WARN, panel


def max_drop_figure(curve: Sequence[Mapping[str, Any]], allowed: float | None, metric: str) -> Drawn:
    """Return the amounts that were tried, with the drop of each and the largest that is allowed."""
    label = f"drop of {metric} over the amount removed, {len(curve)} tried"
    return drawn("curve", label, 230, lambda figure: _draw_max_drop(figure, curve, allowed, metric))


def _draw_max_drop(figure: Any, curve: Sequence[Mapping[str, Any]], allowed: float | None, metric: str) -> None:
    axes = panel(figure, 46, 22, 10, 40)
    known = sorted((step["amount"], step["drop"]) for step in curve if step["drop"] is not None)
    axes.plot([100 * amount for amount, _ in known], [100 * drop for _, drop in known], color=LINE, linewidth=1.5)
    for step in curve:
        color = KEPT if step["within"] else WARN
        if step["drop"] is not None:
            axes.plot([100 * step["amount"]], [100 * step["drop"]], "o", color=color, markersize=7, clip_on=False)
        else:
            axes.axvline(100 * step["amount"], color=color, linewidth=1, dashes=(1, 2))
    if allowed is not None:
        axes.axhline(100 * allowed, color=INK, linewidth=1, dashes=(4, 3))
        across = axes.get_yaxis_transform()
        axes.text(0, 100 * allowed, "allowed", transform=across, va="bottom", color=INK, fontsize=10)
    _frame(axes, f"drop of {metric}, %", "removed, %")


def sensitivity_figure(curves: Sequence[Mapping[str, Any]], metric: str) -> Drawn:
    """Return the drop over the share of units that are gone, the most sensitive (those that come first) in colour."""
    label = f"drop of {metric} over the units gone from each of {len(curves)} dims"
    return drawn("sensitivity", label, 300, lambda figure: _draw_sensitivity(figure, curves, metric))


def _draw_sensitivity(figure: Any, curves: Sequence[Mapping[str, Any]], metric: str) -> None:
    axes = panel(figure, 46, 22, 10, 40)
    for place, curve in reversed(list(enumerate(curves))):
        points = [(0.0, 0.0), *((p["amount"], p["drop"]) for p in curve["points"] if p["drop"] is not None)]
        gone, drops = ([100 * value for value in values] for values in zip(*points, strict=True))
        is_named = place < len(SERIES)
        axes.plot(gone, drops, color=SERIES[place] if is_named else GONE, linewidth=1.8 if is_named else 0.9)
    axes.set_xlim(0, 100)
    _frame(axes, f"drop of {metric}, %", "units gone, %")


def repair_figure(layers: Sequence[Mapping[str, Any]]) -> Drawn:
    """Return what each layer missed of its dense output before and after the repair."""
    label = f"variance of the dense outputs that {len(layers)} layers miss, before and after the repair"
    return drawn("repair", label, 210, lambda figure: _draw_repair(figure, layers))


def _draw_repair(figure: Any, layers: Sequence[Mapping[str, Any]]) -> None:
    axes = panel(figure, 46, 22, 10, 40)
    places = list(range(1, len(layers) + 1))
    before, after = ([100 * layer[when] for layer in layers] for when in ("before", "after"))
    axes.vlines(places, after, before, color=GONE, linewidth=max(min(240 / len(layers), 6), 1))
    size = max(min(260 / len(layers), 6), 2.5)
    axes.plot(places, before, "o", color=MUTED, markersize=size * 0.7)
    axes.plot(places, after, "o", color=KEPT, markersize=size)
    axes.set_xlim(0.4, len(layers) + 0.6)
    axes.set_ylim(0, max([*before, *after, 1e-9]) * 1.08)
    axes.xaxis.get_major_locator().set_params(integer=True)
    _frame(axes, "missed of the dense output's variance, %", "repaired layer, in the order of the repair")


def _frame(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, pad=6)
    axes.set_xlabel(below)
    axes.yaxis.get_major_locator().set_params(nbins=5)
