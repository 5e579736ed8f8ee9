"""Images made of nothing that look to a network much as photographs do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.synthetic.leaves import dead_leaves
from onnxprune.calibrate.synthetic.spectra import power_law_noise

Array = NDArray[np.float32]

LEAVES_SHARE = 0.85
"""The share of dead leaves; the rest is noise, which has texture where leaves are flat."""
ALPHA = (0.8, 1.6)
"""How steeply the spectra of noise fall: those of sharp photographs by about 1, of blurred ones by more."""
SATURATION = 0.7
"""The most that noise of its own counts in a channel, against noise that all channels share."""
SHADE_ALPHA = (1.5, 2.5)
"""How steeply the spectra of light and shade fall: they are smooth."""
SHADE = 0.2
"""The largest deviation of the soft light and shade over dead leaves."""


def images(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> Array:
    """Return images, float32 [count, channels, height, width], from 0 to 1: dead leaves and 1/f noise, mixed."""
    made = np.empty((count, channels, height, width), np.float32)
    leafy = rng.uniform(size=count) < LEAVES_SHARE
    made[leafy] = shaded_leaves(rng, int(leafy.sum()), channels, height, width)
    made[~leafy] = coloured_noise(rng, int((~leafy).sum()), channels, height, width)
    return made


def shaded_leaves(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> Array:
    """Return dead leaves in soft light and shade, as `images` does."""
    leaves = dead_leaves(rng, count, channels, height, width)
    shade = power_law_noise(rng, (count, 1, height, width), rng.uniform(*SHADE_ALPHA, (count, 1)))
    return np.asarray(np.clip(leaves + _each(rng, count, 0, SHADE) * shade, 0, 1))


def coloured_noise(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> Array:
    """Return 1/f noise of any tint, brightness and contrast, as `images` does."""
    noise = power_law_noise(rng, (count, channels + 1, height, width), rng.uniform(*ALPHA, (count, 1)))
    saturation = _each(rng, count, 0, SATURATION)
    mixed = (noise[:, :1] + saturation * noise[:, 1:]) / np.sqrt(1 + np.square(saturation))
    tint = 0.1 * rng.standard_normal((count, channels, 1, 1), np.float32)
    brightness, contrast = _each(rng, count, 0.25, 0.75), _each(rng, count, 0.1, 0.3)
    return np.asarray(np.clip(brightness + tint + contrast * mixed, 0, 1))


def _each(rng: np.random.Generator, count: int, lowest: float, highest: float) -> Array:
    """Return a random number for each image, [count, 1, 1, 1]."""
    return rng.uniform(lowest, highest, (count, 1, 1, 1)).astype(np.float32)
