"""Handing over: what a target wants beside the model, by the names in its record."""

from onnxprune.readiness.handover.files import WRITERS, Handed, beside, handed_files

__all__ = ["WRITERS", "Handed", "beside", "handed_files"]
