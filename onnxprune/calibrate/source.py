"""Samples from wherever they were asked for: read, made up, or none at all."""

from __future__ import annotations

from typing import Any

from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.images import ImageOptions
from onnxprune.calibrate.readers import load_calibration
from onnxprune.calibrate.synthetic import synthetic_calibration
from onnxprune.model import Model
from onnxprune.options import NONE, SYNTHETIC, DataOptions
from onnxprune.tracing import Trace


def samples_for(found: Trace, data: DataOptions, seed: int) -> Calibration | None:
    """Return the samples that `data` asks for, or None for `none`. Raises `DataError`, `UsageError`, `ModelError`."""
    if data.calibration == NONE:
        return None
    if data.calibration == SYNTHETIC:
        scaling = data.input_range, data.mean, data.std
        return synthetic_calibration(found, data.samples, data.batch_size, seed, *scaling, data.memory_limit)
    return samples_from(found.model, data)


def samples_from(model: Model, data: DataOptions) -> Calibration:
    """Read the samples that `data` names. Raises `DataError` and `UsageError`."""
    given: dict[str, Any] = {name: getattr(data, name) for name in ("mean", "std") if getattr(data, name) is not None}
    images = ImageOptions(**given, peak=data.peak, layout=data.layout, resize=data.resize)
    return load_calibration(
        data.calibration,
        model,
        samples=data.samples,
        batch_size=data.batch_size,
        labels=data.labels,
        images=images if images != ImageOptions() else None,
        memory_limit=data.memory_limit,
    )
