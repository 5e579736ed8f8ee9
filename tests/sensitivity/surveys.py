"""A small network of which half a layer is dead, samples for it, and what a survey of it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from networks import Array, edit, plain

from onnxprune.calibrate import Calibration
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.sensitivity import Curve, Point, Sensitivity
from onnxprune.sensitivity.candidates import Grid
from onnxprune.sensitivity.measure import measure_sensitivity

NEEDED, DEAD = "conv1.weight[0]", "conv2.weight[0]"
"""The dims of the network: of `DEAD`, 6 of the 12 units give zeros whatever the input."""


def half_dead() -> onnx.ModelProto:
    """conv1 (8) - bn1 - relu - conv2 (12, the first 6 dead) - relu - fc, which does not look at those."""
    proto = plain(batch="N")
    for name in ("conv2.weight", "conv2.bias", "fc.weight"):
        proto = edit(proto, name, _without_the_dead)
    return proto


def _without_the_dead(weight: Array) -> Array:
    weight = weight.copy()
    weight[(slice(None), slice(6)) if weight.ndim == 2 else slice(6)] = 0
    return weight


def samples(count: int = 16) -> Calibration:
    images = np.random.default_rng(0).normal(size=(count, 3, 5, 5)).astype(np.float32)
    return Calibration.of([{"x": images}])


def surveyed(
    model: onnx.ModelProto | Path | None = None, grid: Grid | None = None, metric: str = "relative-error", **given: Any
) -> Sensitivity:
    """Measure a model, by default that which is half dead; `given` are options, or go to `measure_sensitivity`."""
    read = Model.load(model) if isinstance(model, Path) else Model(model or half_dead())
    own = {name: given.pop(name) for name in ("path", "overwrite", "workers") if name in given}
    options = Options(metric=metric, **{"criterion": "l2", **given})
    return measure_sensitivity(read, options, samples(), grid, **own)


def drops(curves: tuple[Curve, ...]) -> dict[str, list[float]]:
    return {curve.name: [point.drop for point in curve.points] for curve in curves}


def curve(name: str, size: int, points: dict[int, float]) -> Curve:
    """A curve that has these drops by the number of units that are gone."""
    found = tuple(Point(gone / (size + 1), size - gone, drop) for gone, drop in sorted(points.items()))
    return Curve(name, size, (name,), found)


def sensitivity(*dims: Curve, blocks: tuple[Curve, ...] = ()) -> Sensitivity:
    return Sensitivity({"file": None, "sha256": ""}, {}, {"fc": "relative-error"}, dims, blocks)
