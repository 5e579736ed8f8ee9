"""Recurrent layers: what LSTM, GRU and RNN make of their input, before it meets the hidden state."""

from __future__ import annotations

import numpy as np

from onnxprune.linear.layer import Array, Layer
from onnxprune.linear.registry import linear
from onnxprune.model import Model, NodeKey


@linear("LSTM", "GRU", "RNN")
def recurrent(model: Model, key: NodeKey) -> Layer:
    """Return X W^T + B of a recurrent layer, B being the half of the bias that goes with W; directions are groups."""
    return Recurrent(model, key, 0, 1, 3)


class Recurrent(Layer):
    """X [steps, batch, I] (or with layout 1 [batch, steps, I]), W [directions, gates*H, I], B [directions, 2*gates*H].

    The sums that W feeds are inside the node: `outputs` computes them from the input, with the stored weight.
    """

    @property
    def y(self) -> str:
        """The input: what the node makes of it is computed from it."""
        return self.x

    @property
    def channel_axis(self) -> int:
        """The last axis of the input."""
        return -1

    def inputs(self, x: Array, rows: Array) -> Array:
        """Return steps of X, the same for every direction."""
        directions, _, _ = self.matrix_shape
        steps = x.reshape(-1, x.shape[-1])[rows]
        return np.broadcast_to(steps, (directions, *steps.shape))

    def outputs(self, y: Array, rows: Array) -> Array:
        """Return what W and its half of the bias make of steps of X."""
        constants = self.model.constants
        found = self.inputs(y, rows) @ self.matrix(self.model.array(constants[self.weight]))
        if self.bias is not None:
            found = found + self.biases(self.model.array(constants[self.bias]))[:, None]
        return np.asarray(found)

    def matrix(self, weight: Array) -> Array:
        """Turn [directions, gates*H, I] into [directions, I, gates*H]."""
        return np.swapaxes(weight, 1, 2)

    def stored(self, matrix: Array, weight: Array) -> Array:
        """Turn [directions, I, gates*H] into [directions, gates*H, I]."""
        return np.swapaxes(matrix, 1, 2)

    def biases(self, bias: Array) -> Array:
        """Return the first half of B; the second goes with the hidden state."""
        return bias[:, : bias.shape[1] // 2]

    def biased(self, bias: Array, change: Array) -> Array:
        """Return B with `change` added to its first half."""
        return np.asarray(bias + np.pad(change, ((0, 0), (0, change.shape[1]))).astype(bias.dtype))

    def no_bias(self) -> Array:
        """Return zeros, [directions, 2*gates*H]."""
        directions, _, outs = self.matrix_shape
        return np.zeros((directions, 2 * outs), np.float32)
