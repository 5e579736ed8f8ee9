"""How wide the dims are before and after, and which widths are no multiple of what the target takes at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onnxprune.report.page.figures.drawn import NARROW, Drawn, drawn
from onnxprune.report.page.figures.style import GONE, KEPT, WARN, panel
from onnxprune.report.page.groups import is_off

SEPARATE = 14
"""Up to so many widths have a bar each; more are counted in ranges."""

RANGES = 12


def widths_figure(dims: Sequence[Mapping[str, Any]], multiple: int) -> Drawn:
    """Return the histogram: dims by their width, before and after."""
    label = f"how many of {len(dims)} dims have which width, before and after"
    return drawn("widths", label, 210, lambda figure: _draw(figure, dims, multiple))


def _draw(figure: Any, dims: Sequence[Mapping[str, Any]], multiple: int) -> None:
    axes = panel(figure, 34, 8, 6, 40)
    names, places = _ranges({dim["size"] for dim in dims} | {dim["kept"] for dim in dims}, multiple)
    before, even, odd = ([0] * len(names) for _ in range(3))
    for dim in dims:
        before[places[dim["size"]]] += 1
        (odd if is_off(dim, multiple) else even)[places[dim["kept"]]] += 1
    spots = range(len(names))
    thick = 0.38 * min(1, len(names) / 10)
    axes.bar([spot - thick / 1.9 for spot in spots], before, width=thick, color=GONE, linewidth=0)
    axes.bar([spot + thick / 1.9 for spot in spots], even, width=thick, color=KEPT, linewidth=0)
    axes.bar([spot + thick / 1.9 for spot in spots], odd, width=thick, bottom=even, color=WARN, linewidth=0)
    is_narrow = 72 * figure.get_size_inches()[0] <= NARROW
    turned = {"rotation": 60, "fontsize": 9} if is_narrow and len(names) > 9 else {}
    axes.set_xticks(list(spots), names, **turned)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes.set_xlabel("" if turned else "width in units")


def _ranges(widths: set[int], multiple: int) -> tuple[list[str], dict[int, int]]:
    """Return the names of the bars, and the place of each width among them."""
    ordered = sorted(widths)
    if len(ordered) <= SEPARATE:
        return [str(width) for width in ordered], {width: place for place, width in enumerate(ordered)}
    step = max(multiple * -(-ordered[-1] // (RANGES * multiple)), 1)
    starts = sorted({(width - 1) // step for width in ordered})
    names = [f"{start * step + 1}-{(start + 1) * step}" for start in starts]
    return names, {width: starts.index((width - 1) // step) for width in ordered}
