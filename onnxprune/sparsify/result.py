"""What a run that puts zeros into weights gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from onnxprune.apply import Changes
from onnxprune.external import place_of
from onnxprune.model import Model
from onnxprune.plan_of_zeros import PlanOrder, ZerosPlan
from onnxprune.report.zeros import Zeroed, count
from onnxprune.result import Result
from onnxprune.sparsify.weights import Weight
from onnxprune.sparsify.write import Zeroing

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ZerosResult(Result):
    """A model with zeros in its weights; `zeroings` say of which, by name."""

    zeroings: Mapping[str, Zeroing]
    orders: tuple[PlanOrder, ...]
    changes: Changes

    def _note_what_was_written(self) -> None:
        """Put the zeros into the report that were counted on the way into the file."""
        if self.pruned.edits:
            model = self.trace.model
            count(self.report, [zeroed(each, model, self.pruned, repaired=False) for each in self.zeroings.values()])

    @cached_property
    def plan(self) -> ZerosPlan:
        """Which weights became zero, as plain data."""
        model = self.trace.model
        assert self.report.sparsity is not None
        zeros = {layer["name"]: layer["zeros"] for layer in self.report.sparsity["layers"]}
        return ZerosPlan(
            {"file": model.path.name if model.path else None, "sha256": model.sha256},
            self.report.options,
            zeros,
            self._zeros,
            list(self.orders),
            self.changes.recovered,
            self.changes.added,
        )

    def _zeros(self, name: str) -> Mask:
        return zeros_in(self.zeroings[name].weight, self.pruned)


def zeros_in(weight: Weight, model: Model) -> Mask:
    """Return which numbers of a weight are zero in a model, bool in the stored shape."""
    values = model.array(model.constants[weight.key])
    return np.asarray(values == weight.zero.astype(values.dtype))


def zeroed(zeroing: Zeroing, dense: Model, pruned: Model, repaired: bool) -> Zeroed:
    """Count the zeros of a weight in both models, or say what was counted when they were put in.

    Where that happens only while the weight is read, and it was not yet, there are as many as were promised.
    """
    weight, tally = zeroing.weight, zeroing.tally
    if tally.size == weight.size and not repaired:
        return Zeroed(weight.name, weight.shape, tally.before, tally.after)
    if place_of(pruned.constants[weight.key]) in pruned.edits:
        return Zeroed(weight.name, weight.shape, None, zeroing.zeros)
    before, after = (int(np.count_nonzero(zeros_in(weight, model))) for model in (dense, pruned))
    return Zeroed(weight.name, weight.shape, before, after)
