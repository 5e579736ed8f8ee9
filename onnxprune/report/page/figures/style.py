"""How pictures look: a canvas measured in pixels, and colours that stand for those of the page."""

from __future__ import annotations

from typing import Any

INK, MUTED, LINE = "#a0b001", "#a0b002", "#a0b003"
KEPT, GONE, WARN = "#a0b004", "#a0b005", "#a0b006"
SERIES = ("#a0b011", "#a0b012", "#a0b013", "#a0b014", "#a0b015", "#a0b016")
"""Colours that nothing else has: each is replaced by a variable of the style sheet."""

VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    KEPT: "var(--kept)",
    GONE: "var(--gone)",
    WARN: "var(--warn)",
    **{color: f"var(--series-{place})" for place, color in enumerate(SERIES, 1)},
}

SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "onnxprune",
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "text.color": MUTED,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 11,
    "axes.edgecolor": LINE,
    "axes.linewidth": 1,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "xtick.major.pad": 5,
    "ytick.major.pad": 5,
    "path.simplify": False,
}
"""What differs from matplotlib's own defaults. Ticks have no marks: SVG repeats those one by one."""


def panel(figure: Any, left: float, top: float, right: float, bottom: float) -> Any:
    """Return axes that leave so many pixels free at each side, with a grid to read values by."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y")
    return axes
