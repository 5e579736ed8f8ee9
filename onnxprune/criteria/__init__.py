"""Importance criteria: how much would be lost with each unit. One file a family; importing this registers them all."""

from __future__ import annotations

from onnxprune.criteria import chance, magnitude
from onnxprune.criteria.registry import CRITERIA, Criterion, Saliency, criterion, score

__all__ = ["CRITERIA", "Criterion", "Saliency", "chance", "criterion", "magnitude", "score"]
