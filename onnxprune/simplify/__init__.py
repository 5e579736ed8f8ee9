"""Simplify a model before it is traced: the same outputs from fewer nodes, so that more of it can be pruned."""

from __future__ import annotations

from onnxprune.simplify.prepass import Simplified, simplified

__all__ = ["Simplified", "simplified"]
