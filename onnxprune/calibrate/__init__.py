"""Calibration: the inputs on which a model is looked at, real or synthetic, and what it computes on them."""

from __future__ import annotations

from onnxprune.calibrate.calibration import Calibration

__all__ = ["Calibration"]
