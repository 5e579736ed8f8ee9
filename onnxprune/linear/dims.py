"""Where the dims of a trace meet the matrices of linear layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, Mask, free_dims, keep, units
from onnxprune.linear.layer import Layer
from onnxprune.linear.registry import layers
from onnxprune.tracing import Trace


@dataclass(frozen=True)
class Consumer:
    """A layer that sums over a dim: `units` names the unit of each column, int64 [columns], -1 for none.

    The columns of every group have the same units.
    """

    layer: Layer
    units: NDArray[np.int64]


def consumers(trace: Trace) -> dict[Dim, list[Consumer]]:
    """Return, for each prunable dim, the layers that sum over it, in node order."""
    uses = {use.slot: use for use in trace.uses}
    found: dict[Dim, list[Consumer]] = {dim: [] for dim in trace.dims}
    for layer in layers(trace.model):
        axes = uses[layer.key, layer.w_slot].axes
        for dim in {dim for axis in axes for dim in free_dims(axis)}:
            labels = _column_units(layer, axes, dim)
            if labels is not None:
                found[dim].append(Consumer(layer, labels))
    return found


def kept_outputs(layer: Layer, axes: tuple[Expr, ...], masks: Mapping[Dim, Mask]) -> tuple[Mask, Mask]:
    """Return which groups and which outputs of each group of a dense layer are kept, bool [groups] and [outs]."""
    kept: NDArray[Any] = np.ones((), bool)
    for axis in axes:
        kept = np.logical_and.outer(kept, keep(axis, masks))
    matrix = layer.matrix(kept)
    return np.asarray(matrix.any(axis=(1, 2))), np.asarray(matrix.any(axis=(0, 1)))


def _column_units(layer: Layer, axes: tuple[Expr, ...], dim: Dim) -> NDArray[np.int64] | None:
    """Return the unit of each column, or None where the dim only numbers outputs or groups."""
    shape = [len(units(axis, dim)) for axis in axes]
    for place, axis in enumerate(axes):
        if dim not in free_dims(axis):
            continue
        along = units(axis, dim).reshape([-1 if other == place else 1 for other in range(len(axes))])
        labels: NDArray[np.int64] = layer.matrix(np.broadcast_to(along, shape))[0, :, 0]
        if (labels != labels[0]).any():
            return labels
    return None
