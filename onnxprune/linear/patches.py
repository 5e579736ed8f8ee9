"""Gathering what lies under a kernel, for any number of axes, paddings, strides and dilations (im2col)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onnxprune.linear.layer import Array


@dataclass(frozen=True)
class Side:
    """How a kernel moves along one axis of positions.

    The pixels of the input lie at the multiples of `spread`; everywhere else there are zeros. Of output pixel p, with
    0 <= p < `length`, tap t, with 0 <= t < `taps`, meets the place `first + p * stride + t * dilation`.
    """

    length: int
    first: int
    stride: int
    taps: int
    dilation: int
    spread: int = 1

    @property
    def start(self) -> int:
        """The first place that a pixel or a tap can take."""
        return min(0, self.first)

    def end(self, given: int) -> int:
        """Return the place after the last that one of the `given` pixels or a tap can take."""
        last_tap = self.first + (self.length - 1) * self.stride + (self.taps - 1) * self.dilation
        return max((given - 1) * self.spread, last_tap) + 1

    def pixels(self, given: int) -> slice:
        """Return where the pixels lie, counted from `start`."""
        return slice(-self.start, (given - 1) * self.spread + 1 - self.start, self.spread)


def patches(x: Array, sides: Sequence[Side], rows: Array) -> Array:
    """Return what lies under the kernel at some output pixels, [rows, taps, C], of an input [N, C, d..].

    Output pixels and taps are numbered row-major. Channels come last, so that whole pixels are copied at a time.
    """
    given = list(zip(sides, x.shape[2:], strict=True))
    lengths = [side.end(pixels) - side.start for side, pixels in given]
    canvas = np.zeros((len(x), *lengths, x.shape[1]), x.dtype)
    inside = (slice(None), *(side.pixels(pixels) for side, pixels in given))
    canvas[inside] = np.moveaxis(x, 1, -1)

    image, *outputs = np.unravel_index(rows, (len(x), *(side.length for side in sides)))
    corners = [side.first - side.start + at * side.stride for side, at in zip(sides, outputs, strict=True)]
    taps = np.indices([side.taps for side in sides]).reshape(len(sides), -1)
    steps = [tap * side.dilation for side, tap in zip(sides, taps, strict=True)]
    origins = np.ravel_multi_index((image, *corners), (len(x), *lengths))
    return canvas.reshape(-1, x.shape[1]).take(origins[:, None] + np.ravel_multi_index(steps, lengths), axis=0)
