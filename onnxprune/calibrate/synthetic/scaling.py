"""From the units in which samples are made to those that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.errors import UsageError


@dataclass(frozen=True)
class Scaling:
    """(raw - mean) / std, where both have one value, or one for each channel; `name` says what comes out."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return raw values, [samples, channels, ..], scaled."""
        along = (1, -1) + (1,) * (raw.ndim - 2)
        return np.asarray((raw - np.reshape(self.mean, along)) / np.reshape(self.std, along), np.float32)


@dataclass(frozen=True)
class Menu:
    """The scalings that are usual for what is made in the range `raw`.

    `unprocessed` are those of values as they come from a file. `default` is for a model that does not tell.
    """

    raw: tuple[float, float]
    unprocessed: tuple[Scaling, ...]
    processed: tuple[Scaling, ...]
    default: Scaling

    def to_range(self, lowest: float, highest: float) -> Scaling:
        """Return the scaling to a range that was asked for. Raises `UsageError` where it is none."""
        if not -np.inf < lowest < highest < np.inf:
            raise UsageError(f"input range {lowest:g}..{highest:g}: give two numbers, the lower one first")
        return _to_range(self.raw, lowest, highest)


def standardized(mean: Sequence[float], std: Sequence[float], channels: int) -> Scaling:
    """Return the scaling of pixels, 0..1, by a mean and a std that were asked for. Raises `UsageError`."""
    if {len(mean), len(std)} - {1, channels} or not np.isfinite([*mean, *std]).all() or min(std) <= 0:
        raise UsageError(f"mean and std: give one number, or {channels} for the channels; each std above 0")
    return Scaling(f"mean {_listed(mean)} and std {_listed(std)} of pixels", tuple(mean), tuple(std))


def pixel_menu(channels: int) -> Menu:
    """Return the usual scalings of pixels."""
    pixels = (0.0, 1.0)
    unit = Scaling("mean 0 and std 1", (0.5,), (0.25,))
    if channels == 3:
        unit = Scaling("ImageNet's mean and std", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    unprocessed = (_to_range(pixels, 0, 1), _to_range(pixels, 0, 255))
    return Menu(pixels, unprocessed, (_to_range(pixels, -1, 1), _to_range(pixels, -128, 127), unit), unit)


def sound_menu() -> Menu:
    """Return the usual scalings of recordings."""
    sound = (-1.0, 1.0)
    unprocessed = (_to_range(sound, -1, 1), _to_range(sound, -32768, 32767))
    return Menu(sound, unprocessed, (Scaling("mean 0 and std 1", (0.0,), (0.09,)),), unprocessed[0])


def _to_range(raw: tuple[float, float], lowest: float, highest: float) -> Scaling:
    std = (raw[1] - raw[0]) / (highest - lowest)
    return Scaling(f"{lowest:g}..{highest:g}", (raw[0] - lowest * std,), (std,))


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
