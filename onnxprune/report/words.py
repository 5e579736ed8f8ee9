"""How numbers are written: counts, shares, scores."""

from __future__ import annotations

from onnxprune.metrics import find

UNITS = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def amount(value: float) -> str:
    """Return a count with three significant digits and a unit: 11.7M."""
    for unit, scale in UNITS:
        if abs(value) >= 0.9995 * scale:  # three digits of anything closer are the next unit
            return f"{value / scale:.3g}{unit}"
    return f"{value:g}"


def kept(after: float, before: float) -> str:
    """Return what is left, in percent."""
    return f"{after / before:.1%}" if before else "-"


def scores(metric: str, *values: float | None) -> list[str]:
    """Return those values that are known; shares in percent, and distances as they are."""
    is_share = find(metric).higher_is_better and metric != "cosine"
    return [f"{value:.2%}" if is_share else f"{value:.4g}" for value in values if value is not None]
