"""How one batch is made: a value for every input of a model, such that they go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.specs import input_specs
from onnxprune.calibrate.synthetic.ingredient import Ingredient
from onnxprune.calibrate.synthetic.kinds import Kind, kind_of
from onnxprune.calibrate.synthetic.scaling import Scaling
from onnxprune.calibrate.synthetic.tokens import mask, positions, real_positions, segments
from onnxprune.feeds import random_feeds, vocabulary
from onnxprune.tracing import Trace

Shapes: TypeAlias = "Mapping[str, tuple[int, ...]]"


class Recipe:
    """What makes batches for a model."""

    def __init__(self, trace: Trace, guess: bool = True) -> None:
        """With `guess` off, every input is what `random_feeds` draws. Raises `ModelError` where one is no tensor."""
        self.trace = trace
        self.ingredients = tuple(
            Ingredient(spec, kind_of(trace, spec) if guess else Kind.OTHER, vocabulary(trace, spec.name))
            for spec in input_specs(trace.model)
            if spec.required
        )

    @property
    def main(self) -> Ingredient:
        """The input that the others go with: images, recordings or tokens, or else the first."""
        found = (item for item in self.ingredients if item.is_raw or item.kind is Kind.TOKENS)
        return next(found, self.ingredients[0])

    def batch(
        self, rng: np.random.Generator, shapes: Shapes, scalings: Mapping[str, Scaling]
    ) -> dict[str, NDArray[Any]]:
        """Make one batch in which the inputs have `shapes`; `scalings` has one for all images and recordings."""
        masks = (shapes[item.name] for item in self.ingredients if item.kind in (Kind.MASK, Kind.PADDING))
        counted = next((shape for shape in masks if len(shape) == 2), shapes[self.main.name] or (1,))
        longest = counted[-1]
        real = real_positions(rng, counted[0], longest)
        made: dict[str, NDArray[Any]] = {}
        for item in self.ingredients:
            shape = shapes[item.name]
            if item.is_raw:
                made[item.name] = item.arranged(scalings[item.name].apply(item.raw(rng, shape)), shape)
            else:
                made[item.name] = self._drawn(rng, item, shape, real, longest).astype(item.spec.dtype)
        return made

    def _drawn(
        self, rng: np.random.Generator, item: Ingredient, shape: tuple[int, ...], real: NDArray[np.int64], longest: int
    ) -> NDArray[Any]:
        """Return values for an input that needs no scaling."""
        if item.kind is Kind.TOKENS:
            return rng.integers(0, item.rows or 2, shape)
        if item.kind is Kind.MASK:
            return mask(real, longest, shape)
        if item.kind is Kind.PADDING:
            return 1 - mask(real, longest, shape)
        if item.kind is Kind.SEGMENTS:
            return segments(rng, shape, item.rows or 2)
        if item.kind is Kind.POSITIONS:
            return positions(shape, item.rows or max(1, shape[-1]))
        if item.kind is Kind.LENGTHS:
            return real if shape == real.shape else np.full(shape, longest)
        return random_feeds(self.trace, {item.name: shape}, int(rng.integers(1 << 32)))[item.name]
