"""What every layer keeps and loses, in the order of the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnxprune.report.page.figures.drawn import Drawn, drawn
from onnxprune.report.page.figures.style import GONE, KEPT, panel
from onnxprune.report.page.numbers import count
from onnxprune.report.words import amount

HEIGHT = 330
SEPARATE = 160
"""Up to so many layers have bars of their own, which say what they are; more are drawn as one outline."""

PANELS = (("params", "parameters", 22, 192), ("macs", "MACs", 172, 42))
"""Key, title, and the pixels above and below."""


def layers_figure(layers: Sequence[Mapping[str, Any]]) -> Drawn:
    """Return bars of the parameters and of the MACs: what is kept, and what was removed on top of it."""
    label = f"parameters and multiply-accumulates that each of {len(layers)} layers keeps and loses"
    return drawn("layers", label, HEIGHT, lambda figure: _draw(figure, layers))


def _draw(figure: Any, layers: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    tips: dict[str, str] = {}
    for key, title, top, bottom in PANELS:
        axes = panel(figure, 46, top, 6, bottom)
        before, after = ([layer[key][when] for layer in layers] for when in ("before", "after"))
        if len(layers) <= SEPARATE:
            tips |= _bars(axes, key, layers, before, after)
        else:
            edges = [place + 0.5 for place in range(len(layers) + 1)]
            axes.stairs(before, edges, fill=True, color=GONE, linewidth=0)
            axes.stairs([min(pair) for pair in zip(before, after, strict=True)], edges, fill=True, color=KEPT, lw=0)
        axes.set_xlim(0.5, len(layers) + 0.5)
        axes.set_title(title, loc="left", fontsize=11, pad=6)
        axes.yaxis.set_major_locator(_locator(axes))
        axes.yaxis.set_major_formatter(lambda value, _: amount(value))
        if key == "params":
            axes.set_xticklabels([])
    axes.set_xlabel("layer, in the order of the graph")
    return tips


def _locator(axes: Any) -> Any:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    return MaxNLocator(3, steps=[1, 2, 5, 10])


def _bars(
    axes: Any, key: str, layers: Sequence[Mapping[str, Any]], before: Sequence[int], after: Sequence[int]
) -> dict[str, str]:
    places = range(1, len(layers) + 1)
    gone = [max(dense - kept, 0) for dense, kept in zip(before, after, strict=True)]
    tips = {}
    for heights, starts, color in ((after, [0] * len(after), KEPT), (gone, after, GONE)):
        bars = axes.bar(places, heights, width=0.8, bottom=starts, color=color, linewidth=0)
        for place, (layer, bar) in enumerate(zip(layers, bars, strict=True), 1):
            if not bar.get_height():
                bar.remove()
                continue
            bar.set_gid(f"{key}-{place}-{color[1:]}")
            kept = f"{count(layer[key]['after'])} of {count(layer[key]['before'])}"
            tips[bar.get_gid()] = f"{place}: {layer['name']} ({layer['operator']}) keeps {kept} {key}"
    axes.set_ylim(0, max([*before, *after, 1]) * 1.02)
    return tips
