"""From the saliency of units to what a dim loses at each number of units that it keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask
from onnxprune.criteria import Saliency
from onnxprune.tracing import Trace

LARGEST = 1e30
"""What an infinite saliency counts as, so that sums of them can be compared."""


@dataclass(frozen=True)
class Ranked:
    """The units of a dim, the least salient first, and the loss [size + 1] once so many of them are gone."""

    order: NDArray[np.int64]
    loss: NDArray[np.float64]

    def mask(self, kept: int) -> Mask:
        """Return the mask that keeps so many of the most salient units."""
        mask = np.ones(len(self.order), bool)
        mask[self.order[: len(self.order) - kept]] = False
        return mask


def ranked(
    trace: Trace, dims: Iterable[Dim], saliency: Saliency, scope: str, measured: Mapping[Dim, NDArray[np.float64]]
) -> dict[Dim, Ranked]:
    """Return what each dim loses with its units, in the terms of a scope.

    `global` adds up the saliency itself. `layer` goes by a unit's rank within its dim, so that all dims lose the same
    share; `kind` by its rank within all dims of its kind (Isomorphic Pruning, Fang et al., 2024), so that all kinds
    do. Losses in `measured` ([size + 1], by the number of units gone) stand as they are.
    """
    dims = list(dims)
    orders = {dim: np.argsort(saliency[dim], kind="stable") for dim in dims}
    values = {dim: np.nan_to_num(np.sort(saliency[dim]), nan=LARGEST, posinf=LARGEST) for dim in dims}
    if scope == "layer":
        values = {dim: np.arange(1, dim.size + 1) / dim.size for dim in dims}
    elif scope == "kind":
        values = _ranks_by_kind(trace, values)
    losses = {dim: np.concatenate([[0.0], np.cumsum(values[dim])]) for dim in dims}
    return {
        dim: Ranked(orders[dim], np.nan_to_num(measured.get(dim, losses[dim]), nan=LARGEST, posinf=LARGEST))
        for dim in dims
    }


def _ranks_by_kind(trace: Trace, values: Mapping[Dim, NDArray[np.float64]]) -> dict[Dim, NDArray[np.float64]]:
    pools: dict[str, list[NDArray[np.float64]]] = {}
    for dim, ordered in values.items():
        pools.setdefault(kind_of(trace, dim), []).append(ordered)
    sorted_pools = {kind: np.sort(np.concatenate(pool)) for kind, pool in pools.items()}
    ranks = {}
    for dim, ordered in values.items():
        pool = sorted_pools[kind_of(trace, dim)]
        ranks[dim] = np.searchsorted(pool, ordered, "right") / len(pool)
    return ranks


def kind_of(trace: Trace, dim: Dim) -> str:
    """Return what a dim is: which operators use its weights at which of their axes, whatever their number."""
    uses = {
        f"{trace.model.node(use.slot[0]).op_type}.{use.slot[1]}[{place}/{len(use.axes)}]"
        for use, place in trace.members[dim]
    }
    return " ".join(sorted(uses))
