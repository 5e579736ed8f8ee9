"""Activations: what reaches the layers that sum over a unit, on calibration samples.

All three look at the columns that a unit has in the matrices of its consumers: the linear layers that sum over its
dim. A dim without any (the width of queries and keys, quantized weights) is scored by its weights alone, on the same
scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.calibrate.statistics import Statistics
from onnxprune.criteria.magnitude import l1, l2, normalized, shares_of
from onnxprune.criteria.registry import Evidence, Needs, Saliency, criterion
from onnxprune.linear import Layer, consumers

Array = NDArray[Any]

Measure = Callable[[Layer, Statistics], Array]
"""(layer, statistics of its inputs) -> a value for each column, float64 [groups, columns]."""

ALIKE = 0.01
"""Activity that differs by less than this share of its mean tells no units apart: there is no rectifier."""


@criterion("wanda", needs=Needs.MOMENTS)
def wanda(evidence: Evidence) -> Saliency:
    """Return sum |W_ij| ||X_j|| over the columns j of each unit and all outputs i, divided by its mean over the dim.

    Sun et al., "A Simple and Effective Pruning Approach for Large Language Models" (Wanda), 2023, equation 1. The norm
    is a root mean square here. They compare only weights of one output; so dims are made comparable by their means, as
    in `l1`, which stands in where a dim has no consumer.
    """
    return {**l1(evidence), **normalized(_over_columns(evidence, _weighted_norms))}


@criterion("apoz", needs=Needs.MOMENTS)
def apoz(evidence: Evidence) -> Saliency:
    """Return how often each unit is not zero in the columns of its consumers, divided by the mean over the dim.

    Hu et al., "Network Trimming: A Data-Driven Neuron Pruning Approach towards Efficient Deep Architectures", 2016:
    one minus the average percentage of zeros (APoZ, equation 1). They trim what stands out in its layer, hence the
    mean; it also cancels the zeros of padding, which all units share. Where no unit is zero more often than another
    (there is no rectifier, or no consumer), `l2` stands in, whose mean is one as well.
    """
    active = normalized(_over_columns(evidence, _activity))
    telling = {dim: values for dim, values in active.items() if np.ptp(values) >= ALIKE}
    return {**l2(evidence), **telling}


@criterion("variance", needs=Needs.MOMENTS)
def variance(evidence: Evidence) -> Saliency:
    """Return var(X_j) ||W_j||^2 over the columns j of each unit, as a share of the sum over the layer's columns.

    An et al., "Fluctuation-based Adaptive Structured Pruning for Large Language Models", 2024, where it is called WIFV.
    It is what `obs` is for inputs that do not depend on each other: the share of the consumers' output variance that
    goes with the unit, added up over the consumers, which compares across dims as it is. A dim without a consumer has
    the unit's share of the squared weights instead.
    """
    return {**shares_of(evidence.trace), **_over_columns(evidence, _variances)}


def _weighted_norms(layer: Layer, statistics: Statistics) -> Array:
    return np.asarray(np.sqrt(statistics.square) * np.abs(_matrix(layer)).sum(axis=2))


def _activity(layer: Layer, statistics: Statistics) -> Array:
    return 1 - statistics.zero_share


def _variances(layer: Layer, statistics: Statistics) -> Array:
    energies = statistics.variance * np.square(_matrix(layer)).sum(axis=2)
    return np.asarray(energies / max(energies.sum(), np.finfo(np.float64).tiny))


def _matrix(layer: Layer) -> Array:
    return layer.matrix(layer.model.array(layer.model.constants[layer.weight])).astype(np.float64)


def _over_columns(evidence: Evidence, measure: Measure) -> dict[Dim, Array]:
    """Return the sum of a measure over the columns of each unit, float64 [dim.size]; only dims that have consumers."""
    totals: dict[Dim, Array] = {}
    for dim, found in consumers(evidence.trace).items():
        for consumer in found:
            values = measure(consumer.layer, evidence.statistics[consumer.layer.output]).sum(axis=0)
            owned = consumer.units >= 0
            by_unit = np.bincount(consumer.units[owned], values[owned], dim.size)
            totals[dim] = totals[dim] + by_unit if dim in totals else by_unit
    return totals
