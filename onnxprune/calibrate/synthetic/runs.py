"""The shapes that a model really runs at, and how many samples go into one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onnxprune.calibrate.synthetic.ingredient import Ingredient
from onnxprune.calibrate.synthetic.recipe import Recipe, Shapes
from onnxprune.errors import ModelError
from onnxprune.inputs import ATTEMPTS, concrete_inputs
from onnxprune.runtime import Session


@dataclass(frozen=True)
class Runs:
    """Shapes for one sample, the axes of each input that count samples, and how many go into every run.

    `fixed` is None where the number of samples is open.
    """

    one: Shapes
    batch_axes: Mapping[str, tuple[int, ...]]
    fixed: int | None

    def shapes(self, samples: int) -> Shapes:
        """Return the shapes of the inputs for a run of some samples."""
        if self.fixed is not None:
            return self.one
        return {
            name: tuple(samples if axis in self.batch_axes[name] else length for axis, length in enumerate(shape))
            for name, shape in self.one.items()
        }


def find_runs(recipe: Recipe) -> Runs:
    """Return shapes that the model runs at on what the recipe makes, with an open number of samples if possible.

    Raises `ModelError` where none of the usual sizes will do.
    """
    session = Session(recipe.trace.model)
    failure: ModelError | None = None
    for attempt in range(ATTEMPTS):
        for runs in _possible(recipe, concrete_inputs(recipe.trace.model, attempt=attempt)):
            shapes = runs.shapes(2)
            scalings = {item.name: item.menu(shapes[item.name]).default for item in recipe.ingredients if item.is_raw}
            try:
                session.run(recipe.batch(np.random.default_rng(0), shapes, scalings))
            except ModelError as error:
                failure = error
            else:
                return runs
    assert failure is not None
    raise failure


def _possible(recipe: Recipe, one: Shapes) -> list[Runs]:
    """Return the ways to run the model at some shapes: many samples at a time if it leaves that open, and one."""
    axes = {
        item.name: tuple(
            axis
            for axis, (declared, length) in enumerate(zip(item.spec.shape or (), one[item.name], strict=True))
            if not isinstance(declared, int) and length == 1
        )
        for item in recipe.ingredients
    }
    fixed = Runs(one, axes, _samples(recipe.main, one[recipe.main.name]))
    return [Runs(one, axes, None), fixed] if axes[recipe.main.name] else [fixed]


def _samples(main: Ingredient, shape: tuple[int, ...]) -> int:
    """Return how many samples the main input holds: the length of its first axis, if it has one for samples."""
    is_single = not shape or (main.is_image and len(shape) == 3)
    return 1 if is_single else shape[0]
