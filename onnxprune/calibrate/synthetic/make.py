"""Calibration samples out of nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from onnxprune.calibrate.batching import SAMPLES, Sampling
from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.memory import Load, Shares
from onnxprune.calibrate.synthetic.choice import Chosen, Wish, choose
from onnxprune.calibrate.synthetic.kinds import Kind
from onnxprune.calibrate.synthetic.recipe import Recipe
from onnxprune.calibrate.synthetic.runs import Runs, find_runs
from onnxprune.errors import ModelError, UsageError
from onnxprune.options import DataOptions
from onnxprune.tracing import Trace

ELEMENTS = 20_000_000
"""Input elements that are made unless a number of samples is asked for: 80 MB, and a few seconds of work."""
BYTES = 4
"""Bytes of an element, for most are real numbers in single precision."""
FEWEST = 32
"""Samples that are made unless another number is asked for, however large they are."""


def synthetic_calibration(
    trace: Trace,
    samples: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    input_range: tuple[float, float] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    memory_limit: int = DataOptions.memory_limit,
) -> Calibration:
    """Make up samples that the model can be run on, and that look to it much as real ones do.

    What each input is for is guessed: images are dead leaves and 1/f noise, recordings are tones and 1/f noise, indices
    into a table are uniform, with masks, segments and positions to go with them; other reals are standard normal.

    Args:
        trace: The model.
        samples: How many; by default 512, or fewer where they are large. A batch of fixed size is filled up.
        batch_size: How many to run together where the model leaves it open; by default 32.
        seed: The same seed makes the same samples.
        input_range: The lowest and the highest value of images and recordings.
        mean: What is taken from pixels of 0 to 1: one number, or one for each channel.
        std: What they are divided by then. With none of the three, the scaling is the one of the usual ones that fits
            what the first layers of the model tell about their input.
        memory_limit: Bytes that samples and what is computed on them may take; fewer are made, or run together, unless
            told otherwise.

    Raises:
        UsageError: Where what was asked for contradicts itself or the model.
        ModelError: Where the model runs at none of the usual sizes, or an input is no tensor, or text.
    """
    wish = Wish(input_range, mean, std)
    recipe, runs = _runnable(trace)
    wanted = _default_samples(runs, memory_limit) if samples is None else samples
    sampling = Sampling(wanted, batch_size, Load(trace.model), memory_limit)
    sizes = _sizes(recipe, runs, sampling)
    chosen = choose(recipe, runs, wish, seed)
    rng = np.random.default_rng(seed)
    scalings = {name: choice.scaling for name, choice in chosen.items()}
    batches = tuple(recipe.batch(rng, runs.shapes(size), scalings) for size in sizes)
    return Calibration(batches, sizes, _source(recipe, chosen, sum(sizes)), real=False)


def _runnable(trace: Trace) -> tuple[Recipe, Runs]:
    """Return what makes samples and the shapes to make: by guesses, or at random where the model refuses those."""
    guessed = Recipe(trace)
    try:
        return guessed, find_runs(guessed)
    except ModelError:
        plain = Recipe(trace, guess=False)
        return plain, find_runs(plain)


def _default_samples(runs: Runs, memory_limit: int) -> int:
    elements = sum(math.prod(shape) for shape in runs.one.values()) // (runs.fixed or 1)
    most = min(ELEMENTS, Shares(memory_limit).samples // BYTES)
    return min(SAMPLES, max(FEWEST, most // max(1, elements)))


def _sizes(recipe: Recipe, runs: Runs, sampling: Sampling) -> tuple[int, ...]:
    """Return the number of samples in each batch."""
    if runs.fixed is None:
        size = sampling.together(runs.shapes(1))
        starts = range(0, sampling.samples, size)
        return tuple(min(size, sampling.samples - start) for start in starts)
    if sampling.batch_size not in (None, runs.fixed):
        raise UsageError(
            f"--batch-size {sampling.batch_size}: input '{recipe.main.name}' takes exactly {runs.fixed} in a run; "
            "leave the option out"
        )
    return (runs.fixed,) * math.ceil(sampling.samples / runs.fixed)


def _source(recipe: Recipe, chosen: Mapping[str, Chosen], samples: int) -> str:
    """Say what was made."""
    told = []
    for item in recipe.ingredients:
        if item.name in chosen:
            what = "images of dead leaves and 1/f noise" if item.is_image else "recordings of tones and 1/f noise"
            told.append(f"{what}, {chosen[item.name].scaling.name} ({chosen[item.name].reason})")
        elif item.kind is Kind.TOKENS:
            told.append(f"token ids below {item.rows}")
        elif item.kind is Kind.OTHER and item.spec.dtype.kind in "fV":
            told.append("standard normal noise")
    return f"{samples} synthetic samples: {'; '.join(dict.fromkeys(told)) or 'random values'}"
