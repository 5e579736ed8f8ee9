"""Recovery: the weights that remain make up for those that were removed. Importing this registers the methods."""

from __future__ import annotations

from onnxprune.recover import methods
from onnxprune.recover.registry import RECOVERIES, Correction, Recovery, Rows, best_recovery, find, recovery
from onnxprune.recover.repair import Repair, repair
from onnxprune.recover.work import LayerRepair

__all__ = [
    "RECOVERIES",
    "Correction",
    "LayerRepair",
    "Recovery",
    "Repair",
    "Rows",
    "best_recovery",
    "find",
    "methods",
    "recovery",
    "repair",
]
