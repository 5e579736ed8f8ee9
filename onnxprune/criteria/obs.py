"""Optimal Brain Surgeon for groups: the error that remains after the repair.

Hassibi and Stork, "Second order derivatives for network pruning: Optimal Brain Surgeon", 1993, remove the weight whose
loss is least *after* the others were corrected. Here a unit takes with it the columns U of every layer that sums over
it. With the covariance C of a layer's inputs and its weights W, the best correction leaves the error

    tr(W_U^T [(C^-1)_UU]^-1 W_U),

taken relative to tr(W^T C W), the variance of the layer's outputs, and added up over the layers (in blocks as in
Kurtic et al., "ZipLM", 2023). Units go greedily, and after each the weights and the inverse are those of the corrected
layer: so a unit's saliency counts that its like may have gone before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.calibrate.statistics import Statistics
from onnxprune.criteria.magnitude import shares_of
from onnxprune.criteria.registry import Evidence, Needs, Saliency, criterion
from onnxprune.criteria.surgery import Layers, Patient
from onnxprune.linear import Consumer, consumers

Array = NDArray[Any]

PART = 24
"""At most one in so many of the units that are left goes between two looks at all of them."""


@criterion("obs", needs=Needs.COVARIANCES, is_loss=True)
def obs(evidence: Evidence) -> Saliency:
    """Return the share of the consumers' output variance that is lost with each unit and cannot be repaired.

    A dim that no linear layer sums over (the width of queries and keys) has the unit's share of the squared weights
    instead, which is the same where the units are uncorrelated and of equal size.
    """
    shares = shares_of(evidence.trace)
    found = {dim: _alike(each, evidence.statistics) for dim, each in consumers(evidence.trace).items()}
    layers = Layers(evidence.statistics, [same[0].layer for each in found.values() for same in each])
    return {
        dim: _by_surgery(dim, [layers.patient(dim, same[0], len(same)) for same in each]) if each else shares[dim]
        for dim, each in found.items()
    }


def _alike(found: list[Consumer], statistics: Mapping[str, Statistics]) -> list[list[Consumer]]:
    """Return consumers together that do the same with one weight: these share their statistics."""
    alike: dict[tuple[int, bytes], list[Consumer]] = {}
    for consumer in found:
        alike.setdefault((id(statistics[consumer.layer.output]), consumer.units.tobytes()), []).append(consumer)
    return [*alike.values()]


def _by_surgery(dim: Dim, patients: list[Patient]) -> Array:
    left, saliency, worst = np.arange(dim.size), np.zeros(dim.size), 0.0
    while len(left):
        going, losses = _next_to_go(patients)
        saliency[left[going]] = np.maximum.accumulate(np.maximum(losses, worst))
        worst = saliency[left[going[-1]]]
        left = np.delete(left, going)
        if len(left):
            for patient in patients:
                patient.remove(going)
    return saliency


def _next_to_go(patients: list[Patient]) -> tuple[Array, Array]:
    """Return some units in the order in which they go, and what is lost with each.

    They go one at a time, but after each only those that cost little are looked at again, until none of them costs
    less than `outside`, the least of the rest: a unit whose like has just gone is dear by then, and stays.
    """
    losses = _losses(patients)
    order = np.argsort(losses, kind="stable")
    many = -(-len(order) // PART)
    near, outside = order[: 2 * many], losses[order[2 * many]] if 2 * many < len(order) else np.inf
    cuttings = [patient.cutting(near) for patient in patients]
    going: list[int] = []
    lost: list[float] = []
    while len(going) < many:
        losses = _losses(cuttings)
        least = losses.argmin()
        if going and losses[least] > outside:
            break
        going.append(near[least])
        lost.append(losses[least])
        near = np.delete(near, least)
        for cutting in cuttings:
            cutting.remove(np.array([least]))
    return np.array(going), np.array(lost)


def _losses(patients: list[Patient]) -> Array:
    return np.asarray(np.sum([patient.losses() for patient in patients], axis=0))
