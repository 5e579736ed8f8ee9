"""Operator knowledge: what each ONNX operator says about the axes of its inputs and outputs.

Every module here holds a family of operators. A rule is one function with one decorator; importing this package
registers them all.
"""

from __future__ import annotations

from onnxprune.rules import (
    attention,
    contraction,
    control,
    elementwise,
    fused,
    indexing,
    joining,
    layout,
    normalization,
    pooling,
    quantized,
    quantized_elementwise,
    quantized_recurrent,
    recurrent,
    reduction,
    resizing,
    vision,
)
from onnxprune.rules.registry import RULES, Rule, rule
from onnxprune.rules.site import Site, UnknownError

__all__ = [
    "RULES",
    "Rule",
    "Site",
    "UnknownError",
    "attention",
    "contraction",
    "control",
    "elementwise",
    "fused",
    "indexing",
    "joining",
    "layout",
    "normalization",
    "pooling",
    "quantized",
    "quantized_elementwise",
    "quantized_recurrent",
    "recurrent",
    "reduction",
    "resizing",
    "rule",
    "vision",
]
