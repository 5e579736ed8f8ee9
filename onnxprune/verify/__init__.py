"""Verification: the pruned model computes exactly what the dense model computes with the removed units masked."""

from __future__ import annotations

from onnxprune.verify.check import Verification, verify
from onnxprune.verify.feeds import random_feeds

__all__ = ["Verification", "random_feeds", "verify"]
