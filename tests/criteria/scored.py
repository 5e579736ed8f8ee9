"""Scores of small models, on random calibration samples where a criterion asks for them."""

from __future__ import annotations

from typing import Any

import onnx
from networks import traced
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.statistics import Statistics, collect
from onnxprune.criteria import score
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.tracing import Trace

MEMORY = 1 << 26


def statistics(found: Trace, batches: int = 4) -> dict[str, Statistics]:
    """What a model computes on standard normal inputs, with covariances."""
    shapes = concrete_inputs(found.model)
    samples = tuple(random_feeds(found, shapes, seed) for seed in range(batches))
    calibration = Calibration(samples, (1,) * batches, "random", False)
    return collect(found.model, found.types, calibration, True, MEMORY)


def scores(proto: onnx.ModelProto, name: str, batches: int = 4) -> list[NDArray[Any]]:
    """The saliency of each dim, in the order in which weights meet them."""
    found = traced(proto)
    saliency = score(found, name, 0, statistics(found, batches))
    return [saliency[dim] for dim in found.dims]


def column(values: NDArray[Any]) -> NDArray[Any]:
    """A value per output channel, shaped to act on a convolution's weight [O, I, kh, kw]."""
    return values.reshape(-1, 1, 1, 1)
