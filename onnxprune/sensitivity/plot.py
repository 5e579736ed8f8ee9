"""The curves as a picture. matplotlib is an extra: it is imported when a picture is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnxprune.errors import UnsupportedError, UsageError
from onnxprune.files import write_files
from onnxprune.sensitivity.result import Curve, Sensitivity, most_sensitive_first

FORMATS = (".png", ".svg")
LABELLED = 6
"""So many of the most sensitive curves have a colour and a name, the others are grey."""


def check_plot(path: Path) -> None:
    """Refuse a picture that cannot be made, before any work is done. Raises `UsageError` and `UnsupportedError`."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"--plot {path}: the name must end in {' or '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UnsupportedError("--plot needs matplotlib: pip install 'onnxprune[plot]'") from None


def save_plot(found: Sensitivity, path: Path) -> None:
    """Draw the drop over the share of units that are gone, one line for each dim (or block, where only they are known).

    A picture of that name is replaced. Raises `OutputError` and what `check_plot` raises.
    """
    check_plot(path)
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, found.dims or found.blocks)
    axes.set_xlabel("units gone, %")
    axes.set_ylabel(f"drop of {', '.join(dict.fromkeys(found.metrics.values()))}, %")
    axes.set_title(f"sensitivity of {found.model.get('file') or 'the model'}")
    kind = path.suffix.lower()[1:]
    same_every_time: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {}
    with rc_context({"svg.hashsalt": "onnxprune"}):
        write_files({path: lambda stream: figure.savefig(stream, format=kind, dpi=150, **same_every_time)}, True)


def _draw(axes: Any, curves: Sequence[Curve]) -> None:
    """Draw the least sensitive first, so that the named ones lie on top; infinite drops are left out."""
    for place, curve in reversed(list(enumerate(most_sensitive_first(curves)))):
        points = [(0.0, 0.0), *((point.amount, point.drop) for point in curve.points if math.isfinite(point.drop))]
        gone, drops = ([100 * value for value in values] for values in zip(*points, strict=True))
        style = {"label": curve.name, "color": f"C{place}"} if place < LABELLED else {"color": "0.8", "linewidth": 0.8}
        axes.plot(gone, drops, **style)
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.legend(handles[::-1], labels[::-1], title="most sensitive", fontsize="small", frameon=False)
    axes.set_xlim(0, 100)
    axes.spines[["top", "right"]].set_visible(False)
