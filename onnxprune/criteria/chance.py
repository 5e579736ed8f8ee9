"""Chance: the baseline that every other criterion has to beat."""

from __future__ import annotations

import numpy as np

from onnxprune.criteria.registry import Evidence, Saliency, criterion


@criterion("random")
def random(evidence: Evidence) -> Saliency:
    """Return independent uniform draws, the same for the same seed and model."""
    rng = np.random.default_rng(evidence.seed)
    return {dim: rng.random(dim.size) for dim in evidence.trace.dims}
