"""Magnitude: what all the weights of a unit weigh together.

Li et al., "Pruning Filters for Efficient ConvNets", 2017, sum a filter's absolute weights (`l1`). Here, as in
DepGraph (Fang et al., 2023), the sum runs over every weight that goes with the unit, on the producing as well
as on the consuming side. Dividing by the mean over the dim makes dims of different fan-in comparable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, free_dims, spread
from onnxprune.criteria.registry import Evidence, Saliency, criterion
from onnxprune.parameters import parameter_uses
from onnxprune.record import Use
from onnxprune.scales import Scales
from onnxprune.tracing import Trace

Along = Callable[[NDArray[Any], int], NDArray[Any]]
"""(weights, axis) -> the sum over all other axes, float64 [weights.shape[axis]]."""

_TINY = np.finfo(np.float64).tiny


@criterion("l1")
def l1(evidence: Evidence) -> Saliency:
    """Return sum |w| over the weights of each unit, divided by its mean over the dim."""
    return normalized(_totals(evidence.trace, _sum_of_magnitudes))


@criterion("l2")
def l2(evidence: Evidence) -> Saliency:
    """Return sqrt(sum w^2) over the weights of each unit, divided by its mean over the dim."""
    return normalized({dim: np.sqrt(total) for dim, total in squares_of(evidence.trace).items()})


def squares_of(trace: Trace) -> dict[Dim, NDArray[Any]]:
    """Return sum w^2 over the weights of each unit, float64 [dim.size]."""
    return _totals(trace, _sum_of_squares)


def shares_of(trace: Trace) -> dict[Dim, NDArray[Any]]:
    """Return the share of each unit in the squared weights of its dim, float64 [dim.size]; zeros where all are zero."""
    return {dim: squares / max(squares.sum(), _TINY) for dim, squares in squares_of(trace).items()}


def scored_uses(trace: Trace) -> list[Use]:
    """Return the weights that count: kernels and matrices, and vectors (biases, normalization) for dims without any.

    A weight that several nodes use in the same way is there once.
    """
    distinct = {(use.constant, use.axes): use for use in parameter_uses(trace)}
    matrices = [use for use in distinct.values() if len(use.axes) > 1]
    reached = {dim for use in matrices for axis in use.axes for dim in free_dims(axis)}
    vectors = [use for use in distinct.values() if len(use.axes) == 1 and not reached & set(free_dims(use.axes[0]))]
    return matrices + vectors


def normalized(saliency: Saliency) -> Saliency:
    """Divide each dim's saliency by its mean, so that units of different dims can be compared."""
    means = {dim: float(np.mean(values)) for dim, values in saliency.items()}
    return {dim: values / means[dim] if means[dim] > 0 else values for dim, values in saliency.items()}


def _totals(trace: Trace, along: Along) -> dict[Dim, NDArray[Any]]:
    totals: dict[Dim, NDArray[Any]] = {}
    scales = Scales(trace)
    for use in scored_uses(trace):
        weights = scales.real_values(use)
        for axis, expr in enumerate(use.axes):
            if free_dims(expr):
                for dim, values in spread(expr, along(weights, axis)).items():
                    totals[dim] = totals[dim] + values if dim in totals else values
    return {dim: totals.get(dim, np.zeros(dim.size)) for dim in trace.dims}


def _blocks(weights: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return the weights as [before, axis, after], in a type that can be summed exactly enough."""
    shape = weights.shape
    blocks = weights.reshape(int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :])))
    return blocks if blocks.dtype in (np.float32, np.float64) else blocks.astype(np.float32)


def _sum_of_squares(weights: NDArray[Any], axis: int) -> NDArray[Any]:
    blocks = _blocks(weights, axis)
    return np.asarray(np.einsum("abc,abc->b", blocks, blocks), np.float64)


def _sum_of_magnitudes(weights: NDArray[Any], axis: int) -> NDArray[Any]:
    return np.asarray(np.abs(_blocks(weights, axis)).sum(axis=(0, 2), dtype=np.float64))
