"""Convolutions: a row is an output pixel, its inputs are the patch that the kernel covers."""

from __future__ import annotations

from abc import abstractmethod
from math import prod

import numpy as np

from onnxprune.linear.layer import Array, Layer
from onnxprune.linear.patches import Side, patches
from onnxprune.linear.registry import linear
from onnxprune.model import Model, NodeKey


@linear("Conv")
def conv(model: Model, key: NodeKey) -> Layer:
    """Return a convolution, of any rank and with any groups, strides, dilations and padding."""
    return Convolution(model, key)


@linear("ConvTranspose")
def conv_transpose(model: Model, key: NodeKey) -> Layer:
    """Return a transposed convolution, of any rank and with any groups, strides, dilations, padding and length."""
    return TransposedConvolution(model, key)


class _Kernel(Layer):
    """What both kinds of convolution share: input [N, G*I, d..], output [N, G*O, d..], columns taps * I."""

    @property
    def groups(self) -> int:
        """The number of groups, G."""
        return int(self.attribute("group", 1))

    @property
    def channel_axis(self) -> int:
        """The axis of G*O, in front of those of positions."""
        return 1 - len(self.model.constants[self.weight].dims)

    def inputs(self, x: Array, rows: Array) -> Array:
        """Return patches, in which padding is zeros."""
        sides = [self.side(axis, given) for axis, given in enumerate(x.shape[2:])]
        found = patches(x, sides, rows)
        by_group = found.reshape(*found.shape[:2], self.groups, x.shape[1] // self.groups)
        return np.moveaxis(by_group, 2, 0).reshape(self.groups, len(rows), self.matrix_shape[1])

    def outputs(self, y: Array, rows: Array) -> Array:
        """Return output pixels."""
        images = y.reshape(*y.shape[:2], prod(y.shape[2:]))
        image, pixel = np.divmod(rows, images.shape[2])
        by_group = images[image, :, pixel].reshape(len(rows), self.groups, y.shape[1] // self.groups)
        return np.moveaxis(by_group, 1, 0)

    @abstractmethod
    def side(self, axis: int, given: int) -> Side:
        """Return how the kernel moves along an axis of positions, of which the input has `given`."""

    @property
    def auto_pad(self) -> str:
        """How padding is found: NOTSET, VALID, SAME_UPPER or SAME_LOWER."""
        return str(self.attribute("auto_pad", b"NOTSET").decode())

    def moves(self, axis: int) -> tuple[int, int, int]:
        """Return taps, stride and dilation along an axis."""
        taps = int(self.model.constants[self.weight].dims[2 + axis])
        return taps, self.number("strides", axis, 1), self.number("dilations", axis, 1)

    def pads(self, axis: int) -> tuple[int, int]:
        """Return the padding before and after an axis, where it does not follow from lengths."""
        rank = -1 - self.channel_axis
        return self.number("pads", axis, 0), self.number("pads", axis + rank, 0)

    def in_front(self, total: int) -> int:
        """Return how much of the padding of an axis is in front of it, where only the total is known."""
        return total // 2 if self.auto_pad == "SAME_UPPER" else total - total // 2

    def number(self, name: str, place: int, default: int) -> int:
        """Return one number of an attribute."""
        found = self.attribute(name)
        return default if found is None else int(found[place])


class Convolution(_Kernel):
    """Weight [G*O, I, k..]."""

    def side(self, axis: int, given: int) -> Side:
        """With SAME there is an output pixel for every `stride` input pixels, or fewer at the end."""
        taps, stride, dilation = self.moves(axis)
        span = (taps - 1) * dilation + 1
        if self.auto_pad.startswith("SAME"):
            length = -(-given // stride)
            total = max(0, (length - 1) * stride + span - given)
            before = self.in_front(total)
        else:
            before, after = self.pads(axis)
            length = (before + given + after - span) // stride + 1
        return Side(length, -before, stride, taps, dilation)

    def matrix(self, weight: Array) -> Array:
        """Turn [G*O, I, k..] into [G, taps * I, O]."""
        outs, given = len(weight) // self.groups, weight.shape[1]
        by_tap = weight.reshape(self.groups, outs, given, -1).transpose(0, 3, 2, 1)
        return np.reshape(by_tap, (self.groups, -1, outs))

    def stored(self, matrix: Array, weight: Array) -> Array:
        """Turn [G, taps * I, O] into [G*O, I, k..]."""
        by_tap = matrix.reshape(self.groups, -1, weight.shape[1], matrix.shape[2])
        return np.reshape(by_tap.transpose(0, 3, 2, 1), weight.shape)


class TransposedConvolution(_Kernel):
    """Weight [G*I, O, k..]: a convolution, with the kernel turned round, over the input spread out with zeros."""

    def side(self, axis: int, given: int) -> Side:
        """Padding takes pixels off the output."""
        taps, stride, dilation = self.moves(axis)
        whole = (given - 1) * stride + (taps - 1) * dilation + 1 + self.number("output_padding", axis, 0)
        before, length = self._cut(axis, whole, given * stride)
        return Side(length, before - (taps - 1) * dilation, 1, taps, dilation, stride)

    def _cut(self, axis: int, whole: int, usual: int) -> tuple[int, int]:
        """Return how many of the `whole` output pixels are cut off in front, and how many are left."""
        wanted = self.attribute("output_shape")
        if wanted is not None:
            length = int(wanted[axis])
            return self.in_front(max(0, whole - length)), length
        if self.auto_pad.startswith("SAME"):
            total = max(0, whole - usual)
            return self.in_front(total), whole - total
        before, after = self.pads(axis)
        return before, whole - before - after

    def matrix(self, weight: Array) -> Array:
        """Turn [G*I, O, k..] into [G, taps * I, O], the last tap first."""
        given, outs = len(weight) // self.groups, weight.shape[1]
        by_tap = weight.reshape(self.groups, given, outs, -1)[..., ::-1].transpose(0, 3, 1, 2)
        return np.reshape(by_tap, (self.groups, -1, outs))

    def stored(self, matrix: Array, weight: Array) -> Array:
        """Turn [G, taps * I, O], the last tap first, into [G*I, O, k..]."""
        by_tap = matrix.reshape(self.groups, -1, len(weight) // self.groups, matrix.shape[2])
        return np.reshape(by_tap.transpose(0, 2, 3, 1)[..., ::-1], weight.shape)
