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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.calibrate.statistics import Statistics
from onnxprune.criteria.magnitude import shares_of
from onnxprune.criteria.registry import Evidence, Needs, Saliency, criterion
from onnxprune.linear import Consumer, consumers

Array = NDArray[Any]

RIDGE = 1e-3
"""Added to the covariance, relative to its mean diagonal: inputs may depend on each other."""

PART = 24
"""At most one in so many of the units that are left goes between two looks at all of them."""


@criterion("obs", needs=Needs.COVARIANCES, is_loss=True)
def obs(evidence: Evidence) -> Saliency:
    """Return the share of the consumers' output variance that is lost with each unit and cannot be repaired.

    A dim that no linear layer sums over (the width of queries and keys) has the unit's share of the squared weights
    instead, which is the same where the units are uncorrelated and of equal size.
    """
    shares = shares_of(evidence.trace)
    return {
        dim: _by_surgery(dim, found, evidence.statistics) if found else shares[dim]
        for dim, found in consumers(evidence.trace).items()
    }


def _by_surgery(dim: Dim, found: list[Consumer], statistics: Mapping[str, Statistics]) -> Array:
    patients = [_admit(dim, consumer, statistics[consumer.layer.output]) for consumer in found]
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


def _next_to_go(patients: list[_Patient]) -> tuple[Array, Array]:
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


def _losses(patients: list[_Patient]) -> Array:
    return np.asarray(np.sum([patient.losses() for patient in patients], axis=0))


def _admit(dim: Dim, consumer: Consumer, statistics: Statistics) -> _Patient:
    layer, labels = consumer.layer, consumer.units
    order = np.argsort(np.where(labels < 0, dim.size, labels), kind="stable")
    weights = layer.matrix(layer.model.array(layer.model.constants[layer.weight])).astype(np.float64)[:, order]
    covariance = statistics.covariance()
    if covariance is None:
        covariance = _diagonal(statistics.variance)
    covariance = _pairs(covariance, order, order)
    energy = max(float(np.sum(weights * (covariance @ weights))), np.finfo(np.float64).tiny)
    inverse = np.linalg.inv(covariance + _diagonal(_ridge(covariance)))
    return _Patient(weights, inverse, dim.size, int((labels >= 0).sum()) // dim.size, energy)


@dataclass
class _Patient:
    """One layer that loses units: the columns of each unit are together, those of no unit come last.

    `weights` is [groups, columns, outs], `inverse` [groups, columns, columns]: of the inputs' covariance. `left` units
    have `taps` columns each. `energy` is the variance of the whole layer's outputs.
    """

    weights: Array
    inverse: Array
    left: int
    taps: int
    energy: float

    def losses(self) -> Array:
        """Return what is lost for good with each unit that is left, as a share of the output's variance, [units]."""
        blocks, weights = self._by_unit()
        corrected = np.linalg.inv(blocks) @ weights
        return np.asarray(np.einsum("guto,guto->u", weights, corrected) / self.energy)

    def cutting(self, units: Array) -> _Patient:
        """Return a copy of these units alone: what happens to them as some of them go depends on no others."""
        columns = self._columns(units)
        inverse = _pairs(self.inverse, columns, columns)
        return _Patient(self.weights.take(columns, 1), inverse, len(units), self.taps, self.energy)

    def remove(self, units: Array) -> None:
        """Take units out and correct the rest for it."""
        self.left -= len(units)
        gone = self._columns(units)
        rest = np.setdiff1d(np.arange(self.weights.shape[1]), gone)
        across = _pairs(self.inverse, rest, gone)
        moves = across @ np.linalg.inv(_pairs(self.inverse, gone, gone))
        self.weights = self.weights.take(rest, 1) - moves @ self.weights.take(gone, 1)
        self.inverse = _pairs(self.inverse, rest, rest)
        self.inverse -= moves @ np.swapaxes(across, 1, 2)

    def _columns(self, units: Array) -> Array:
        return np.asarray((units[:, None] * self.taps + np.arange(self.taps)).ravel())

    def _by_unit(self) -> tuple[Array, Array]:
        """Return the blocks of inverse and weights: [groups, units, taps, taps] and [groups, units, taps, outs]."""
        groups, _, outs = self.weights.shape
        last, shape = self.left * self.taps, (groups, self.left, self.taps)
        pairs = self.inverse[:, :last, :last].reshape(*shape, self.left, self.taps)
        blocks = np.moveaxis(np.diagonal(pairs, axis1=1, axis2=3), -1, 1)
        return blocks, self.weights[:, :last].reshape(*shape, outs)


def _pairs(squares: Array, rows: Array, columns: Array) -> Array:
    """Return some rows and columns of matrices [groups, n, n], in the usual order in memory: an index would turn it."""
    return np.asarray(squares.take(rows, 1).take(columns, 2))


def _diagonal(values: Array) -> Array:
    """Return vectors [groups, columns] as diagonal matrices."""
    return np.asarray(values[:, :, None] * np.eye(values.shape[1]))


def _ridge(covariance: Array) -> Array:
    """Return what is added to each diagonal, [groups, columns]; something also where every input is constant."""
    mean = np.trace(covariance, axis1=1, axis2=2) / covariance.shape[1]
    return np.repeat(np.maximum(RIDGE * mean, np.finfo(np.float32).tiny)[:, None], covariance.shape[1], 1)
