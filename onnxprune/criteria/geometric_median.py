"""The geometric median: filters that the others of their layer can stand in for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, Fixed, Product, Sum, free_dims, size
from onnxprune.criteria.magnitude import normalized, scored_uses
from onnxprune.criteria.producers import producing_sides
from onnxprune.criteria.registry import Evidence, Saliency, criterion
from onnxprune.record import Use
from onnxprune.scales import Scales
from onnxprune.tracing import Trace

Array = NDArray[Any]

BLOCK = 1024
"""Filters whose distances to all others are held at a time."""


@criterion("fpgm")
def fpgm(evidence: Evidence) -> Saliency:
    """Return the sum of the distances of each unit's filter to all others of its layer, divided by the mean.

    He et al., "Filter Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration", 2019. A filter
    is all that one weight holds to make the unit; over several weights that make a dim (the layers of a residual sum)
    the distances are added up. They prune every layer alike, so dims are made comparable by their means. A dim that no
    weight makes (the width of queries inside a fused attention) is judged by all its weights.
    """
    saliency = {dim: np.zeros(dim.size) for dim in evidence.trace.dims}
    scales = Scales(evidence.trace)
    for dim, sides in _sides(evidence.trace).items():
        for use, place in sides:
            weights = np.moveaxis(scales.real_values(use), place, 0).astype(np.float64)
            rows = weights.reshape(len(weights), -1)
            saliency[dim] += _distances(np.concatenate(_filters(use.axes[place], dim, rows), axis=1))
    return normalized(saliency)


def _sides(trace: Trace) -> dict[Dim, list[tuple[Use, int]]]:
    """Return the weights and axes that make each dim, or all that it has where none makes it."""
    making = producing_sides(trace)
    made: dict[Dim, list[tuple[Use, int]]] = {}
    every: dict[Dim, list[tuple[Use, int]]] = {}
    for use in scored_uses(trace):
        for place, axis in enumerate(use.axes):
            for dim in free_dims(axis):
                every.setdefault(dim, []).append((use, place))
                if (use.constant, use.axes, place, dim) in making:
                    made.setdefault(dim, []).append((use, place))
    return {**every, **made}


def _filters(expr: Expr, dim: Dim, rows: Array) -> list[Array]:
    """Return what the rows along an axis hold of each unit, as matrices [dim.size, entries]; `rows` is [size, ..]."""
    if isinstance(expr, Product):
        grid = rows.reshape(*(size(factor) or 0 for factor in expr.factors), -1)
        parts = [np.moveaxis(grid, place, 0).reshape(grid.shape[place], -1) for place in range(len(expr.factors))]
        return [
            found for part, factor in zip(parts, expr.factors, strict=True) for found in _filters(factor, dim, part)
        ]
    if isinstance(expr, Sum):
        parts = np.split(rows, np.cumsum([size(term) or 0 for term in expr.terms])[:-1])
        return [found for part, term in zip(parts, expr.terms, strict=True) for found in _filters(term, dim, part)]
    return [] if isinstance(expr, Fixed) or expr != dim else [rows]


def _distances(filters: Array) -> Array:
    """Return the sum of the Euclidean distances of each row to all others, [rows]."""
    squares = np.einsum("ue,ue->u", filters, filters)
    sums = np.zeros(len(filters))
    for start in range(0, len(filters), BLOCK):
        block = slice(start, start + BLOCK)
        apart = squares[block, None] + squares - 2 * filters[block] @ filters.T
        sums[block] = np.sqrt(np.maximum(apart, 0)).sum(axis=1)
    return sums
