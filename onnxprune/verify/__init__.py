"""Verification: the pruned model computes exactly what the dense model computes with the removed units masked."""

from __future__ import annotations

from onnxprune.verify.check import Verification, verify

__all__ = ["Verification", "verify"]
