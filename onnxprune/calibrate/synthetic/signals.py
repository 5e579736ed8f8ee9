"""Signals made of nothing that look to a network much as recordings do."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.synthetic.spectra import power_law_noise

Array = NDArray[np.float32]

ALPHA = (0.0, 1.5)
"""From white noise to the rumble of a room."""
PITCHES = (0.002, 0.1)
"""Fundamental frequencies in cycles per step: 32 to 1600 Hz at 16 kHz."""
HARMONICS = 8
"""Tones at multiples of the fundamental, itself among them."""
SMOOTH = 2.0
"""The alpha of what changes slowly: loudness, and whether there is any sound."""
SILENCE = -1.0
"""Where slow noise of variance 1 is below this, there is silence: a sixth of the time."""
PEAKS = (0.05, 1.0)
"""The loudest value of a recording: from hardly driven to fully driven."""


def signals(rng: np.random.Generator, count: int, channels: int, length: int) -> Array:
    """Return signals, float32 [count, channels, length], from -1 to 1.

    Each is 1/f noise and a tone with harmonics, which all channels share in part, swelling and fading, with silence in
    between.
    """
    alpha = rng.uniform(*ALPHA, (count, 1))
    noise = power_law_noise(rng, (count, channels + 1, length), alpha)
    own = rng.uniform(0, 1, (count, 1, 1))
    sound = noise[:, :1] + own * noise[:, 1:] + rng.uniform(0, 2, (count, channels, 1)) * _tones(rng, count, length)
    loudness = np.exp(_slow(rng, count, length)) * (_slow(rng, count, length) > SILENCE)
    sound = sound * loudness
    peak = np.abs(sound).max(axis=(1, 2), keepdims=True)
    return np.asarray(_between(rng, PEAKS, count) * sound / np.maximum(peak, math.ulp(1.0)), np.float32)


def _tones(rng: np.random.Generator, count: int, length: int) -> Array:
    """Return tones with harmonics that get weaker, [count, 1, length]."""
    pitch = _between(rng, PITCHES, count)
    weaker = rng.uniform(0.3, 0.9, (count, 1, 1))
    steps = np.arange(length)
    tones = np.zeros((count, 1, length), np.float32)
    for harmonic in range(1, HARMONICS + 1):
        phase = rng.uniform(0, 2 * math.pi, (count, 1, 1))
        audible = harmonic * pitch < 0.5
        tones += audible * weaker**harmonic * np.sin(2 * math.pi * harmonic * pitch * steps + phase)
    return tones


def _slow(rng: np.random.Generator, count: int, length: int) -> Array:
    return power_law_noise(rng, (count, 1, length), np.full((count, 1), SMOOTH))


def _between(rng: np.random.Generator, limits: tuple[float, float], count: int) -> NDArray[np.float64]:
    """Return numbers whose logarithms are spread evenly between two limits, [count, 1, 1]."""
    lowest, highest = map(math.log, limits)
    return np.asarray(np.exp(rng.uniform(lowest, highest, (count, 1, 1))))
