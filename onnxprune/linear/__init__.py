"""Linear layers: nodes that multiply an activation with a stored weight, seen as a matrix product.

One file a family; importing this registers them all.
"""

from __future__ import annotations

from onnxprune.linear import convolution, products, recurrent
from onnxprune.linear.depth import by_depth
from onnxprune.linear.dims import Consumer, consumers, kept_outputs
from onnxprune.linear.layer import Layer
from onnxprune.linear.registry import layers

__all__ = [
    "Consumer",
    "Layer",
    "by_depth",
    "consumers",
    "convolution",
    "kept_outputs",
    "layers",
    "products",
    "recurrent",
]
