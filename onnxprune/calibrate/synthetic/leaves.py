"""Dead leaves: images of shapes that lie on top of each other.

Shapes of all sizes that hide each other give pictures many of the statistics of photographs: edges, junctions, flat
regions, and the same look at every scale (Lee, Mumford & Huang, "Occlusion models for natural images", 2001). Networks
learn useful features from them (Baradad et al., "Learning to see by looking at noise", 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

LEAVES = (10, 40)
"""Leaves in an image: enough to fill it, and few enough that something large is left to be seen."""
RADII = (0.08, 0.5)
"""The smallest and the largest radius of a leaf, in sides of the image."""
SIDES = (0, 0, 3, 4, 4, 5)
"""Sides of the polygons that leaves are; 0 is a disc."""
FLATNESS = 2.5
"""A leaf is up to e^2.5 = 12 times as long as wide."""
OUTLINES = 0.5
"""The share of leaves that are outlines: the strokes of a picture."""
PENS = (0.05, 0.2)
"""Half the width of an outline, in radii of the leaf."""
NOISE = 0.01
"""The deviation of the noise of a camera, where white is 1."""
TINY = np.float32(1e-6)
"""The least length of a gradient, which is 0 in the middle of a disc."""
ELEMENTS = 1 << 15
"""Elements to paint at once, with leaves of the same shapes: few, for variety and for the cache of a processor."""


@dataclass(frozen=True)
class _Leaf:
    """A regular polygon of `sides` corners at distance `radius`, or a disc; lengths are in pixels.

    `pen` is half the width of its outline, or None where it is filled.
    """

    radius: float
    sides: int
    pen: float | None

    @property
    def reach(self) -> float:
        """The distance from the centre beyond which nothing of it is seen."""
        return self.radius + (self.pen or 0) + 1

    def cover(self, x: Array, y: Array, flatness: Array) -> Array:
        """Return how much of the pixels at some distance from the centre it covers, from 0 to 1; edges are soft.

        Its height, along y, is divided by `flatness`.
        """
        depth = self._depth_of_polygon(x, y, flatness) if self.sides else self._depth_of_disc(x, y, flatness)
        if self.pen is not None:
            depth = np.float32(self.pen) - np.abs(depth)
        return np.asarray(np.clip(depth + np.float32(0.5), 0, 1))

    def _depth_of_disc(self, x: Array, y: Array, flatness: Array) -> Array:
        """Return how far inside the edge points lie, to first order: the excess over its gradient."""
        y = y * flatness
        distance = np.hypot(x, y)
        return np.asarray((self.radius - distance) * distance / np.maximum(np.hypot(x, y * flatness), TINY))

    def _depth_of_polygon(self, x: Array, y: Array, flatness: Array) -> Array:
        """Return how far inside the nearest side points lie."""
        apothem = np.float32(self.radius * math.cos(math.pi / self.sides))
        depths = []
        for side in range(self.sides):
            turn = side * 2 * math.pi / self.sides
            to_x, to_y = np.float32(math.cos(turn)), np.float32(math.sin(turn)) * flatness
            norm = np.hypot(to_x, to_y)
            depths.append(apothem / norm - to_x / norm * x - to_y / norm * y)
        return np.asarray(np.minimum.reduce(depths))


def dead_leaves(rng: np.random.Generator, count: int, channels: int, height: int, width: int) -> Array:
    """Return images, float32 [count, channels, height, width], from 0 to 1."""
    together = max(1, ELEMENTS // (channels * height * width))
    images = np.empty((count, height, width, channels), np.float32)
    for start in range(0, count, together):
        _paint(rng, images[start : start + together])
    images += NOISE * rng.standard_normal(images.shape, np.float32)
    return np.ascontiguousarray(np.moveaxis(np.clip(images, 0, 1), -1, 1))


def _paint(rng: np.random.Generator, images: Array) -> None:
    """Fill images, [images, height, width, channels], leaf by leaf from the back to the front.

    For speed, all of them get the same leaves in the same order, but each its own places, angles, flatness and
    colours.
    """
    count, height, width, channels = images.shape
    numbers = np.arange(count)[:, None, None]
    images[:] = _colours(rng, count, channels)
    for leaf in _leaves(rng, min(height, width)):
        rows, y = _window(rng, count, height, leaf.reach)
        columns, x = _window(rng, count, width, leaf.reach)
        place = numbers, rows[:, :, None], columns[:, None, :]
        angle = rng.uniform(0, 2 * math.pi, (count, 1, 1)).astype(np.float32)
        cos, sin = np.cos(angle), np.sin(angle)
        flatness = np.exp(rng.uniform(0, FLATNESS, (count, 1, 1))).astype(np.float32)
        along = np.asarray(cos * x[:, None, :] + sin * y[:, :, None], np.float32)
        across = np.asarray(cos * y[:, :, None] - sin * x[:, None, :], np.float32)
        under = images[place]
        cover = leaf.cover(along, across, flatness)[..., None]
        images[place] = under + cover * (_colours(rng, count, channels) - under)


def _leaves(rng: np.random.Generator, side: int) -> Iterator[_Leaf]:
    """Yield leaves whose radius r has a density of 1/r^3, which makes pictures look alike at every scale."""
    for _ in range(rng.integers(LEAVES[0], LEAVES[1] + 1)):
        share = rng.uniform()
        radius = side / math.sqrt(share / RADII[0] ** 2 + (1 - share) / RADII[1] ** 2)
        pen = max(0.5, radius * rng.uniform(*PENS)) if rng.uniform() < OUTLINES else None
        yield _Leaf(radius, int(rng.choice(SIDES)), pen)


def _window(
    rng: np.random.Generator, count: int, length: int, reach: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the pixels along one axis that a leaf at a random place may cover, and how far they are from its centre.

    Both are [count, window].
    """
    centre = rng.uniform(0, length, (count, 1))
    size = min(length, math.ceil(2 * reach) + 1)
    first = np.clip(np.floor(centre - reach), 0, length - size).astype(np.int64)
    pixels = first + np.arange(size)
    return pixels, (pixels + 0.5 - centre).astype(np.float32)


def _colours(rng: np.random.Generator, count: int, channels: int) -> Array:
    """Return one colour for each image, [count, 1, 1, channels], anywhere between grey and colourful."""
    grey = rng.uniform(size=(count, 1, 1, 1))
    colour = rng.uniform(size=(count, 1, 1, channels))
    return np.asarray(grey + rng.uniform(size=(count, 1, 1, 1)) * (colour - grey), np.float32)
