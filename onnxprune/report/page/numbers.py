"""How figures are written on a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from onnxprune.errors import UsageError
from onnxprune.report.words import scores

MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
PREFIXES = ("", "k", "M", "G", "T", "P")


def count(value: float, unit: str = "") -> str:
    """Return a number with three significant digits and what it is in: 11.7M, or 2.82 MB with a unit."""
    size, place = abs(value), 0
    while size >= 999.5 and place < len(PREFIXES) - 1:
        size, place = size / 1000, place + 1
    number = f"{size:#.3g}".rstrip(".") if place else f"{size:.3g}"
    sign = MINUS if value < 0 else ""
    return f"{sign}{number} {PREFIXES[place]}{unit}" if unit else f"{sign}{number}{PREFIXES[place]}"


def quantity(value: float, kind: str) -> str:
    """Return a count, a number of bytes, or milliseconds."""
    if kind == "ms":
        return f"{value:.3g} ms"
    return count(value, "B" if kind == "bytes" else "")


def exact(value: float) -> str:
    """Return all digits, in groups of three."""
    return f"{value:,}"


def share(value: float | None) -> str:
    """Return a share in percent, with one digit after the point and more where it is tiny."""
    if value is None:
        return "not finite"
    return f"{value:.1%}" if value == 0 or abs(value) >= 0.001 else f"{100 * value:.2g}%"


def change(value: float | None) -> str:
    """Return what became of a quantity of which that share is left: a fall has a minus."""
    if value is None:
        return "-"
    if value == 1:
        return "same"
    return f"{MINUS if value < 1 else '+'}{share(abs(1 - value))}"


def small(value: float | None) -> str:
    """Return a number that may be tiny: 1.3e-06."""
    if value is None:
        return "not finite"
    return f"{value:.1e}" if 0 < abs(value) < 1e-3 or abs(value) >= 1e4 else f"{value:.4g}"


def points(value: float | None) -> str:
    """Return a drop in percent, in few characters."""
    if value is None:
        return "inf"
    return f"{100 * value:.1f}" if abs(value) < 0.0995 else f"{100 * value:.0f}"


def score(value: float | None, metric: str) -> str:
    """Return the value of a metric: a share in percent, a distance as it is."""
    if value is None:
        return "not finite"
    try:
        return scores(metric, value)[0]
    except UsageError:
        return small(value)


def seconds(value: float) -> str:
    """Return a duration."""
    if value >= 99.95:
        return f"{value:.0f} s"
    return f"{value:.1f} s" if value >= 0.9995 else f"{1000 * value:.0f} ms"


def shape(lengths: Sequence[int]) -> str:
    """Return the lengths of a tensor: 32x3x3x3 with the proper sign."""
    return TIMES.join(map(str, lengths)) or "scalar"


def percent(value: float) -> str:
    """Return a share for a style sheet."""
    return f"{100 * min(max(value, 0), 1):.2f}%"


FILTERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (count, quantity, exact, share, change, small, points, score, seconds, shape, percent)
}
