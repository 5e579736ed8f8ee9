"""Selection: which units go, so that a budget is met at the least loss of saliency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask
from onnxprune.cost import Cost, Counts
from onnxprune.criteria import Saliency
from onnxprune.errors import BudgetError
from onnxprune.fixed_mathematics import fixed_mathematics
from onnxprune.options import Options
from onnxprune.tracing import Trace, display_name

CAUTION = (0.9, 1.0)
"""What a dim may lose unless `--max-layer-amount` says so: the second only where the budget asks for it."""

MAX_PASSED_OVER = 16
PRICE_ROUNDS = 4
"""Prices depend on the widths that they lead to: so often they are set anew, each time half way there."""

TOLERANCE = 0.01
"""An amount that is missed by no more than this is met."""


@dataclass(frozen=True)
class Selection:
    """What was chosen: per dim which units stay, the fraction of the budget reached, and dims kept back by a rule."""

    masks: Mapping[Dim, Mask]
    reached: float
    protected: Mapping[Dim, str]


def select(trace: Trace, saliency: Saliency, cost: Cost, options: Options, is_loss: bool = False) -> Selection:
    """Choose the units to remove.

    All units stand in one queue, the least salient first, and are removed until the budget is reached; the
    number removed is found by bisection, since costs only fall along the queue. Where the last unit overshoots
    by much (a whole head, say) it is passed over for smaller ones. Unless told otherwise every dim
    keeps a tenth of its units, and gives them up only where the budget cannot be met in any other way. Where the
    saliency `is_loss`, what counts is the loss for each part of the budget that a unit saves. Raises `BudgetError`
    where the budget cannot be met at all, unless `options.best_effort`.
    """
    protected = _protected(trace, options)
    dims = [dim for dim in trace.dims if dim not in protected]
    limits = CAUTION if options.max_layer_amount is None else (options.max_layer_amount,)
    for limit in limits:
        floors = {dim: _floor(trace, dim, options.min_channels, limit) for dim in dims}
        queue = _Queue(dims, saliency, floors, options)
        widths: Counts = {dim: dim.size for dim in dims}
        for _ in range(PRICE_ROUNDS if is_loss else 0):
            counts = queue.counts(_fewest_removed(queue, cost, options))
            widths = {dim: max(round(math.sqrt(widths[dim] * counts[dim])), 1) for dim in dims}
            prices = _prices(cost, options.budget, widths)
            queue = _Queue(dims, {dim: saliency[dim] / prices[dim] for dim in dims}, floors, options)
        counts, reached = _closest(queue, cost, options)
        if reached >= options.amount or limit == limits[-1]:
            break
    if reached < options.amount - TOLERANCE and not options.best_effort:
        raise BudgetError(_explain(trace, cost, options, reached, protected))
    return Selection(queue.masks(counts), reached, protected)


def _prices(cost: Cost, budget: str, widths: Counts) -> dict[Dim, float]:
    """Return what the last unit of each dim costs where the dims have these widths."""
    measure = getattr(cost, budget)
    whole = measure(widths)
    return {dim: max(whole - measure({**widths, dim: width - 1}), 1.0) for dim, width in widths.items()}


class _Queue:
    """All units that may go, least salient first."""

    def __init__(self, dims: list[Dim], saliency: Saliency, floors: Mapping[Dim, int], options: Options) -> None:
        uniform = options.scope == "layer" or options.budget == "channels"
        self._dims, self._floors, self._round_to = dims, floors, options.round_to
        self._order = {dim: np.argsort(saliency[dim], kind="stable") for dim in dims}
        ranks = [self._ranks(dim, saliency[dim], uniform) for dim in dims]
        owners = [np.full(len(rank), place) for place, rank in enumerate(ranks)]
        values = np.concatenate(ranks) if ranks else np.empty(0)
        self._owner = np.concatenate(owners)[np.argsort(values, kind="stable")] if ranks else np.empty(0, int)

    def __len__(self) -> int:
        return len(self._owner)

    def _ranks(self, dim: Dim, values: NDArray[Any], uniform: bool) -> NDArray[Any]:
        """Return where the removable units of a dim stand: by saliency, or by their rank within the dim."""
        removable = dim.size - self._floors[dim]
        if uniform:
            return np.arange(1, removable + 1) / dim.size
        return values[self._order[dim][:removable]]

    def pass_over(self, place: int) -> None:
        """Take the unit at a place, and what follows of its dim, out of the queue."""
        later = np.arange(len(self._owner)) >= place
        self._owner = self._owner[~(later & (self._owner == self._owner[place]))]

    def counts(self, removed: int) -> dict[Dim, int]:
        """Return how many units each dim keeps once the first `removed` of the queue are gone."""
        gone = np.bincount(self._owner[:removed], minlength=len(self._dims))
        return {dim: self._rounded(dim, dim.size - int(gone[place])) for place, dim in enumerate(self._dims)}

    def _rounded(self, dim: Dim, kept: int) -> int:
        """Round up to the width rule; a dim narrower than that keeps what it has."""
        return min(dim.size, -(-kept // self._round_to) * self._round_to)

    def masks(self, counts: Counts) -> dict[Dim, Mask]:
        """Return the masks that keep the most salient units; dims that keep everything are left out."""
        masks: dict[Dim, Mask] = {}
        for dim in self._dims:
            if counts[dim] < dim.size:
                mask = np.ones(dim.size, bool)
                mask[self._order[dim][: dim.size - counts[dim]]] = False
                masks[dim] = mask
        return masks


def _closest(queue: _Queue, cost: Cost, options: Options) -> tuple[dict[Dim, int], float]:
    """Return the kept counts that reach the amount and overshoot it least, and what they reach."""
    removed = _fewest_removed(queue, cost, options)
    best = queue.counts(removed)
    reached = _reached(cost, options.budget, best)
    for _ in range(MAX_PASSED_OVER):
        if not removed or reached <= options.amount + TOLERANCE:
            break
        queue.pass_over(removed - 1)
        removed = _fewest_removed(queue, cost, options)
        counts = queue.counts(removed)
        other = _reached(cost, options.budget, counts)
        if other < options.amount:
            break
        if other < reached:
            best, reached = counts, other
    return best, reached


def _fewest_removed(queue: _Queue, cost: Cost, options: Options) -> int:
    """Return the smallest number of units from the queue that reaches the amount, or all of them."""
    if options.amount <= 0:
        return 0  # the first removal may cost a copy of a shared constant: costs do not fall from the start
    low, high = 0, len(queue)
    while low < high:
        middle = (low + high) // 2
        if _reached(cost, options.budget, queue.counts(middle)) >= options.amount:
            high = middle
        else:
            low = middle + 1
    return low


def _reached(cost: Cost, budget: str, counts: Counts) -> float:
    measure = getattr(cost, budget)
    dense = measure({})
    return 1 - measure(counts) / dense if dense else 0.0


def _floor(trace: Trace, dim: Dim, min_channels: int, max_layer_amount: float) -> int:
    by_share = int(np.ceil(round(dim.size * (1 - max_layer_amount), 9)))
    return min(dim.size, max(trace.axes.minimum(dim), min_channels, by_share))


def _protected(trace: Trace, options: Options) -> dict[Dim, str]:
    """Return the dims that must stay whole, with the reason: by `--include`, `--exclude`, or as fixed mathematics."""
    reasons: dict[Dim, str] = {}
    suspected = fixed_mathematics(trace)
    for dim in trace.dims:
        names = _names(trace, dim)
        excluded = next((glob for glob in options.exclude if any(fnmatchcase(name, glob) for name in names)), None)
        if excluded is not None:
            reasons[dim] = f"--exclude {excluded}"
        elif options.include and not any(fnmatchcase(name, glob) for name in names for glob in options.include):
            reasons[dim] = "not named by --include"
        elif dim in suspected and not options.include:
            reasons[dim] = suspected[dim]
    return reasons


def _names(trace: Trace, dim: Dim) -> set[str]:
    """Return every name that a glob may hit: the dim's, its weights' and the names of the nodes that use them."""
    names = {trace.names[dim]}
    for use, _ in trace.members[dim]:
        names.add(display_name(use.constant))
        names.add(trace.model.node(use.slot[0]).name)
    return names


def _explain(trace: Trace, cost: Cost, options: Options, reached: float, protected: Mapping[Dim, str]) -> str:
    stops = [f"{len(trace.dims)} prunable dims at their smallest widths"]
    if protected:
        stops.append(f"{len(protected)} protected (--include, --exclude, fixed mathematics)")
    if options.max_layer_amount is not None or options.min_channels > 1 or options.round_to > 1:
        stops.append("--max-layer-amount, --min-channels or --round-to")
    return (
        f"{options.amount:.0%} of the {options.budget} cannot be removed: {reached:.1%} is the most, "
        f"stopped by {', '.join(stops)}; ask for less, or take what can be had with --best-effort "
        "(`onnxprune inspect` lists what cannot be pruned and why)"
    )
