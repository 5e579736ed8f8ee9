"""Choosing zeros layer after layer, each on the inputs that the layers before it, sparse and repaired, give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.statistics import Statistics
from onnxprune.granularity import Granularity
from onnxprune.linear import Layer, layers
from onnxprune.model import ConstantKey, Model, tensors_read
from onnxprune.recover import Correction, Recovery, Repair, Rows, repair
from onnxprune.sparsify.obs.admm import least_loss
from onnxprune.tracing import Trace

Array = NDArray[Any]
Mask = NDArray[np.bool_]

BELOW_ALL = -float(np.finfo(np.float32).tiny)
"""The score of a weight that is zero already: lower than that of a weight which makes no difference."""


def reachable(model: Model) -> set[ConstantKey]:
    """Return the weights in which `choose_by_obs` can choose: those of one linear layer of the main graph alone."""
    readers = Counter(name for node in model.proto.graph.node for name in tensors_read(node))
    return {layer.weight for layer in layers(model) if readers[layer.weight[1]] == 1}


def choose_by_obs(
    trace: Trace,
    start: Model,
    zeros: Mapping[ConstantKey, int],
    granularity: Granularity,
    calibration: Calibration,
    memory_limit: int,
    recovery: Recovery | None,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Model, dict[ConstantKey, Mask], Repair | None]:
    """Return `start`, edited in place, with so many `zeros` in its weights, and which they are, in stored shapes.

    `start` is the traced model as it is or with zeros in other weights, stored in the proto itself. Where weights are
    zero before, they stay zero and count. With a `recovery`, zeros are chosen for what it can make up for, and layers
    are repaired by it, also those that get no zeros but have others before them; without one, no other number changes.

    Weights that no layer could be given zeros for (see `Repair.left`) are not among the masks.
    """
    surgery = _Surgery(zeros, granularity, recovery)
    model, repaired = repair(
        trace, {}, start, calibration, recovery or UNREPAIRED, memory_limit, on_progress, zeros.keys(), surgery.cut
    )
    masks = {key: np.asarray(model.array(model.constants[key]) == 0) for key in surgery.done}
    return model, masks, repaired if recovery is not None else None


def _unrepaired(rows: Rows) -> Correction:
    """Leave the weights that are not zero as they are."""
    return Correction(np.zeros_like(rows.matrix), np.zeros_like(rows.bias))


UNREPAIRED = Recovery("none", sequential=True, method=_unrepaired, moves_biases=False)


@dataclass(frozen=True)
class _Surgery:
    """How many zeros to choose in which weights, and where that was `done`."""

    zeros: Mapping[ConstantKey, int]
    granularity: Granularity
    recovery: Recovery | None
    done: set[ConstantKey] = field(default_factory=set)

    def cut(self, layer: Layer, rows: Rows) -> Rows:
        """Put zeros into the matrix of a layer, which is fitted to its inputs first so that they tell what it needs."""
        zeros = self.zeros.get(layer.weight)
        if zeros is None:
            return rows
        fitted = rows.matrix
        if self.recovery is not None:
            fitted = (fitted + self.recovery.method(rows).matrix).astype(fitted.dtype)

        def lowest(scores: Array) -> Mask:
            return self.granularity.lowest(np.where(rows.frozen, BELOW_ALL, scores), zeros)

        self.done.add(layer.weight)
        return replace(rows, matrix=np.where(_goes(fitted, rows, lowest), 0, fitted).astype(fitted.dtype))


def _goes(weights: Array, rows: Rows, lowest: Callable[[Array], Mask]) -> Mask:
    """Return which weights go: for layers too wide for second moments, as if inputs were independent."""
    statistics = Statistics.beginning_with(rows.inputs, covariances=True)
    statistics.add(rows.inputs)
    moments, mean = statistics.covariance(), statistics.mean * (not rows.has_room)
    if moments is None:
        return lowest((statistics.variance + mean**2)[..., None] * np.square(weights, dtype=np.float64))
    moments += mean[:, :, None] * mean[:, None, :]
    return least_loss(weights, moments, lowest)
