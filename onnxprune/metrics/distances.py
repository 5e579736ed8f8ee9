"""Metrics of any values: how far they are from what the dense model gives."""

from __future__ import annotations

import math

import numpy as np

from onnxprune.metrics.pair import Pair
from onnxprune.metrics.registry import metric


@metric("relative-error", best=0.0, finish=math.sqrt)
def relative_error(pair: Pair) -> tuple[float, float]:
    """Return the squares of ||given - dense|| and ||dense||, Euclidean norms over all samples."""
    given, dense = pair.vectors
    return float(np.square(given - dense).sum()), float(np.square(dense).sum())


@metric("cosine", best=1.0)
def cosine(pair: Pair) -> tuple[float, float]:
    """Sum the cosine of the angle between both models' values, sample by sample.

    It is 1 between two vectors of zeros, and 0 between one of them and any other.
    """
    given, dense = pair.vectors
    dots = np.einsum("se,se->s", given, dense)
    norms = np.linalg.norm(given, axis=1), np.linalg.norm(dense, axis=1)
    lengths = norms[0] * norms[1]
    cosines = np.divide(dots, lengths, out=np.equal(*norms).astype(np.float64), where=lengths != 0)
    return float(np.minimum(cosines, 1).sum()), float(len(cosines))


@metric("equal", best=1.0, numeric=False)
def equal(pair: Pair) -> tuple[float, float]:
    """Count the values that are the same: for labels, indices, booleans and text, which have no distance."""
    return float(np.count_nonzero(pair.given == pair.target)), float(pair.target.size)
