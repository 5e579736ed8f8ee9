"""What the numbers of an input may be: found by following them through the graph to whoever reads them."""

from __future__ import annotations

from onnxprune.ranges.follow import Readings, readings
from onnxprune.ranges.readers import Range

__all__ = ["Range", "Readings", "readings"]
