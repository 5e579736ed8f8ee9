"""The whole flow on one screen: load, trace, score, select, apply, verify, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import onnx

from onnxprune.apply import Changes, apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.cost import Cost, open_sizes
from onnxprune.criteria import score
from onnxprune.errors import ModelError, VerificationError
from onnxprune.feeds import random_feeds
from onnxprune.inputs import ATTEMPTS, concrete_inputs
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.plan import Plan
from onnxprune.report import Before, Inspection, Report, inspect_trace, report_of
from onnxprune.runtime import Feeds, run
from onnxprune.save import save_model
from onnxprune.select import Selection, select
from onnxprune.tracing import Trace, trace
from onnxprune.verify import Verification, verify

ModelLike: TypeAlias = Any
"""A path, an onnx.ModelProto, an onnxprune Model, or an onnx_graphsurgeon Graph."""

OnPhase: TypeAlias = "Callable[[str], None]"
MAX_TRIES = 5
"""Random inputs to try for a model that makes choices: one on which none of them is a close call proves it."""

PHASES = ("reading", "tracing", "scoring", "selecting", "slicing", "verifying")


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
    on_phase: OnPhase = lambda name: None,
) -> Result:
    """Prune a model as `options` ask and, unless `check` is off, prove that mask == slice."""
    on_phase("reading")
    model = read(source)
    on_phase("tracing")
    found = trace(model, allow_norm=options.allow_norm)
    cost = cost_of(found)
    on_phase("scoring")
    saliency = score(found, options.criterion, options.seed)
    on_phase("selecting")
    selection = select(found, saliency, cost, options)
    on_phase("slicing")
    pruned, changes = apply_masks(found, selection.masks)
    on_phase("verifying")
    verification = _verified(found, selection.masks, pruned, feeds, options.seed) if check else None
    return Result(report_of(found, cost, selection, options, verification), pruned, found, selection.masks, changes)


def apply_plan(
    plan: Plan, source: ModelLike, check: bool = True, feeds: Feeds | None = None, on_phase: OnPhase = lambda name: None
) -> Result:
    """Replay a plan on a model with the same names and shapes. Raises `PlanError` at the first difference."""
    on_phase("reading")
    model = read(source)
    on_phase("tracing")
    options = Options.of(plan.request)
    found = trace(model, allow_norm=options.allow_norm)
    masks = plan.masks(found)
    on_phase("slicing")
    pruned, changes = apply_masks(found, masks)
    on_phase("verifying")
    verification = _verified(found, masks, pruned, feeds, 0) if check else None
    cost = cost_of(found)
    selection = Selection(masks, _removed(cost, masks, options.budget), {})
    # What a plan asks for is what it removes, also where it was edited since.
    asked = replace(options, amount=max(0.0, selection.reached))
    report = report_of(found, cost, selection, asked, verification)
    report.options = options.as_dict()
    if plan.model.get("sha256") != model.sha256:
        report.warnings.append("the plan was made for another checkpoint with the same names and shapes")
    return Result(report, pruned, found, masks, changes)


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


def usable_feeds(found: Trace, seed: int = 0) -> Feeds:
    """Return random inputs that the dense model runs on. Raises `ModelError` where none of the usual sizes will do."""
    failure: ModelError | None = None
    for attempt in range(ATTEMPTS):
        feeds = random_feeds(found, concrete_inputs(found.model, attempt=attempt), seed)
        try:
            run(found.model, feeds)
        except ModelError as error:
            failure = error
        else:
            return feeds
    assert failure is not None
    raise failure


def _verified(found: Trace, masks: Mapping[Dim, Mask], pruned: Model, feeds: Feeds | None, seed: int) -> Verification:
    """Verify on given inputs, or on random ones: on others where a choice in the model fell differently."""
    if feeds is not None:
        return verify(found, masks, pruned, feeds)
    for attempt in range(MAX_TRIES - 1):
        try:
            return verify(found, masks, pruned, usable_feeds(found, seed + attempt))
        except VerificationError as error:
            if not error.after_a_choice:
                raise
    return verify(found, masks, pruned, usable_feeds(found, seed + MAX_TRIES - 1))


def _removed(cost: Cost, masks: Mapping[Dim, Mask], budget: str) -> float:
    measure = getattr(cost, budget)
    dense = measure({})
    return 1 - measure({dim: int(mask.sum()) for dim, mask in masks.items()}) / dense if dense else 0.0
