"""Matrix products: Gemm, and MatMul with the weight on either side."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from onnxprune.linear.layer import Array, Layer
from onnxprune.linear.registry import linear
from onnxprune.model import Model, NodeKey


@linear("Gemm")
def gemm(model: Model, key: NodeKey) -> Layer | None:
    """Return Y = alpha A B + beta C, with B stored; None for a C that is anything but one number per column of B."""
    layer = Gemm(model, key)
    if layer.beta == 0:
        layer = Gemm(model, key, bias_slot=None)
    is_known = not layer.attribute("transA", 0) and (layer.bias is None or _is_vector(layer))
    return layer if is_known else None


def _is_vector(layer: Layer) -> bool:
    """Whether C is [N] or [1, N]."""
    weight, bias = (layer.model.constants.get(key) for key in (layer.weight, layer.bias or layer.weight))
    if weight is None or bias is None or not bias.dims:
        return False
    columns = weight.dims[0 if layer.attribute("transB", 0) else 1]
    return math.prod(bias.dims) == columns == bias.dims[-1]


@linear("MatMul")
def matmul(model: Model, key: NodeKey) -> Layer | None:
    """Return X W or W X with a stored matrix W; None for a stack of matrices."""
    for slot in (1, 0):
        weight = model.constants.get((key.scope, model.node(key).input[slot]))
        if weight is not None and len(weight.dims) == 2:
            return MatMul(model, key, 1 - slot, slot, None)
    return None


@dataclass(frozen=True)
class Gemm(Layer):
    """A [M, K] times B [K, N], or [N, K] with transB."""

    @property
    def beta(self) -> float:
        """What C is multiplied by."""
        return float(self.attribute("beta", 1.0))

    @property
    def channel_axis(self) -> int:
        """Outputs are [M, N]."""
        return -1

    def inputs(self, x: Array, rows: Array) -> Array:
        """Return rows of alpha A."""
        alpha = float(self.attribute("alpha", 1.0))
        return np.multiply(x[rows][None], alpha, dtype=x.dtype)

    def outputs(self, y: Array, rows: Array) -> Array:
        """Return rows of [M, N]."""
        return y[rows][None]

    def matrix(self, weight: Array) -> Array:
        """Turn B into [1, K, N]."""
        return np.asarray((weight.T if self.attribute("transB", 0) else weight)[None])

    def stored(self, matrix: Array, weight: Array) -> Array:
        """Turn [1, K, N] into B."""
        found = matrix.reshape(matrix.shape[1:])
        return found.T if self.attribute("transB", 0) else found

    def biases(self, bias: Array) -> Array:
        """Return beta C as [1, N]."""
        return np.multiply(super().biases(bias), self.beta, dtype=bias.dtype)

    def biased(self, bias: Array, change: Array) -> Array:
        """Return the C that makes beta C as much larger as `change`."""
        return super().biased(bias, change / self.beta)


@dataclass(frozen=True)
class MatMul(Layer):
    """X [.., K] times W [K, N], or W [N, K] times X [.., K, M]; a single axis is that of channels."""

    @property
    def channel_axis(self) -> int:
        """The axis of the output, and of the activation, that holds channels."""
        return -1 if self.w_slot == 1 else -2

    def rows(self, y: Array) -> int:
        """Return the number of rows; one axis alone is one row."""
        return 1 if y.ndim == 1 else super().rows(y)

    def inputs(self, x: Array, rows: Array) -> Array:
        """Return rows of X, or columns."""
        channels_last = x if x.ndim == 1 else np.moveaxis(x, self.channel_axis, -1)
        return channels_last.reshape(-1, channels_last.shape[-1])[rows][None]

    def outputs(self, y: Array, rows: Array) -> Array:
        """Return rows of the product, or columns: its axes are those of X."""
        return self.inputs(y, rows)

    def matrix(self, weight: Array) -> Array:
        """Turn W into [1, K, N]."""
        return np.asarray((weight if self.w_slot == 1 else weight.T)[None])

    def stored(self, matrix: Array, weight: Array) -> Array:
        """Turn [1, K, N] into W."""
        found = matrix.reshape(matrix.shape[1:])
        return found if self.w_slot == 1 else found.T
