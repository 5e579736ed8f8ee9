"""Metrics of class scores: whether the right class is among the best, by labels or by what the dense model says.

Agreement is accuracy with the dense model's first choice for a label, so it needs none.
"""

from __future__ import annotations

import numpy as np

from onnxprune.metrics.pair import Array, Pair
from onnxprune.metrics.registry import metric


@metric("accuracy", best=1.0, classes=2, labelled=True)
def accuracy(pair: Pair) -> tuple[float, float]:
    """Count the samples whose label has the highest score."""
    return _hits(pair.given_scores, pair.target, 1)


@metric("top5-accuracy", best=1.0, classes=6, labelled=True)
def top5_accuracy(pair: Pair) -> tuple[float, float]:
    """Count the samples whose label is among the five highest scores."""
    return _hits(pair.given_scores, pair.target, 5)


@metric("top1-agreement", best=1.0, classes=2)
def top1_agreement(pair: Pair) -> tuple[float, float]:
    """Count the samples (and positions) for which both models score the same class highest."""
    return _hits(pair.given_scores, pair.target_scores.argmax(1), 1)


@metric("top5-agreement", best=1.0, classes=6)
def top5_agreement(pair: Pair) -> tuple[float, float]:
    """Count the samples (and positions) for which the dense model's first choice is among the five highest scores."""
    return _hits(pair.given_scores, pair.target_scores.argmax(1), 5)


def _hits(scores: Array, wanted: Array, places: int) -> tuple[float, float]:
    """Return in how many of the rows of `scores` the wanted class is among the first `places`, and how many there are.

    Of equal scores the first comes first, as in argmax, so that a dead output is right by chance only. A row with a
    NaN is never right.
    """
    wanted = wanted[:, None]
    own = np.take_along_axis(scores, wanted, 1)
    ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < wanted))
    right = (ahead.sum(1) < places) & ~np.isnan(scores).any(1)
    return float(right.sum()), float(len(scores))
