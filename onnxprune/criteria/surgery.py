"""Layers that lose units one after another, and are corrected for it after each: see `obs`, where the formulas are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim
from onnxprune.calibrate.statistics import Statistics
from onnxprune.linear import Consumer, Layer

Array = NDArray[Any]

RIDGE = 1e-3
"""Added to the covariance, relative to its mean diagonal: inputs may depend on each other."""


class Patient(ABC):
    """One layer that loses units of one dim, which are numbered anew after each loss."""

    @abstractmethod
    def losses(self) -> Array:
        """Return what is lost for good with each unit that is left, as a share of the output's variance, [units]."""

    @abstractmethod
    def cutting(self, units: Array) -> Patient:
        """Return a copy of these units alone."""

    @abstractmethod
    def remove(self, units: Array) -> None:
        """Take units out and correct the rest for it."""


class Layers:
    """The layers that sum over any dim; the inverse of each, which is dear, is kept until its last dim was scored."""

    def __init__(self, statistics: Mapping[str, Statistics], found: list[Layer]) -> None:
        """`statistics` are by a layer's `output`; `found` has every layer once for each of its dims."""
        self._statistics = statistics
        self._to_come = Counter(layer.output for layer in found)
        self._kept: dict[str, _Whole] = {}

    def patient(self, dim: Dim, consumer: Consumer, times: int) -> Patient:
        """Return the layer of a consumer, whose losses count so many times."""
        layer, labels = consumer.layer, consumer.units
        whole = self._kept.pop(layer.output, None) or _whole(layer, self._statistics[layer.output])
        self._to_come[layer.output] -= 1
        if self._to_come[layer.output]:
            self._kept[layer.output] = whole
        columns = np.argsort(labels, kind="stable")[(labels < 0).sum() :]
        return whole.patient(columns, dim.size, times)


@dataclass(frozen=True)
class _Whole:
    """A layer that has lost nothing: weights [groups, columns, outs], variance of inputs, and variance of outputs.

    `inverse` is that of the covariance of the inputs, [groups, columns, columns]; without it they are taken to be
    independent.
    """

    weights: Array
    variance: Array
    energy: float
    inverse: Array | None

    def patient(self, columns: Array, units: int, times: int) -> Patient:
        """Return the columns of the units of one dim, those of each unit together, as what is to be operated on."""
        taps, energy = len(columns) // units, max(self.energy, float(np.finfo(np.float64).tiny)) / times
        weights = self.weights.take(columns, 1)
        if self.inverse is None:
            lost = np.einsum("gc,gco,gco->c", self.variance.take(columns, 1), weights, weights, dtype=np.float64)
            return _Independent(lost.reshape(units, taps).sum(axis=1) / energy)
        return _Coupled(weights.astype(np.float64), _pairs(self.inverse, columns, columns), units, taps, energy)


def _whole(layer: Layer, statistics: Statistics) -> _Whole:
    weights = layer.matrix(layer.model.array(layer.model.constants[layer.weight]))
    variance, covariance = statistics.variance, statistics.covariance()
    if covariance is None:
        energy = np.einsum("gc,gco,gco->", variance, weights, weights, dtype=np.float64)
        return _Whole(weights, variance, float(energy), None)
    energy = np.sum(weights * (covariance @ weights))
    places = np.arange(covariance.shape[1])
    covariance[:, places, places] += _ridge(covariance)
    return _Whole(weights, variance, float(energy), np.linalg.inv(covariance))


@dataclass
class _Independent(Patient):
    """A layer in which nothing makes up for a unit: `lost`, [units], stays what it is."""

    lost: Array

    def losses(self) -> Array:
        return self.lost

    def cutting(self, units: Array) -> _Independent:
        return _Independent(self.lost[units])

    def remove(self, units: Array) -> None:
        self.lost = np.delete(self.lost, units)


@dataclass
class _Coupled(Patient):
    """The columns of one layer that belong to units, those of each unit together.

    `weights` is [groups, columns, outs]; `inverse`, [groups, columns, columns], is their part of the inverse of the
    covariance of all the layer's inputs: what becomes of it as units go depends on no other columns. `left` units have
    `taps` columns each. `energy` is the variance of the whole layer's outputs.
    """

    weights: Array
    inverse: Array
    left: int
    taps: int
    energy: float

    def losses(self) -> Array:
        blocks, weights = self._by_unit()
        corrected = np.linalg.inv(blocks) @ weights
        return np.asarray(np.einsum("guto,guto->u", weights, corrected) / self.energy)

    def cutting(self, units: Array) -> _Coupled:
        columns = self._columns(units)
        inverse = _pairs(self.inverse, columns, columns)
        return _Coupled(self.weights.take(columns, 1), inverse, len(units), self.taps, self.energy)

    def remove(self, units: Array) -> None:
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
        shape = groups, self.left, self.taps
        pairs = self.inverse.reshape(*shape, self.left, self.taps)
        blocks = np.moveaxis(np.diagonal(pairs, axis1=1, axis2=3), -1, 1)
        return blocks, self.weights.reshape(*shape, outs)


def _pairs(squares: Array, rows: Array, columns: Array) -> Array:
    """Return some rows and columns of matrices [groups, n, n], in the usual order in memory: an index would turn it."""
    return np.asarray(squares.take(rows, 1).take(columns, 2))


def _ridge(covariance: Array) -> Array:
    """Return what is added to each diagonal, [groups, 1]; something also where every input is constant."""
    mean = np.trace(covariance, axis1=1, axis2=2) / covariance.shape[1]
    return np.asarray(np.maximum(RIDGE * mean, np.finfo(np.float32).tiny)[:, None])
