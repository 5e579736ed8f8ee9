"""Importance criteria: how much would be lost with each unit. One file a family; importing this registers them all."""

from __future__ import annotations

from onnxprune.criteria import activations, chance, geometric_median, lamp, magnitude, obs, slimming
from onnxprune.criteria.registry import (
    CRITERIA,
    Criterion,
    Evidence,
    Needs,
    Saliency,
    best_criterion,
    criterion,
    is_loss,
    needs_of,
    score,
)

__all__ = [
    "CRITERIA",
    "Criterion",
    "Evidence",
    "Needs",
    "Saliency",
    "activations",
    "best_criterion",
    "chance",
    "criterion",
    "geometric_median",
    "is_loss",
    "lamp",
    "magnitude",
    "needs_of",
    "obs",
    "score",
    "slimming",
]
