"""Two models side by side: every output equal up to rounding, as `verify` judges it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from onnxprune.errors import ModelError, VerificationError
from onnxprune.feeds import random_feeds, usable_feeds
from onnxprune.inputs import ATTEMPTS, concrete_inputs
from onnxprune.model import Model
from onnxprune.precision import as_float32, is_half
from onnxprune.runtime import Feeds, Session
from onnxprune.tracing import Trace
from onnxprune.verify.check import (
    LARGEST_TOLERANCE,
    NOISE_FACTOR,
    QUANTIZED_STEPS,
    QUANTIZED_TOLERANCE,
    TOLERANCE,
)
from onnxprune.verify.choices import after_a_choice
from onnxprune.verify.compare import QUIET_CHANNEL, Difference, difference
from onnxprune.verify.rounding import rounds, without_rounding
from onnxprune.verify.steps import Steps

ROUNDED_WEIGHTS = {TensorProto.FLOAT16: 8 * 2.0**-11, TensorProto.BFLOAT16: 8 * 2.0**-8}
"""What is folded into weights of half precision is rounded to it: a few times that, at least, may outputs differ."""

OTHER_BATCH = 3
MAX_TRIES = 5
"""Random inputs to try for a model that makes choices, as for a pruned one."""

Values = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class SameOutputs:
    """How two models were compared.

    `error` is the relative difference of the `output` that came closest to its `tolerance`; `inputs` holds the shapes
    of the inputs of every run. `not_compared` names outputs behind a choice that rounding tips in the model itself.
    """

    error: float
    tolerance: float
    output: str
    inputs: tuple[Mapping[str, tuple[int, ...]], ...]
    given: bool
    not_compared: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return {**self.__dict__, "inputs": [{n: list(s) for n, s in shapes.items()} for shapes in self.inputs]}


def same_outputs(found: Trace, simple: Model, feeds: Feeds | None = None, seed: int = 0) -> SameOutputs:
    """Show that a model computes what the traced one does, on `feeds` or on random inputs of two sizes.

    Raises `VerificationError` where an output differs by more than rounding, `ModelError` where one cannot be run.
    """
    if feeds is not None:
        return _Comparison(found.model, simple, [feeds]).judged(given=True)
    for attempt in range(MAX_TRIES - 1):
        try:
            return _random(found, simple, seed + attempt)
        except VerificationError as error:
            if not error.after_a_choice:
                raise
    return _random(found, simple, seed + MAX_TRIES - 1)


def _random(found: Trace, simple: Model, seed: int) -> SameOutputs:
    first = usable_feeds(found, seed)
    return _Comparison(found.model, simple, [first, *_of_another_size(found, first, seed)]).judged(given=False)


def _of_another_size(found: Trace, first: Feeds, seed: int) -> Iterator[Feeds]:
    """Yield inputs of other sizes, where the model is open and runs at any: a size must not have become a constant."""
    used, session = _shapes(first), Session(found.model)
    for batch, attempt in product((OTHER_BATCH, None), reversed(range(ATTEMPTS))):
        shapes = concrete_inputs(found.model, None, attempt, batch)
        if shapes != used:
            other = random_feeds(found, shapes, seed + 1)
            try:
                session.run(other)
            except ModelError:
                continue
            yield other
            return


def _shapes(feeds: Feeds) -> dict[str, tuple[int, ...]]:
    return {name: values.shape for name, values in feeds.items()}


class _Comparison:
    def __init__(self, dense: Model, simple: Model, feeds: Sequence[Feeds]) -> None:
        self.names = [info.name for info in dense.proto.graph.output]
        self.chosen = after_a_choice(dense)
        self.least, self.inputs = TOLERANCE, tuple(_shapes(values) for values in feeds)
        if is_half(dense):
            self.least = _of_half_precision(dense)
            dense, simple = as_float32(dense), as_float32(simple)
            feeds = [{n: v.astype(np.float32) if v.dtype.kind in "fV" else v for n, v in f.items()} for f in feeds]
        self.dense, self.simple, self.feeds = dense, simple, feeds
        self.rounded = rounds(dense)
        self.unrounded = self.rounded and self._leave_out_rounding()

    def _leave_out_rounding(self) -> bool:
        dense, simple = without_rounding(self.dense), without_rounding(self.simple)
        if rounds(dense) or rounds(simple):
            return False
        self._run_simple(True)  # as it is, it has to run as well
        self.dense, self.simple, self.rounded = dense, simple, False
        return True

    def judged(self, given: bool) -> SameOutputs:
        """Compare every output of every run. Raises `VerificationError`."""
        expected, actual = self._run(self.dense, not self.rounded), self._run_simple(not self.rounded)
        noise = self._noise(expected, actual)
        seen, skipped = [], set()
        for place, name in enumerate(self.names):
            for e, a, n in zip(expected, actual, noise, strict=True):
                tolerance = self._tolerance(name, e[place], n, place)
                if name in self.chosen and tolerance > LARGEST_TOLERANCE:
                    skipped.add(name)
                else:
                    error = self._difference(e[place], a[place]).relative
                    seen.append((error / tolerance, error, tolerance, name))
        _refuse_wrong(seen, self.chosen)
        _, error, tolerance, name = max(seen, default=(0.0, 0.0, self.least, ""))
        return SameOutputs(error, tolerance, name, self.inputs, given, tuple(sorted(skipped)))

    def _run(self, model: Model, optimize: bool) -> list[Values]:
        session = Session(model, optimize=optimize)
        return [session.run(feeds) for feeds in self.feeds]

    def _run_simple(self, optimize: bool) -> list[Values]:
        try:
            return self._run(self.simple, optimize)
        except ModelError as error:
            raise VerificationError(
                f"the model runs and the simplified one does not, which is a mistake of onnxslim's; leave out "
                f"--simplify ({error})"
            ) from error

    def _difference(self, one: NDArray[Any], other: NDArray[Any]) -> Difference:
        return difference(one, other, 1.0 if self.rounded or self.unrounded else QUIET_CHANNEL)

    def _noise(self, expected: Sequence[Values], actual: Sequence[Values]) -> list[list[float]]:
        """Return, for every run, how far each output moves between onnxruntime's optimization levels."""
        if self.rounded:
            return [[0.0] * len(self.names) for _ in self.feeds]
        try:
            plain = self._run(self.dense, False), self._run(self.simple, False)
        except ModelError:  # some models run only with their fusions
            return [[0.0] * len(self.names) for _ in self.feeds]
        pairs = [list(zip(one, other, strict=True)) for one, other in zip((expected, actual), plain, strict=True)]
        moved = [[[self._difference(*p).relative for p in zip(*run, strict=True)] for run in pair] for pair in pairs]
        return [[max(both) for both in zip(*runs, strict=True)] for runs in zip(*moved, strict=True)]

    def _tolerance(self, name: str, values: NDArray[Any], noise: Sequence[float], place: int) -> float:
        if self.rounded:
            return max(QUANTIZED_TOLERANCE, QUANTIZED_STEPS * Steps(self.dense).relative(name, values))
        # As in `verify`: an output that came out the same is no more exact than others; one that does not even keep
        # its shape is behind a choice, or else it is a mistake.
        typical = float(np.median([own for own in noise if np.isfinite(own)] or [0.0]))
        own = noise[place] if np.isfinite(noise[place]) or name in self.chosen else 0.0
        return max(self.least, NOISE_FACTOR * max(own, typical))


def _refuse_wrong(seen: Sequence[tuple[float, float, float, str]], chosen: set[str]) -> None:
    wrong = [one for one in seen if not one[0] <= 1]
    certain = [one for one in wrong if one[3] not in chosen]
    if wrong:
        _, error, tolerance, name = max(certain or wrong)
        raise VerificationError(
            f"the simplified model does not compute what the model computes: output '{name}' is off by {error:.2g} "
            f"(tolerance {tolerance:.2g}). This is a mistake of onnxslim's; leave out --simplify",
            after_a_choice=not certain,
        )


def _of_half_precision(model: Model) -> float:
    kinds = {tensor.data_type for tensor in model.tensors()}
    return max((rounded for kind, rounded in ROUNDED_WEIGHTS.items() if kind in kinds), default=TOLERANCE)
