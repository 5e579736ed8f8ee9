"""What has been concluded about axes, in words that tests of the axis algebra share."""

from __future__ import annotations

import numpy as np

from onnxprune.axes import Axes, Dim, Expr, Fixed, count, free_dims, keep

PAIR = Fixed(2, "the size of a pair")
SYMBOLIC = Fixed(None, "known only at run time", "N")


def same(axes: Axes, *exprs: Expr) -> bool:
    """Whether all of `exprs` are known to be the same axis."""
    first, *others = (axes.resolve(expr) for expr in exprs)
    return all(other == first for other in others)


def frozen(axes: Axes, *exprs: Expr) -> bool:
    return not any(free_dims(axes.resolve(expr)) for expr in exprs)


def only_dim(axes: Axes, expr: Expr) -> Dim:
    """The one dim of an axis that has only one."""
    (dim,) = free_dims(axes.resolve(expr))
    return dim


def gone(axes: Axes, expr: Expr, **removed: tuple[Expr, int]) -> list[int]:
    """The positions of `expr` that vanish with the `removed` (dim, unit); the names are for the reader."""
    masks = {}
    for dim, unit in removed.values():
        free = axes.resolve(dim)
        assert isinstance(free, Dim)
        masks[free] = np.arange(free.size) != unit
    return np.flatnonzero(~keep(axes.resolve(expr), masks)).tolist()


def least(axes: Axes, expr: Expr) -> int:
    """The number of positions when every dim is at its minimum."""
    resolved = axes.resolve(expr)
    return count(resolved, {dim: axes.minimum(dim) for dim in free_dims(resolved)})
