"""Stripes: where the M input channels that share a pattern are M units of one dim."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, units


def stripes(axis: Expr, dim: Dim, m: int) -> NDArray[np.int64]:
    """Return where the units of a dim stand along an axis of input channels: int64, shape [times, dim.size].

    Each row is one occurrence of the dim (heads times width has one for every head). It counts where the stripes of
    `m` consecutive positions along the axis are stripes of `m` consecutive units, from a multiple of `m` on: then what
    an order makes of the units of a stripe it makes of its positions. Otherwise there are no rows.
    """
    found = units(axis, dim)
    if dim.size % m or found.size % m:
        return np.zeros((0, dim.size), np.int64)
    by_stripe = found.reshape(-1, m)
    first = by_stripe[:, :1]
    whole = np.flatnonzero((first >= 0).ravel() & (first % m == 0).ravel() & (by_stripe == first + np.arange(m)).all(1))
    in_order = whole[np.argsort(first[whole, 0], kind="stable")].reshape(dim.size // m, 1, -1)
    return np.transpose(np.reshape(in_order * m + np.arange(m)[:, None], (dim.size, -1)))
