"""Noise whose amplitude falls as a power of frequency, as it does in photographs and in recordings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def power_law_noise(
    rng: np.random.Generator, shape: tuple[int, ...], alpha: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return Gaussian fields, float32 `shape`, each with mean 0 and variance 1, whose amplitude falls as 1/f^alpha.

    `alpha` has the leading axes of `shape`, some of length 1 perhaps; the axes behind them are those of the field.
    Photographs have an alpha of about 1 (Field, "Relations between the statistics of natural images and the response
    properties of cortical cells", 1987). A field of one element is 0.
    """
    lead, field = shape[: alpha.ndim], shape[alpha.ndim :]
    axes = tuple(range(alpha.ndim, len(shape)))
    squares = sum(np.meshgrid(*(np.square(line) for line in _frequencies(field)), indexing="ij", sparse=True))
    logarithms = np.log(np.where(squares > 0, squares, 1)) / 2
    amplitude = np.exp(-alpha.reshape(alpha.shape + (1,) * len(field)) * logarithms) * (squares > 0)
    waves = rng.standard_normal((*lead, *logarithms.shape, 2), np.float32).view(np.complex64)[..., 0]
    noise = np.fft.irfftn(waves * amplitude.astype(np.float32), field, axes)
    deviation = noise.std(axis=axes, keepdims=True)
    return np.asarray(noise / np.maximum(deviation, math.ulp(1.0)), np.float32)


def _frequencies(field: tuple[int, ...]) -> list[NDArray[np.floating[Any]]]:
    """Return the frequencies along each axis of a real transform, in cycles per step."""
    return [*(np.fft.fftfreq(length) for length in field[:-1]), np.fft.rfftfreq(field[-1])]
