"""How a run puts zeros into weights: permute, choose, zero, repair what remains, check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.apply import Changes
from onnxprune.attempt import Attempt
from onnxprune.criteria import Needs
from onnxprune.errors import BudgetError, PlanError
from onnxprune.granularity import Granularity, Pattern
from onnxprune.max_drop import Step
from onnxprune.model import Model
from onnxprune.options import AUTO, NONE, Options
from onnxprune.plan_of_zeros import AnyPlan, ZerosPlan
from onnxprune.recover import Repair, repair
from onnxprune.report.data import Facts
from onnxprune.report.zeros import report_of_zeros
from onnxprune.run import Run, Way
from onnxprune.sparsify.check import Claim, check_sparsity
from onnxprune.sparsify.choice import Choice, Chooser
from onnxprune.sparsify.criteria import best_criterion, find
from onnxprune.sparsify.norms import input_norms
from onnxprune.sparsify.obs import choose_by_obs, reachable
from onnxprune.sparsify.permuting import Permuted, permute, replay
from onnxprune.sparsify.result import ZerosResult, zeroed
from onnxprune.sparsify.weights import find_weights
from onnxprune.sparsify.write import Zeroing, with_zeros
from onnxprune.tracing import Trace

Array = NDArray[Any]
Mask = NDArray[np.bool_]


def _planned(parts: Iterator[Array], plan: ZerosPlan, name: str) -> Iterator[tuple[Array, Mask]]:
    """Yield a weight, and the mask that a plan has for it."""
    yield from ((values, plan.mask(name, values.shape)) for values in parts)


class Zeros(Way[Choice]):
    """How a run puts zeros into weights."""

    def __init__(self, run: Run, granularity: Granularity, check: bool) -> None:
        options = run.options
        self._run, self._granularity, self._check = run, granularity, check
        name = best_criterion(run.samples is not None) if options.criterion == AUTO else options.criterion
        self._criterion = find(name)
        self._permuted = Permuted(run.dense)

    def choose(self, amount: float) -> Choice:
        """Choose the zeros. Raises `BudgetError` where no weight can have any."""
        chooser = self._chooser
        self._run.phases.enter("selecting")
        chosen = chooser.choose(amount)
        options = self._run.options
        if not options.best_effort and amount > 0 and chosen.reached < amount - 0.01:
            raise BudgetError(self._explain(chosen, amount))
        return chosen

    @cached_property
    def _chooser(self) -> Chooser:
        """What chooses, made for the model with its channels in the best order."""
        chooser = self._chooser_for(self._permuted.trace)
        if isinstance(self._granularity, Pattern) and self._run.options.permute:
            self._run.phases.enter("permuting")
            self._permuted = permute(self._run, chooser, self._granularity, self._check)
        return self._chooser_for(self._permuted.trace) if self._permuted.orders else chooser

    def _chooser_for(self, found: Trace) -> Chooser:
        run = self._run
        weights = find_weights(found, self._granularity, run.options)
        statistics = run.statistics(found, min(self._criterion.needs, Needs.MOMENTS))
        run.phases.enter("scoring")
        norms = {} if statistics is None else input_norms(found.model, statistics)
        return Chooser(found, weights, self._granularity, self._criterion, norms, run.options, run.phases.advance)

    def _explain(self, chosen: Choice, amount: float) -> str:
        if not chosen.zeroings:
            return (
                f"no weight of this model can have {self._granularity} zeros; the report of a run with --best-effort "
                "lists the reason for each"
            )
        return (
            f"{amount:.0%} zeros cannot be had: {chosen.reached:.1%} is the most, stopped by --max-layer-amount; ask "
            "for less, or take what can be had with --best-effort"
        )

    def planned(self, plan: AnyPlan) -> Choice:
        """Return what a plan chose. Raises `PlanError` where it does not fit."""
        if not isinstance(plan, ZerosPlan):
            raise PlanError("the plan's request asks for zeros, but it has no masks")
        self._permuted = replay(self._run, plan, self._check)
        found = find_weights(
            self._permuted.trace, self._granularity, replace(self._run.options, include=(), exclude=())
        )
        weights = {weight.name: weight for weight in found.found}
        for name in plan.zeros:
            if name not in weights:
                raise PlanError(f"the plan puts zeros into '{name}', which this model does not have as such a weight")
        zeroings = {
            weights[name].key: Zeroing(weights[name], 0, partial(_planned, plan=plan, name=name), count)
            for name, count in plan.zeros.items()
        }
        return Choice(zeroings, sum(zeroing.weight.size for zeroing in zeroings.values()), is_planned=True)

    def attempt(self, chosen: Choice, check: bool) -> Attempt:
        """Make the model with its zeros, repair it, and, with `check`, show that nothing else changed."""
        pruned, repaired = self._repaired(chosen)
        changes = Changes()
        if repaired is not None:
            changes.recovered += repaired.recovered
            changes.added += repaired.added
        judgement, warnings = self._run.workshop.judged(pruned)
        made = Attempt(pruned, changes, None, repaired, judgement, warnings)
        return self.proved(chosen, made) if check else made

    def proved(self, chosen: Choice, made: Attempt) -> Attempt:
        """Check the zeros that were promised, by other means than those that put them there."""
        self._run.phases.enter("verifying")
        claim = Claim(
            str(self._granularity),
            {key: zeroing.zeros for key, zeroing in chosen.zeroings.items()},
            recovered=set(made.changes.recovered),
            added=set(made.changes.added),
        )
        return replace(made, verification=check_sparsity(self._permuted.trace.model, made.pruned, claim))

    def _repaired(self, chosen: Choice) -> tuple[Model, Repair | None]:
        """Put the zeros in, and repair what remains where there are samples to do it on."""
        run, found = self._run, self._permuted.trace
        workshop = run.workshop
        run.phases.enter("zeroing")
        gone = {key for key, zeroing in chosen.zeroings.items() if zeroing.zeros}
        if workshop.samples is None or not gone:
            return with_zeros(found.model, chosen.zeroings.values()), None
        if self._criterion.name == "obs" and not chosen.is_planned:
            return self._by_obs(chosen)
        pruned = with_zeros(found.model, chosen.zeroings.values(), inline=True)
        if workshop.recovery is None:
            return pruned, None
        run.phases.enter("repairing")
        return repair(
            found, {}, pruned, workshop.samples, workshop.recovery, workshop.memory_limit, run.phases.advance,
            touched=gone,
        )  # fmt: skip

    def _by_obs(self, chosen: Choice) -> tuple[Model, Repair | None]:
        """Choose and repair layer by layer; weights that this does not reach have their zeros before it begins."""
        run, found = self._run, self._permuted.trace
        workshop = run.workshop
        assert workshop.samples is not None
        layered, zeroings = reachable(found.model), chosen.zeroings
        start = with_zeros(found.model, [each for key, each in zeroings.items() if key not in layered], inline=True)
        run.phases.enter("repairing")
        wanted = {key: each.zeros for key, each in zeroings.items() if key in layered}
        pruned, masks, repaired = choose_by_obs(
            found, start, wanted, self._granularity, workshop.samples, workshop.memory_limit,
            workshop.recovery, run.phases.advance,
        )  # fmt: skip
        rest = [each for key, each in zeroings.items() if key in layered and key not in masks]
        return with_zeros(pruned, rest, inline=True), repaired

    def result(self, chosen: Choice, made: Attempt, options: Options, curve: tuple[Step, ...]) -> ZerosResult:
        """Put together what came of it."""
        run = self._run
        seconds = run.phases.seconds()
        run.check_finite(made)
        recover = NONE if made.repair is None or run.workshop.recovery is None else run.workshop.recovery.name
        options = replace(options, criterion=self._criterion.name, recover=recover)
        found = self._permuted.trace
        facts = Facts(found, run.cost, options, made, run.samples, run.judged, curve, seconds)
        zeroings = {each.weight.name: each for each in chosen.zeroings.values()}
        counted = [zeroed(each, run.dense.model, made.pruned, made.repair is not None) for each in zeroings.values()]
        orders = self._permuted.orders
        left = {} if chosen.is_planned else self._chooser.weights.left
        report = report_of_zeros(facts, counted, left, {order.name: len(order.order) for order in orders})
        if (same := self._permuted.check) is not None and report.sparsity is not None:
            report.sparsity["same_outputs"] = same.as_dict()
            if same.verdict == "vacuous":
                report.warnings.append("on these inputs a mistake in the order of channels would not have been seen")
        report.warnings.extend((*run.warnings, *made.warnings))
        return ZerosResult(report, made.pruned, run.dense, zeroings, orders, made.changes)
