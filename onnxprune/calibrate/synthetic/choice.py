"""Which scaling each input gets: the one that was asked for, or the one that fits the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.synthetic.evidence import choose_scaling
from onnxprune.calibrate.synthetic.ingredient import Ingredient
from onnxprune.calibrate.synthetic.recipe import Recipe
from onnxprune.calibrate.synthetic.runs import Runs
from onnxprune.calibrate.synthetic.scaling import Scaling, standardized
from onnxprune.errors import UsageError

PROBED = 2_000_000
"""Elements of an input to try scalings on: enough for the statistics of a layer, few enough to be quick."""
PROBES = 32
"""Samples to try scalings on at most, or runs where each takes a fixed number of them."""


@dataclass(frozen=True)
class Wish:
    """The scaling that is asked for: a range of images and recordings, or mean and std of images; or nothing.

    Raises `UsageError` where it is both.
    """

    input_range: tuple[float, float] | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if self.input_range is not None and (self.mean is not None or self.std is not None):
            raise UsageError("give the range of the input, or mean and std of its pixels, not both")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self.input_range is None and self.mean is None and self.std is None

    def scaling(self, item: Ingredient, shape: tuple[int, ...]) -> Scaling | None:
        """Return what is asked for an input, or None where nothing is. Raises `UsageError` where it cannot be."""
        if self.input_range is not None:
            return item.menu(shape).to_range(*self.input_range)
        if self.is_empty or not item.is_image:
            return None
        return standardized(self.mean or (0.0,), self.std or (1.0,), item.channels(shape))


@dataclass(frozen=True)
class Chosen:
    """A scaling, and the reason for it in a few words."""

    scaling: Scaling
    reason: str


def choose(recipe: Recipe, runs: Runs, wish: Wish, seed: int) -> dict[str, Chosen]:
    """Return a scaling for every input of images or recordings. Raises `UsageError` where a wish cannot be met."""
    shapes = runs.shapes(1)
    items = [item for item in recipe.ingredients if item.is_raw]
    if not wish.is_empty and not any(item.is_image or wish.input_range for item in items):
        raise UsageError("a range, or mean and std, is for images, but no input of the model looks like images")
    return {item.name: _chosen(recipe, runs, item, wish.scaling(item, shapes[item.name]), seed) for item in items}


def _chosen(recipe: Recipe, runs: Runs, item: Ingredient, asked: Scaling | None, seed: int) -> Chosen:
    size = math.prod(runs.shapes(1)[item.name])
    count = min(PROBES, max(1, PROBED // max(1, size)))
    shape = runs.shapes(count)[item.name]
    if asked is not None:
        return Chosen(asked, "asked for")
    if item.spec.dtype.kind in "iu":
        return Chosen(item.menu(shape).to_range(0, 255), "all that its type holds")
    rng = np.random.default_rng(seed)
    raw = [item.probe(rng, shape) for _ in range(count if runs.fixed else 1)]

    def scaled(scaling: Scaling) -> list[NDArray[Any]]:
        return [item.arranged(scaling.apply(values), shape) for values in raw]

    return Chosen(*choose_scaling(recipe.trace, item.name, item.menu(shape), scaled))
