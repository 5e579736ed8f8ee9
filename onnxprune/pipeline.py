"""The whole flow on one screen: load, trace, score, select, apply, verify, repair, judge, report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import onnx

from onnxprune.apply import Changes, apply_masks
from onnxprune.attempt import Attempt, Workshop
from onnxprune.axes import Dim, Mask
from onnxprune.calibrate import Calibration
from onnxprune.calibrate.source import samples_for
from onnxprune.calibrate.statistics import Statistics, collect
from onnxprune.cost import Cost, open_sizes
from onnxprune.criteria import Needs, Saliency, best_criterion, is_loss, needs_of, score
from onnxprune.errors import DataError, ModelError, UnsupportedError, UsageError, VerificationError
from onnxprune.evaluate import Judge
from onnxprune.max_drop import Step, Tried, find_amount
from onnxprune.model import Model
from onnxprune.options import AUTO, NONE, SYNTHETIC, DataOptions, Options
from onnxprune.phases import OnPhase, Phases, in_silence
from onnxprune.plan import Plan
from onnxprune.recover import best_recovery, find
from onnxprune.report import Before, Facts, Inspection, Report, inspect_trace, report_of
from onnxprune.runtime import Feeds
from onnxprune.save import save_model
from onnxprune.select import Selection, select
from onnxprune.tracing import Trace, trace

ModelLike: TypeAlias = Any
"""A path, an onnx.ModelProto, an onnxprune Model, or an onnx_graphsurgeon Graph."""

WITHOUT_DATA = DataOptions(calibration=NONE)

HELD_BACK, HELD_BACK_FOR_SEARCH = 1 / 8, 1 / 4
"""The share of the samples that outputs are compared on; a search, which judges by it, takes more."""


@dataclass(frozen=True)
class Result:
    """A pruned model, with what was done and how well it was shown to be right."""

    report: Report
    pruned: Model
    trace: Trace
    masks: Mapping[Dim, Mask]
    changes: Changes

    @property
    def model(self) -> onnx.ModelProto:
        """The pruned model."""
        return self.pruned.proto

    @cached_property
    def plan(self) -> Plan:
        """What was removed, as plain data."""
        return Plan.make(self.trace, self.masks, self.changes, self.report.options)

    def save(self, path: str | Path, overwrite: bool = False, plan: str | Path | None = None) -> None:
        """Write the pruned model and, where asked for, the plan: both whole or neither. Raises `OutputError`."""
        path = Path(path)
        save_model(self.pruned, path, overwrite, {} if plan is None else {Path(plan): self.plan.as_text()})
        self.report.output = str(path)
        source = self.trace.model.path
        if source is not None:
            self.report.bytes = Before(source.stat().st_size, path.stat().st_size)

    def to_graphsurgeon(self) -> Any:
        """Return the pruned model as an onnx_graphsurgeon Graph."""
        import onnx_graphsurgeon

        return onnx_graphsurgeon.import_onnx(self.model)


def prune_model(
    source: ModelLike,
    options: Options,
    check: bool = True,
    feeds: Feeds | None = None,
    data: DataOptions | Calibration = WITHOUT_DATA,
    on_phase: OnPhase = in_silence,
) -> Result:
    """Prune a model as `options` ask, prove that mask == slice unless `check` is off, and repair what remains.

    `data` says on which samples activations are looked at, weights repaired and outputs compared; or it is them.
    """
    _check_names(options)
    run = _Run(source, options, feeds, data, Phases(on_phase))
    saliency = run.saliency()
    if options.max_drop is None:
        selection = run.select(saliency, options.amount)
        return run.result(selection, run.workshop.attempt(selection.masks, check), options)
    return _within(run, saliency, options.max_drop, check)


def _within(run: _Run, saliency: Saliency, limit: float, check: bool) -> Result:
    """Prune as much as possible while the outputs stay within `limit`; only what is found in the end is proved."""
    if run.workshop.judge is None:
        raise UsageError("--max-drop needs samples to judge by: it cannot be used with --calibration none")

    def attempt(amount: float) -> Tried[tuple[Selection, Attempt]]:
        selection = run.select(saliency, amount)
        made = run.workshop.attempt(selection.masks, check=False)
        assert made.judgement is not None
        return Tried((selection, made), made.judgement.drop)

    found = find_amount(attempt, limit)
    selection, made = found.result
    if check:
        sliced, _ = apply_masks(run.found, selection.masks)
        made = replace(made, verification=run.workshop.verified(selection.masks, sliced))
    return run.result(selection, made, replace(run.options, amount=found.amount), found.curve)


def apply_plan(
    plan: Plan,
    source: ModelLike,
    check: bool = True,
    feeds: Feeds | None = None,
    data: DataOptions | Calibration = WITHOUT_DATA,
    on_phase: OnPhase = in_silence,
) -> Result:
    """Replay a plan on a model with the same names and shapes; with `data`, repair as the plan's options say.

    Raises `PlanError` at the first difference.
    """
    options = replace(Options.of(plan.request), max_drop=None, metric=AUTO, judged_output=None)
    if data == WITHOUT_DATA:
        options = replace(options, recover=NONE)
    run = _Run(source, options, feeds, data, Phases(on_phase))
    masks = plan.masks(run.found)
    selection = Selection(masks, _removed(run.cost, masks, run.options.budget), {})
    # What a plan asks for is what it removes, also where it was edited since.
    asked = replace(run.options, amount=max(0.0, selection.reached))
    result = run.result(selection, run.workshop.attempt(masks, check), asked)
    result.report.options = Options.of(plan.request).as_dict()
    if plan.model.get("sha256") != run.found.model.sha256:
        result.report.warnings.append("the plan was made for another checkpoint with the same names and shapes")
    return result


class _Run:
    """What one run knows before anything is chosen: the traced model, its cost, and the samples."""

    def __init__(
        self,
        source: ModelLike,
        options: Options,
        feeds: Feeds | None,
        data: DataOptions | Calibration,
        phases: Phases,
    ) -> None:
        self.options, self._phases, self._warnings = options, phases, list[str]()
        phases.enter("reading")
        model = read(source)
        phases.enter("tracing")
        self.found = trace(model, allow_norm=options.allow_norm)
        self.cost = cost_of(self.found)
        phases.enter("calibrating")
        self._memory_limit = DataOptions().memory_limit if isinstance(data, Calibration) else data.memory_limit
        self._samples = data if isinstance(data, Calibration) else self._find_samples(data)
        self._judged: Calibration | None = None
        self.workshop = self._workshop(feeds)

    def _find_samples(self, data: DataOptions) -> Calibration | None:
        """Return the samples; where made-up ones, which nobody asked for, cannot be had, go on without."""
        try:
            return samples_for(self.found, data, self.options.seed)
        except ModelError as error:
            if data.calibration != SYNTHETIC or self.options.max_drop is not None:
                raise
            self._warnings.append(f"not repaired, since no samples could be made up: {error}")
            return None

    def _workshop(self, feeds: Feeds | None) -> Workshop:
        options, samples = self.options, self._samples
        name = best_recovery(samples is not None) if options.recover == AUTO else options.recover
        recovery = None if name == NONE else find(name)
        if recovery is not None and samples is None:
            raise UsageError(f"--recover {name} needs samples: it cannot be used with --calibration none")
        judge = None
        if samples is not None:
            share = HELD_BACK if options.max_drop is None else HELD_BACK_FOR_SEARCH
            samples, self._judged = samples.held_back(share)
            judge = self._judge(self._judged)
        must, limit = self._must_judge, self._memory_limit
        return Workshop(self.found, self._phases, recovery, samples, judge, must, limit, feeds, options.seed)

    @property
    def _must_judge(self) -> bool:
        """Whether somebody asked how far the outputs move."""
        options = self.options
        return options.max_drop is not None or options.metric != AUTO or options.judged_output is not None

    def _judge(self, judged: Calibration) -> Judge | None:
        metric = "accuracy" if self.options.metric == AUTO and judged.labels is not None else self.options.metric
        try:
            return Judge(self.found.model, judged, metric, self.options.judged_output)
        except (DataError, UnsupportedError) as error:
            if self._must_judge or judged.labels is not None:
                raise
            self._warnings.append(f"the outputs were not compared: {error}")
            return None

    @cached_property
    def _criterion(self) -> str:
        auto = self.options.criterion == AUTO
        return best_criterion(self._samples is not None) if auto else self.options.criterion

    def saliency(self) -> Saliency:
        """Score every unit, after looking at activations where the criterion wants that."""
        statistics: dict[str, Statistics] | None = None
        needs = needs_of(self._criterion)
        if needs and self.workshop.samples is not None:
            covariances, limit = needs >= Needs.COVARIANCES, self._memory_limit
            model, types = self.found.model, self.found.types
            statistics = collect(model, types, self.workshop.samples, covariances, limit, self._phases.advance)
        self._phases.enter("scoring")
        return score(self.found, self._criterion, self.options.seed, statistics)

    def select(self, saliency: Saliency, amount: float) -> Selection:
        """Choose the units that go."""
        self._phases.enter("selecting")
        options = replace(self.options, amount=amount)
        return select(self.found, saliency, self.cost, options, is_loss(self._criterion))

    def _check_finite(self, made: Attempt) -> None:
        """Refuse a model that gives NaN or infinities where the dense one does not. Raises `VerificationError`."""
        drops = {} if made.judgement is None else made.judgement.drops
        broken = [name for name, drop in drops.items() if not math.isfinite(drop)]
        if broken:
            raise VerificationError(
                f"output '{broken[0]}' of the pruned model has NaN or infinite values, that of the dense model has "
                "none; nothing was written: ask for less, or leave the repair out with --recover none"
            )

    def result(self, selection: Selection, made: Attempt, options: Options, curve: tuple[Step, ...] = ()) -> Result:
        """Put together what came of it."""
        seconds = self._phases.seconds()
        self._check_finite(made)
        recover = NONE if self.workshop.recovery is None else self.workshop.recovery.name
        options = replace(options, criterion=self._criterion, recover=recover)
        facts = Facts(self.found, self.cost, selection, options, made, self._samples, self._judged, curve, seconds)
        report = report_of(facts)
        report.warnings.extend((*self._warnings, *made.warnings))
        return Result(report, made.pruned, self.found, selection.masks, made.changes)


def inspect_model(source: ModelLike, allow_norm: bool = False) -> Inspection:
    """Tell what can be pruned in a model, and why the rest cannot."""
    found = trace(read(source), allow_norm=allow_norm)
    return inspect_trace(found, cost_of(found))


def read(source: ModelLike) -> Model:
    """Return a Model from whatever was given, its own functions inlined. Raises `ModelError`."""
    if isinstance(source, Model):
        return source.inlined()
    if isinstance(source, (str, Path)):
        return Model.load(source).inlined()
    if not isinstance(source, onnx.ModelProto):
        import onnx_graphsurgeon

        if not isinstance(source, onnx_graphsurgeon.Graph):
            raise ModelError(f"cannot read a model from a {type(source).__name__}; give a path, ModelProto or Graph")
        source = onnx_graphsurgeon.export_onnx(source)
    model = Model(source)
    model.check()
    return model.inlined()


def cost_of(found: Trace) -> Cost:
    """Return the cost of a traced model, its open sizes at usual values."""
    return Cost(found, open_sizes(found))


def _check_names(options: Options) -> None:
    """Refuse names that nothing goes by before any work is done. Raises `UsageError`."""
    if options.criterion != AUTO:
        needs_of(options.criterion)
    if options.recover not in (AUTO, NONE):
        find(options.recover)


def _removed(cost: Cost, masks: Mapping[Dim, Mask], budget: str) -> float:
    measure = getattr(cost, budget)
    dense = measure({})
    return 1 - measure({dim: int(mask.sum()) for dim, mask in masks.items()}) / dense if dense else 0.0
