"""Optimal Brain Surgeon for single weights: zeros where the rest of the layer can make up for them."""

from __future__ import annotations

from onnxprune.sparsify.obs.choose import choose_by_obs, reachable

__all__ = ["choose_by_obs", "reachable"]
