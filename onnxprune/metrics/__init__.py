"""How far the outputs of a model moved, and how often it is right. One file a family; importing this registers all."""

from __future__ import annotations

from onnxprune.metrics import classes, distances
from onnxprune.metrics.comparison import Comparison, Score
from onnxprune.metrics.evidence import Evidence, fitting
from onnxprune.metrics.pair import Pair
from onnxprune.metrics.registry import AUTO, METRICS, Metric, find, metric

__all__ = [
    "AUTO",
    "METRICS",
    "Comparison",
    "Evidence",
    "Metric",
    "Pair",
    "Score",
    "classes",
    "distances",
    "find",
    "fitting",
    "metric",
]
