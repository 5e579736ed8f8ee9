"""From measured points to the loss at every width: what a selection weighs dims against each other by."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.errors import DataError
from onnxprune.sensitivity.result import Curve, Point, Sensitivity
from onnxprune.tracing import Trace


def losses(found: Sensitivity, trace: Trace) -> dict[Dim, NDArray[np.float64]]:
    """Return, for each measured dim, the drop when so many of its units are gone: float64 [dim.size + 1].

    Index 0 is 0. The drop never falls (it is the running maximum of what was measured), is linear between measured
    points, and goes on from the last one as steeply as it came there. Where a point is infinite, so is all beyond the
    last finite one before it. Dims of which nothing was measured are left out.

    Raises `DataError` where a dim has another size in the model, or where only blocks were measured.
    """
    if found.blocks and not found.dims:
        raise DataError("only blocks were measured, and no dim by itself: measure again with --by dim or --by both")
    by_name = {curve.name: curve for curve in found.dims}
    curves: dict[Dim, NDArray[np.float64]] = {}
    for dim, name in trace.names.items():
        curve = by_name.get(name)
        if curve is None:
            continue
        if curve.size != dim.size:
            raise DataError(
                f"'{name}' has {dim.size} units in this model and {curve.size} where its sensitivity was measured"
            )
        if any(point.kept < curve.size for point in curve.points):
            curves[dim] = _by_units_gone(curve)
    return curves


def _by_units_gone(curve: Curve) -> NDArray[np.float64]:
    """Return the drop by the number of units that are gone, from none to all."""
    gone, drops = _knots(curve.size, curve.points)
    finite = np.isfinite(drops)
    gone, drops = gone[finite], drops[finite]
    counts = np.arange(curve.size + 1, dtype=np.float64)
    line = np.interp(counts, gone, drops)
    beyond = counts > gone[-1]
    if not finite.all():
        line[beyond] = np.inf
    elif len(gone) > 1:
        slope = (drops[-1] - drops[-2]) / (gone[-1] - gone[-2])
        line[beyond] = drops[-1] + slope * (counts[beyond] - gone[-1])
    return np.maximum.accumulate(line)


def _knots(size: int, points: Iterable[Point]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the numbers of units that are gone, each once and ascending from 0, and the drops, which never fall."""
    drops = {0: 0.0}
    for point in points:
        gone = size - point.kept
        drops[gone] = max(drops.get(gone, 0.0), point.drop) if gone else 0.0
    ascending = np.array(sorted(drops.items()), np.float64)
    return ascending[:, 0], np.maximum.accumulate(ascending[:, 1])
