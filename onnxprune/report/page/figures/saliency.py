"""The scores of one dim: how many units of each worth stay and go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from onnxprune.report.page.figures.drawn import one
from onnxprune.report.page.figures.style import GONE, INK, KEPT, panel

WIDTH, HEIGHT = 190, 84


def saliency_figure(entry: Mapping[str, Any], place: int) -> Markup:
    """Return the distribution, small, with a line at the highest score that was removed."""
    label = f"scores of the {sum(entry['kept'])} kept and {sum(entry['removed'])} removed units of {entry['name']}"
    return one(f"saliency-{place}", label, WIDTH, HEIGHT, lambda figure: _draw(figure, entry))


def _draw(figure: Any, entry: Mapping[str, Any]) -> None:
    axes = panel(figure, 2, 4, 2, 16)
    edges, kept, removed = entry["edges"], entry["kept"], entry["removed"]
    total = [stays + goes for stays, goes in zip(kept, removed, strict=True)]
    axes.stairs(total, edges, fill=True, color=GONE, linewidth=0)
    axes.stairs(kept, edges, fill=True, color=KEPT, linewidth=0)
    if entry["threshold"] is not None:
        axes.axvline(max(entry["threshold"], edges[0]), color=INK, linewidth=1, dashes=(3, 2))
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max([*total, 1]) * 1.05)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_xticks([], minor=True)
    axes.set_xticks([edges[0], edges[-1]], [f"{edges[0]:.1g}", f"{edges[-1]:.1g}"], fontsize=10)
    for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
        label.set_horizontalalignment(side)
