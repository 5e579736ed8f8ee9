"""The cases of the operator rules: one module a family, like `onnxprune.rules`, and one for whole patterns."""

from rule_cases import (
    contraction,
    elementwise,
    indexing,
    joining,
    layout,
    normalization,
    open_sizes,
    patterns,
    pooling,
    reduction,
    resizing,
    weights,
)
from rule_cases.case import CASES, Case

__all__ = [
    "CASES",
    "Case",
    "contraction",
    "elementwise",
    "indexing",
    "joining",
    "layout",
    "normalization",
    "open_sizes",
    "patterns",
    "pooling",
    "reduction",
    "resizing",
    "weights",
]
