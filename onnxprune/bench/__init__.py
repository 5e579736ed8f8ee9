"""How long models take here, measured so that noise is not taken for a difference.

Models are run in turns, in an order that is drawn anew in every round, and only runs of the same round are compared
(`race`). The first model runs twice under two names: how far such a copy seems to be from itself is the noise, and what
does not go beyond it is no difference (`ratio`).
"""

from __future__ import annotations

from onnxprune.bench.race import Latency, Race, race
from onnxprune.bench.ratio import Ratio

__all__ = ["Latency", "Race", "Ratio", "race"]
