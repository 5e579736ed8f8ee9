"""Selection: which units go, so that all limits are kept at the least loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask
from onnxprune.cost import Cost
from onnxprune.criteria import Saliency
from onnxprune.errors import BudgetError
from onnxprune.limits import Limit, is_met
from onnxprune.measure import Counts, Measure
from onnxprune.options import AUTO, Options
from onnxprune.select.choices import Bound, Choice
from onnxprune.select.knapsack import fit
from onnxprune.select.losses import ranked
from onnxprune.select.protection import floors, protected
from onnxprune.select.widths import admissible, steps, width_for
from onnxprune.tracing import Trace

CAUTION = (0.9, 1.0)
"""What a dim may lose unless `--max-layer-amount` says so: the second only where the budget asks for it."""

ROUNDING = 1e-9
"""What a share may lack by the rounding of floats."""

OVERSHOOT = 0.02
"""How much more than asked for may go for the sake of round widths that nobody asked for."""


@dataclass(frozen=True)
class Reached:
    """A limit, with the share of the dense model's that it asks to remove, and the share that was removed."""

    measure: str
    requested: float
    removed: float

    @property
    def is_met(self) -> bool:
        """Whether the limit is kept."""
        return is_met(self.requested, self.removed)


@dataclass(frozen=True)
class Selection:
    """What was chosen: per dim which units stay, what was reached of each limit, and dims kept back by a rule.

    `width` is the number that widths are multiples of; `relaxed_from` a larger one that some dims are wide enough for,
    and that did not do.
    """

    masks: Mapping[Dim, Mask]
    limits: tuple[Reached, ...]
    protected: Mapping[Dim, str]
    width: int = 1
    relaxed_from: int | None = None

    @property
    def hardest(self) -> Reached:
        """The limit that was hardest to keep."""
        return min(self.limits, key=lambda limit: limit.removed - limit.requested)

    @property
    def is_met(self) -> bool:
        """Whether all limits are kept."""
        return all(limit.is_met for limit in self.limits)

    @property
    def overshoot(self) -> float:
        """How much more was removed than the hardest limit asks for; negative where it is not met."""
        return min(limit.removed - max(limit.requested, 0.0) for limit in self.limits) + ROUNDING


@dataclass(frozen=True)
class Losses:
    """What units are worth: the saliency of each, whether that is a loss that adds up, and losses that were measured.

    `measured` has, by dim, the loss [size + 1] once so many units are gone; the other dims stay whole then.
    """

    saliency: Saliency
    is_loss: bool = False
    measured: Mapping[Dim, NDArray[np.float64]] = field(default_factory=dict)


def select(trace: Trace, losses: Losses, cost: Cost, options: Options, limits: Sequence[Limit]) -> Selection:
    """Choose the units to remove so that all limits are kept.

    Unless told otherwise every dim keeps a tenth of its units (the first layers a half), and gives them up only where
    the limits cannot be kept in any other way; and widths are multiples of what the kernels of the target take at a
    time, or of half of that and so on where the limits would be missed or overshot by much. Raises `BudgetError` where
    they cannot be kept at all, unless `options.best_effort`.
    """
    problem = _Problem(trace, losses, cost, options, limits)
    for most in CAUTION if options.max_layer_amount is None else (options.max_layer_amount,):
        chosen = _best(problem.solved(width, most) for width in _widths(options))
        if chosen.overshoot >= 0:
            return chosen
    if not chosen.is_met and not options.best_effort:
        raise BudgetError(_explain(trace, options, chosen))
    return chosen


class _Problem:
    """What does not depend on the width rule and on how narrow a dim may become."""

    def __init__(self, trace: Trace, losses: Losses, cost: Cost, options: Options, limits: Sequence[Limit]) -> None:
        self._trace, self._options = trace, options
        self._protected = protected(trace, options, losses.measured or None)
        self._limits, self._measures = _tightest(cost, limits), cost.measures
        is_even = options.scope == "layer" or "channels" in self._limits
        self._by_cost = (losses.is_loss or bool(losses.measured)) and options.scope == "global" and not is_even
        dims = [dim for dim in trace.dims if dim not in self._protected]
        scope = "layer" if is_even else options.scope
        self._units = ranked(trace, dims, losses.saliency, scope, losses.measured)

    def solved(self, width: int, most: float) -> Selection:
        """Return the choice where widths are multiples of `width` and no dim loses more than the share `most`."""
        rule, lowest = steps(self._trace, width), floors(self._trace, self._options, most)
        choices = {}
        for dim, units in self._units.items():
            widths = admissible(dim, rule[dim], lowest[dim])
            choices[dim] = Choice(widths, units.loss[dim.size - widths])
        limited = [(limit, self._measures[name]) for name, limit in self._limits.items()]
        bounds = [Bound(measure, limit.within(measure.dense)) for limit, measure in limited]
        counts = fit(choices, bounds, self._by_cost)
        masks = {dim: self._units[dim].mask(kept) for dim, kept in counts.items() if kept < dim.size}
        reached = tuple(_reached(limit, measure, counts) for limit, measure in limited)
        return Selection(masks, reached, self._protected, width)


def _widths(options: Options) -> list[int]:
    """Return the width rules to try."""
    if options.round_to != AUTO:
        return [options.width]
    widest = width_for(options.runtime)
    return [widest >> power for power in range(widest.bit_length())]


def _tightest(cost: Cost, limits: Sequence[Limit]) -> dict[str, Limit]:
    """Return the limits by what they are on: of two on the same measure the tighter one."""
    found: dict[str, Limit] = {}
    for limit in limits:
        dense = cost.measures[limit.measure].dense
        if limit.measure not in found or limit.removes(dense) > found[limit.measure].removes(dense):
            found[limit.measure] = limit
    return found


def _reached(limit: Limit, measure: Measure, counts: Counts) -> Reached:
    removed = 1 - measure.at(counts) / measure.dense if measure.dense else 0.0
    return Reached(limit.measure, limit.removes(measure.dense), float(removed))


def _best(tried: Iterable[Selection]) -> Selection:
    """Return the first that keeps all limits and overshoots them by little; else what keeps them, or comes, closest."""
    seen = list[Selection]()
    for chosen in tried:
        seen.append(chosen)
        if 0 <= chosen.overshoot <= OVERSHOOT:
            break
    else:
        kept = [found for found in seen if found.overshoot >= 0]
        chosen = min(kept or seen, key=lambda found: abs(found.overshoot))
    widest = seen[0].width
    is_relaxed = chosen.width < widest and any(dim.size > widest for dim in chosen.masks)
    return replace(chosen, relaxed_from=widest if is_relaxed else None)


def _explain(trace: Trace, options: Options, chosen: Selection) -> str:
    stops = [f"{len(trace.dims)} prunable dims at their smallest widths"]
    if chosen.protected:
        stops.append(f"{len(chosen.protected)} protected (--include, --exclude, fixed mathematics)")
    if options.max_layer_amount is not None or options.min_channels > 1 or options.width > 1:
        stops.append("--max-layer-amount, --min-channels or --round-to")
    missed = chosen.hardest
    return (
        f"{missed.requested:.0%} of the {missed.measure} cannot be removed: {missed.removed:.1%} is the most, "
        f"stopped by {', '.join(stops)}; ask for less, or take what can be had with --best-effort "
        "(`onnxprune inspect` lists what cannot be pruned and why)"
    )
