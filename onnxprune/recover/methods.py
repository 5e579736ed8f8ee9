"""The recovery methods: how one layer makes up for what its inputs lost, in closed form."""

from __future__ import annotations

import numpy as np

from onnxprune.recover.least_squares import fit
from onnxprune.recover.registry import Correction, Rows, recovery


@recovery("bias", sequential=False)
def bias(rows: Rows) -> Correction:
    """Put the mean of what was removed into the bias; without room for one, change nothing."""
    missing = (rows.wanted - rows.given).mean(axis=1, dtype=np.float64)
    return Correction(np.zeros_like(rows.matrix), missing * rows.has_room)


@recovery("batchnorm", sequential=True)
def batchnorm(rows: Rows) -> Correction:
    """Give every output the mean and the variance that it has in the dense model, layer by layer.

    Where a live BatchNormalization follows, this is the same as re-estimating its running statistics, but for samples
    whose dense statistics differ from the running ones: those stay apart by as much as they were.
    """
    given, wanted = (np.asarray(values, np.float64) for values in (rows.given, rows.wanted))
    spread = given.std(axis=1)
    scale = np.where(spread > 0, wanted.std(axis=1) / np.where(spread > 0, spread, 1), 1)
    moved = (given - rows.bias[:, None]).mean(axis=1) * scale
    change = (wanted.mean(axis=1) - moved - rows.bias) * rows.has_room
    return Correction(rows.matrix * (scale[:, None] - 1), change)


@recovery("least-squares", sequential=False)
def least_squares(rows: Rows) -> Correction:
    """Fit every layer to its dense outputs at once, on the dense model's inputs that are left."""
    return _fitted(rows)


@recovery("sequential", sequential=True)
def sequential(rows: Rows) -> Correction:
    """Fit layer after layer to the dense outputs, on the inputs that the repaired layers before it give."""
    return _fitted(rows)


def _fitted(rows: Rows) -> Correction:
    """Fit, and change nothing where that does not help on the rows held back."""
    found = fit(rows.inputs, rows.wanted - rows.given, rows.held, rows.has_room, rows.frozen)
    if not found.after < found.before:
        return Correction(np.zeros_like(found.weight), np.zeros_like(found.bias))
    return Correction(found.weight, found.bias)
