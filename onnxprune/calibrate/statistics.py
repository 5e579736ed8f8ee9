"""What the dense model computes at the inputs of its linear layers: means, squares, zeros and covariances."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.memory import WIDEST, covered
from onnxprune.calibrate.rows import RowChoice
from onnxprune.calibrate.single import in_single_precision
from onnxprune.calibrate.stages import Stages
from onnxprune.linear import Layer, by_depth, layers
from onnxprune.model import Model

Array = NDArray[Any]

CHUNK = 2048
"""Rows that are gathered before they are counted: the product of few and wide rows is mostly traffic of memory."""


@dataclass
class Statistics:
    """Sums over the rows of one layer's inputs; `products` is there only where covariances were asked for.

    Sums are taken of the differences to `origin`, the mean of the first rows: where a mean is far larger than what
    varies, the difference of large sums would be mostly rounding. Products stay in the precision of the inputs, in
    which they are computed fastest.
    """

    origin: Array
    sums: Array
    squares: Array
    zeros: Array
    products: Array | None
    rows: int = 0

    @staticmethod
    def beginning_with(inputs: Array, covariances: bool) -> Statistics:
        """Return statistics of no rows yet, made for inputs like these, [groups, rows, columns]."""
        groups, rows, columns = inputs.shape
        origin = inputs.sum(axis=1, dtype=np.float64) / max(rows, 1)
        sums, squares, zeros = np.zeros((3, groups, columns))
        products = np.zeros((groups, columns, columns), inputs.dtype) if covariances and columns <= WIDEST else None
        return Statistics(origin.astype(inputs.dtype), sums, squares, zeros, products)

    def add(self, inputs: Array) -> None:
        """Count in some rows of inputs, [groups, rows, columns]."""
        moved = inputs - self.origin[:, None]
        self.rows += moved.shape[1]
        self.sums += moved.sum(axis=1, dtype=np.float64)
        self.squares += np.einsum("grc,grc->gc", moved, moved, dtype=np.float64)
        self.zeros += (inputs == 0).sum(axis=1)
        if self.products is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # of values beyond 1e19; see `covariance`
                self.products += np.swapaxes(moved, 1, 2) @ moved

    @property
    def mean(self) -> Array:
        """The mean of each column, float64 [groups, columns]."""
        return np.asarray(self.origin + self._over_rows(self.sums))

    @property
    def square(self) -> Array:
        """The mean square of each column, float64 [groups, columns]."""
        return np.asarray(self.variance + self.mean**2)

    @property
    def variance(self) -> Array:
        """The variance of each column, float64 [groups, columns]."""
        return np.asarray(np.maximum(self._over_rows(self.squares) - self._over_rows(self.sums) ** 2, 0))

    @property
    def zero_share(self) -> Array:
        """The share of zeros in each column, float64 [groups, columns] (APoZ: Hu et al., 2016, equation 1)."""
        return self._over_rows(self.zeros)

    def covariance(self) -> Array | None:
        """Return the covariance of the columns, float64 [groups, columns, columns].

        None where it was not asked for, or where values are so large that products of them overflow.
        """
        if self.products is None or not np.isfinite(self.products).all():
            return None
        shift, found = self._over_rows(self.sums), self._over_rows(self.products)
        found -= shift[:, :, None] * shift[:, None, :]
        return found

    def _over_rows(self, sums: Array) -> Array:
        """Return sums as means, in float64; where there was no row at all they are zeros."""
        return np.divide(sums, max(self.rows, 1), dtype=np.float64)


def collect(
    model: Model,
    types: Mapping[str, int],
    calibration: Calibration,
    covariances: bool,
    memory_limit: int,
    on_progress: Callable[[float], None] = lambda share: None,
) -> dict[str, Statistics]:
    """Run the model once over the samples and return the statistics of every linear layer, by its `output`.

    Layers that do the same with one weight, as the steps of an unrolled recurrence do, share theirs. Layers of more
    than `WIDEST` columns get no covariance, nor do those that `memory_limit` leaves no room for.
    Activations are held for one batch, and on the cut between two stages as far as it allows. `types` holds the element
    types of tensors.
    """
    model, types, batches = in_single_precision(model, types, calibration.batches)
    stages = Stages(model, types, batches, memory_limit)
    choice = RowChoice(len(batches), limit=memory_limit)
    related = covered(layers(model), memory_limit) if covariances else set()
    found: dict[str, Statistics] = {}
    counts: dict[Hashable, _Count] = {}
    groups = by_depth(model, layers(model))
    for place, group in enumerate(groups):
        ours = {
            layer: counts.setdefault(_use_of_weight(layer), _Count(choice, layer.output in related)) for layer in group
        }
        names = list(dict.fromkeys(name for layer in group for name in (layer.x, layer.y)))
        for batch, values in enumerate(stages.advance(names)):
            for layer, count in ours.items():
                count.add(layer, batch, values)
            on_progress((place + (batch + 1) / len(batches)) / len(groups))
        found.update({layer.output: count.result() for layer, count in ours.items()})
    return found


def _use_of_weight(layer: Layer) -> Hashable:
    """Return what is the same for layers that multiply one weight in the same way."""
    attributes = sorted(attribute.SerializeToString() for attribute in layer.node.attribute)
    return layer.weight, layer.w_slot, layer.node.op_type, tuple(attributes)


class _Count:
    """The statistics of one weight in the making."""

    def __init__(self, choice: RowChoice, covariances: bool) -> None:
        self._choice = choice
        self._covariances = covariances
        self._waiting: list[Array] = []
        self._counted: Statistics | None = None

    def add(self, layer: Layer, batch: int, values: Mapping[str, Array]) -> None:
        """Take the chosen rows of one batch, but for those that are not finite."""
        groups, columns, _ = layer.matrix_shape
        rows = self._choice.of(batch, layer.rows(values[layer.y]), columns, groups)
        inputs = layer.inputs(values[layer.x], rows)
        finite = np.isfinite(inputs).all(axis=(0, 2))
        self._waiting.append(inputs if finite.all() else inputs[:, finite])
        if sum(inputs.shape[1] for inputs in self._waiting) >= CHUNK:
            self._count_in()

    def result(self) -> Statistics:
        """Return the statistics of all rows so far."""
        return self._count_in() if self._waiting or self._counted is None else self._counted

    def _count_in(self) -> Statistics:
        inputs = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting, axis=1)
        if self._counted is None:
            self._counted = Statistics.beginning_with(inputs, self._covariances)
        self._counted.add(inputs)
        self._waiting = []
        return self._counted
