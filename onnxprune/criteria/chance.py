"""Chance: the baseline that every other criterion has to beat."""

from __future__ import annotations

import numpy as np

from onnxprune.criteria.registry import Saliency, criterion
from onnxprune.tracing import Trace


@criterion("random")
def random(trace: Trace, seed: int) -> Saliency:
    """Return independent uniform draws, the same for the same seed and model."""
    rng = np.random.default_rng(seed)
    return {dim: rng.random(dim.size) for dim in trace.dims}
