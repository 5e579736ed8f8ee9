"""Pruning whole units: score, select, slice, prove that mask == slice, repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from onnxprune.apply import apply_masks
from onnxprune.attempt import Attempt
from onnxprune.bench import Race
from onnxprune.criteria import Saliency, best_criterion, is_loss, needs_of, score
from onnxprune.errors import PlanError
from onnxprune.latency.settle import SETTLING, settled
from onnxprune.limits import Limit
from onnxprune.linear import layers
from onnxprune.max_drop import Step
from onnxprune.options import AUTO, NONE, Options
from onnxprune.plan import Plan
from onnxprune.plan_of_zeros import AnyPlan
from onnxprune.report import Facts, report_of
from onnxprune.report.saliency import saliency_of
from onnxprune.result import ChannelResult
from onnxprune.run import Run, Way
from onnxprune.select import Losses, Reached, Selection, select
from onnxprune.sensitivity import load_sensitivity, losses


class Channels(Way[Selection]):
    """How a run removes channels, heads and hidden units."""

    def __init__(self, run: Run) -> None:
        self._run, self._found = run, run.dense

    @cached_property
    def _criterion(self) -> str:
        if self._run.options.criterion != AUTO:
            return self._run.options.criterion
        return best_criterion(self._run.samples is not None and self._can_be_repaired)

    @property
    def _can_be_repaired(self) -> bool:
        """Whether at least half of the nodes that multiply are layers with weights in real numbers.

        Losses after a repair say little of a quantized model, whose weights are left as they are.
        """
        return 2 * len(list(layers(self._found.model))) >= len({work.node for work in self._found.work})

    @cached_property
    def _saliency(self) -> Saliency:
        """Score every unit, after looking at activations where the criterion wants that."""
        statistics = self._run.statistics(self._found, needs_of(self._criterion))
        self._run.phases.enter("scoring")
        return score(self._found, self._criterion, self._run.options.seed, statistics)

    @cached_property
    def _losses(self) -> Losses:
        """What each unit is worth: its saliency, or what was measured of its dim where a file says so."""
        path = self._run.options.sensitivity
        measured = {} if path is None else losses(load_sensitivity(Path(path)), self._found)
        return Losses(self._saliency, is_loss(self._criterion), measured)

    def choose(self, amount: float) -> Selection:
        """Choose the units that go. Raises `BudgetError` where not enough can."""
        run, known = self._run, self._losses
        options = replace(run.options, amount=amount)
        cost = run.cost

        def choose_within(limits: Sequence[Limit]) -> Selection:
            run.phases.enter("selecting")
            return select(self._found, known, cost, options, limits)

        if "latency" not in cost.measures or run.latency.profile is not None:
            return choose_within(options.limits())
        return settled(choose_within, options.limits(), cost.measures["latency"], self._measured)

    def _measured(self, chosen: Selection) -> Race:
        """Measure what a choice would take, before it is repaired: that does not change the time."""
        sliced, _ = apply_masks(self._found, chosen.masks)
        self._run.phases.enter("measuring")
        return self._run.stopwatch.race(sliced, SETTLING, self._run.phases.advance)

    def planned(self, plan: AnyPlan) -> Selection:
        """Return what a plan chose. Raises `PlanError` where it does not fit."""
        if not isinstance(plan, Plan):
            raise PlanError("the plan's request asks for channels, but what it lists are masks of zeros")
        masks = plan.masks(self._found)
        budget = self._run.options.budget
        measure = self._run.cost.measures[budget]
        counts = {dim: int(mask.sum()) for dim, mask in masks.items()}
        removed = 1 - measure.at(counts) / measure.dense if measure.dense else 0.0
        return Selection(masks, (Reached(budget, removed, removed),), {})

    def attempt(self, chosen: Selection, check: bool) -> Attempt:
        """Make the pruned model; with `check`, prove it before it is repaired."""
        return self._run.workshop.attempt(self._found, chosen.masks, check)

    def proved(self, chosen: Selection, made: Attempt) -> Attempt:
        """Prove what was made without a check."""
        sliced, _ = apply_masks(self._found, chosen.masks)
        return replace(made, verification=self._run.workshop.verified(self._found, chosen.masks, sliced))

    def result(self, chosen: Selection, made: Attempt, options: Options, curve: tuple[Step, ...]) -> ChannelResult:
        """Put together what came of it."""
        run = self._run
        seconds = run.phases.seconds()
        run.check_finite(made)
        recover = NONE if run.workshop.recovery is None else run.workshop.recovery.name
        options = replace(options, criterion=self._criterion, recover=recover)
        facts = Facts(self._found, run.cost, options, made, run.samples, run.judged, curve, seconds)
        report = report_of(facts, chosen)
        if "_saliency" in vars(self):  # a plan is replayed without scores
            report.saliency = list(saliency_of(self._found, self._saliency, chosen.masks))
        report.warnings.extend((*run.warnings, *made.warnings))
        return ChannelResult(report, made.pruned, self._found, chosen.masks, made.changes)
