"""One input of a model: what it is for, and how images and recordings are made for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.specs import InputSpec
from onnxprune.calibrate.synthetic.images import coloured_noise, images
from onnxprune.calibrate.synthetic.kinds import Kind
from onnxprune.calibrate.synthetic.scaling import Menu, pixel_menu, sound_menu
from onnxprune.calibrate.synthetic.signals import signals

MakeImages: TypeAlias = "Callable[[np.random.Generator, int, int, int, int], NDArray[np.float32]]"
"""Generator, count, channels, height, width -> images, [count, channels, height, width]."""


@dataclass(frozen=True)
class Ingredient:
    """An input, what it is for, and the number of rows of the table that it indexes, where it does."""

    spec: InputSpec
    kind: Kind
    rows: int | None

    @property
    def name(self) -> str:
        """The name of the input."""
        return self.spec.name

    @property
    def is_raw(self) -> bool:
        """Whether samples are made in units of their own, and have to be scaled to those of the model."""
        return self.is_image or self.kind is Kind.SIGNAL

    @property
    def is_image(self) -> bool:
        """Whether samples are images."""
        return self.kind in (Kind.CHANNELS_FIRST, Kind.CHANNELS_LAST)

    def channels(self, shape: tuple[int, ...]) -> int:
        """Return the number of channels of images or recordings of some shape."""
        if self.kind is Kind.SIGNAL:
            return shape[1] if len(shape) == 3 else 1
        return shape[-1 if self.kind is Kind.CHANNELS_LAST else -3]

    def menu(self, shape: tuple[int, ...]) -> Menu:
        """Return the usual scalings of images or recordings of some shape."""
        return sound_menu() if self.kind is Kind.SIGNAL else pixel_menu(self.channels(shape))

    def raw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Make images or recordings for an input of some shape, [samples, channels, ..] whatever its layout."""
        return self._made(images, rng, shape)

    def probe(self, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Make the same to try scalings on: images are all noise, which is as rough at any size as photographs are."""
        return self._made(coloured_noise, rng, shape)

    def _made(self, make: MakeImages, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        channels = self.channels(shape)
        if self.kind is Kind.SIGNAL:
            return signals(rng, shape[0], channels, shape[-1])
        height, width = shape[-2:] if self.kind is Kind.CHANNELS_FIRST else shape[-3:-1]
        return make(rng, math.prod(shape[:-3]), channels, height, width)

    def arranged(self, values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return images or recordings, scaled by now, in the layout, shape and type of the input."""
        if self.kind is Kind.CHANNELS_LAST:
            values = np.moveaxis(values, 1, -1)
        if self.spec.dtype.kind in "iu":
            values = np.rint(values)
        return np.ascontiguousarray(values.reshape(shape)).astype(self.spec.dtype)
