"""Calibration samples out of nothing: images, recordings and tokens that look to a model much as real ones do."""

from __future__ import annotations

from onnxprune.calibrate.synthetic.make import synthetic_calibration

__all__ = ["synthetic_calibration"]
