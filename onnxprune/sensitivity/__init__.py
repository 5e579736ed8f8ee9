"""How much each dim matters: what the outputs lose when only it loses units.

What a file holds is exported here; it knows neither surgery nor a runtime, so that a selection can read it. Measuring
is `onnxprune.sensitivity.measure`.
"""

from __future__ import annotations

from onnxprune.sensitivity.file import load_sensitivity
from onnxprune.sensitivity.losses import losses
from onnxprune.sensitivity.result import Curve, Point, Sensitivity, most_sensitive_first

__all__ = ["Curve", "Point", "Sensitivity", "load_sensitivity", "losses", "most_sensitive_first"]
