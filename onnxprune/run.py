"""What one run knows before anything is chosen: the traced model, the samples, and how results are made from them."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, Generic, TypeVar

from onnxprune.attempt import Attempt, Workshop
from onnxprune.calibrate import Calibration
from onnxprune.calibrate.memory import MemoryLimitWarning, Shares, shortage, shortage_of_covariances
from onnxprune.calibrate.source import samples_for
from onnxprune.calibrate.statistics import Statistics, collect
from onnxprune.cost import Cost, cost_of
from onnxprune.criteria import Needs
from onnxprune.errors import DataError, ModelError, UnsupportedError, UsageError, VerificationError
from onnxprune.evaluate import MEMORY_LIMIT, Judge
from onnxprune.latency import Stopwatch
from onnxprune.latency.nodes import ALIGNMENT
from onnxprune.max_drop import Step
from onnxprune.model import Model
from onnxprune.options import AUTO, NONE, SYNTHETIC, DataOptions, LatencyOptions, Options
from onnxprune.phases import Phases
from onnxprune.plan_of_zeros import AnyPlan
from onnxprune.recover import best_recovery, find
from onnxprune.result import Result
from onnxprune.runtime import Feeds
from onnxprune.tracing import Trace, trace

C = TypeVar("C")

HELD_BACK, HELD_BACK_FOR_SEARCH = 1 / 8, 1 / 4
"""The share of the samples that outputs are compared on; a search, which judges by it, takes more."""


class Run:
    """One run over a model. `dense` is the trace of it; `simplified` says what was done to it before, if anything."""

    def __init__(
        self,
        model: Model,
        options: Options,
        feeds: Feeds | None,
        data: DataOptions | Calibration,
        phases: Phases,
        latency: LatencyOptions,
        simplified: dict[str, Any] | None = None,
    ) -> None:
        self.options, self.phases, self.warnings = options, phases, list[str]()
        self.latency, self.simplified = latency, simplified
        phases.enter("tracing")
        self.dense = trace(model, allow_norm=options.allow_norm)
        phases.enter("calibrating")
        self._memory_limit = DataOptions().memory_limit if isinstance(data, Calibration) else data.memory_limit
        self.samples = data if isinstance(data, Calibration) else self._find_samples(data.resolved(options.zeros))
        if self.samples is not None:
            self._tell(shortage(model, self.samples, self._memory_limit))
        self.judged: Calibration | None = None
        self.workshop = self._workshop(feeds)

    @cached_property
    def cost(self) -> Cost:
        """What the model costs at any widths; its latency only where that is limited."""
        cost = cost_of(self.dense, self.latency.shapes or None)
        if any(limit.measure == "latency" for limit in self.options.limits()):
            self.phases.enter("profiling")
            off_width = self.options.round_to != AUTO and self.options.width % ALIGNMENT != 0
            watch = self._watch(cost)
            cost.measures["latency"] = watch.predicted(off_width, self.phases.advance)
            self.warnings += watch.warnings
        return cost

    @cached_property
    def stopwatch(self) -> Stopwatch:
        """What measures versions of the model."""
        return self._watch(self.cost)

    def _watch(self, cost: Cost) -> Stopwatch:
        return Stopwatch(self.dense, cost, self.latency, self.options.seed)

    def _find_samples(self, data: DataOptions) -> Calibration | None:
        """Return the samples; where made-up ones, which nobody asked for, cannot be had, go on without."""
        try:
            return samples_for(self.dense, data, self.options.seed)
        except ModelError as error:
            if data.calibration != SYNTHETIC or self.options.max_drop is not None:
                raise
            self.warnings.append(f"not repaired, since no samples could be made up: {error}")
            return None

    def _tell(self, shortages: list[str]) -> None:
        """Say before the work begins, and again in the report, what needs more memory than there is to be."""
        for words in shortages:
            warnings.warn(words, MemoryLimitWarning, stacklevel=2)
        self.warnings += shortages

    def _workshop(self, feeds: Feeds | None) -> Workshop:
        options, samples = self.options, self.samples
        name = best_recovery(samples is not None) if options.recover == AUTO else options.recover
        recovery = None if name == NONE else find(name)
        if recovery is not None and samples is None:
            raise UsageError(f"--recover {name} needs samples: it cannot be used with --calibration none")
        if samples is None and options.max_drop is not None:
            raise UsageError(
                "--max-drop needs samples to judge by: give some with --calibration, or let it make some up (synthetic)"
            )
        judge = None
        if samples is not None:
            share = HELD_BACK if options.max_drop is None else HELD_BACK_FOR_SEARCH
            samples, self.judged = samples.held_back(share)
            judge = self._judge(self.judged)
        must, limit = self._must_judge, self._memory_limit
        return Workshop(self.phases, recovery, samples, judge, must, limit, feeds, options.seed)

    @property
    def _must_judge(self) -> bool:
        """Whether somebody asked how far the outputs move."""
        options = self.options
        return options.max_drop is not None or options.metric != AUTO or options.judged_output is not None

    def _judge(self, judged: Calibration) -> Judge | None:
        metric = "accuracy" if self.options.metric == AUTO and judged.labels is not None else self.options.metric
        try:
            limit = min(MEMORY_LIMIT, Shares(self._memory_limit).kept)
            return Judge(self.dense.model, judged, metric, self.options.judged_output, limit)
        except (DataError, UnsupportedError) as error:
            if self._must_judge or judged.labels is not None:
                raise
            self.warnings.append(f"the outputs were not compared: {error}")
            return None

    def statistics(self, found: Trace, needs: Needs) -> dict[str, Statistics] | None:
        """Return statistics of what reaches the layers of a traced model; None where there is no need, or no data."""
        if not needs or self.workshop.samples is None:
            return None
        self.phases.enter("calibrating")
        covariances, limit = needs >= Needs.COVARIANCES, self._memory_limit
        if covariances:
            self._tell(shortage_of_covariances(found.model, limit))
        return collect(found.model, found.types, self.workshop.samples, covariances, limit, self.phases.advance)

    def check_finite(self, made: Attempt) -> None:
        """Refuse a model that gives NaN or infinities where the dense one does not. Raises `VerificationError`."""
        drops = {} if made.judgement is None else made.judgement.drops
        broken = [name for name, drop in drops.items() if not math.isfinite(drop)]
        if broken:
            raise VerificationError(
                f"output '{broken[0]}' of the pruned model has NaN or infinite values, that of the dense model has "
                "none; nothing was written: ask for less, or leave the repair out with --recover none"
            )


class Way(ABC, Generic[C]):
    """How a run prunes: whole units, or zeros in place. `C` is what it chooses."""

    @abstractmethod
    def choose(self, amount: float) -> C:
        """Choose what goes. Raises `BudgetError` where not enough can."""

    @abstractmethod
    def planned(self, plan: AnyPlan) -> C:
        """Return what a plan chose. Raises `PlanError` where it does not fit the model."""

    @abstractmethod
    def attempt(self, chosen: C, check: bool) -> Attempt:
        """Make the pruned model, repair and judge it; with `check`, prove it."""

    @abstractmethod
    def proved(self, chosen: C, made: Attempt) -> Attempt:
        """Prove what was made without a check. Raises `VerificationError`."""

    @abstractmethod
    def result(self, chosen: C, made: Attempt, options: Options, curve: tuple[Step, ...]) -> Result:
        """Put together what came of it. Raises `VerificationError` where the outputs are not finite."""
