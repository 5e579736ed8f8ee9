"""Drawing once for a wide screen and once for a phone: text that is scaled down cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import StringIO
from typing import Any, TypeAlias

from markupsafe import Markup
from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure

from onnxprune.report.page.figures.style import SETTINGS
from onnxprune.report.page.figures.svg import inline

WIDE, NARROW = 860, 350
"""Pixels; the page shows the one that fits."""

Draw: TypeAlias = "Callable[[Any], Mapping[str, str] | None]"
"""Draws on a figure, and may return what to say of groups that it gave an id, when a mouse rests on them."""


@dataclass(frozen=True)
class Drawn:
    """A picture for wide screens, and the same for narrow ones."""

    wide: Markup
    narrow: Markup


def drawn(name: str, label: str, height: int, draw: Draw) -> Drawn:
    """Return a picture in both widths. `name` makes its ids its own; `label` is for those who cannot see it."""
    wide, narrow = (one(f"{name}-{width}", label, width, height, draw) for width in (WIDE, NARROW))
    return Drawn(wide, narrow)


def one(name: str, label: str, width: int, height: int, draw: Draw) -> Markup:
    """Return a picture of so many pixels."""
    with rc_context():
        rcdefaults()  # whatever a user's matplotlibrc says
        rcParams.update(SETTINGS)
        figure = Figure(figsize=(width / 72, height / 72))
        tips = draw(figure) or {}
        stream = StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return Markup(inline(stream.getvalue(), name, label, tips))
