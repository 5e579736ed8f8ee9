"""The whole flow on one screen: load, trace, choose, apply, verify, repair, judge, report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import onnx

from onnxprune.calibrate import Calibration
from onnxprune.channels import Channels
from onnxprune.cost import cost_of
from onnxprune.criteria import needs_of
from onnxprune.errors import ModelError
from onnxprune.latency import Profile, Stopwatch, Table
from onnxprune.max_drop import Tried, find_amount
from onnxprune.measured import measure
from onnxprune.model import Model
from onnxprune.options import AUTO, CEILINGS, NONE, DataOptions, LatencyOptions, Options
from onnxprune.phases import OnPhase, Phases, in_silence
from onnxprune.plan_of_zeros import AnyPlan
from onnxprune.readiness import Verdict, check_target
from onnxprune.recover import find as find_recovery
from onnxprune.report import Inspection, Report, inspect_trace
from onnxprune.result import Result
from onnxprune.run import Run, Way
from onnxprune.runtime import ENGINE, Feeds
from onnxprune.simplify import simplified
from onnxprune.sparse_storage import to_dense
from onnxprune.sparsify.criteria import find as find_criterion
from onnxprune.sparsify.zeros import Zeros
from onnxprune.targets import DEFAULT
from onnxprune.targets import find as find_target
from onnxprune.tracing import trace

ModelLike: TypeAlias = Any
"""A path, an onnx.ModelProto, an onnxprune Model, or an onnx_graphsurgeon Graph."""

WITHOUT_DATA = DataOptions(calibration=NONE)
LATENCY = LatencyOptions()


def prune_model(
    source: ModelLike,
    options: Options,
    check: bool = True,
    feeds: Feeds | None = None,
    data: DataOptions | Calibration = WITHOUT_DATA,
    on_phase: OnPhase = in_silence,
    latency: LatencyOptions = LATENCY,
) -> Result:
    """Prune a model as `options` ask, prove that it was done right unless `check` is off, and repair what remains.

    `data` says on which samples activations are looked at, weights repaired and outputs compared; or it is them.
    `latency` says how it is measured, where it is limited or asked for.
    """
    _check_names(options)
    run = _run(source, options, feeds, data, on_phase, latency, check)
    way = _way(run, check)
    if options.max_drop is not None:
        result = _within(way, options, options.max_drop, check)
    else:
        chosen = way.choose(options.amount)
        result = way.result(chosen, way.attempt(chosen, check), options, ())
    if latency.bench or any(limit.measure == "latency" for limit in options.limits()):
        measure(run, result)
    _judge_for_target(run, result, check)
    return result


def _judge_for_target(run: Run, result: Result, asks: bool) -> None:
    """Look at a result for what its target needs, and put what was found into the report."""
    run.phases.enter("checking")
    report = result.report
    report.simplified = run.simplified
    ran_in = [ENGINE] if _has_run(report) else []
    # Zeros that were checked change numbers alone: what loaded the dense model loads this one.
    asks = asks and (report.sparsity is None or bool(report.storage))
    verdict = check_target(result.stored, run.options.runtime, asks, run.dense.model, ran_in)
    report.target = verdict.as_dict()
    report.seconds = run.phases.seconds()


def _has_run(report: Report) -> bool:
    """Whether the pruned model itself, not a twin of it, ran in onnxruntime on the way."""
    check = report.verified if report.sparsity is None else None
    return report.drift is not None or (check is not None and bool(check["compared"]) and not check["float32_twin"])


def _run(
    source: ModelLike,
    options: Options,
    feeds: Feeds | None,
    data: DataOptions | Calibration,
    on_phase: OnPhase,
    latency: LatencyOptions = LATENCY,
    check: bool = True,
) -> Run:
    phases = Phases(on_phase)
    phases.enter("reading")
    model, facts = read(source), None
    if options.simplify:
        phases.enter("simplifying")
        simple = simplified(model, phases.advance, options.seed, feeds, check)
        model, facts = simple.model, simple.as_dict()
    return Run(model, options, feeds, data, phases, latency, facts)


def _way(run: Run, check: bool) -> Way[Any]:
    granularity = run.options.zeros
    return Channels(run) if granularity is None else Zeros(run, granularity, check)


def _within(way: Way[Any], options: Options, limit: float, check: bool) -> Result:
    """Prune as much as possible while the outputs stay within `limit`; only what is found in the end is proved."""

    def attempt(amount: float) -> Tried[Any]:
        chosen = way.choose(amount)
        made = way.attempt(chosen, check=False)
        assert made.judgement is not None
        return Tried((chosen, made), made.judgement.drop)

    found = find_amount(attempt, limit)
    chosen, made = found.result
    if check:
        made = way.proved(chosen, made)
    return way.result(chosen, made, replace(options, amount=found.amount), found.curve)


def apply_plan(
    plan: AnyPlan,
    source: ModelLike,
    check: bool = True,
    feeds: Feeds | None = None,
    data: DataOptions | Calibration = WITHOUT_DATA,
    on_phase: OnPhase = in_silence,
) -> Result:
    """Replay a plan on a model with the same names and shapes; with `data`, repair as the plan's options say.

    Raises `PlanError` at the first difference.
    """
    # What a plan removes is what was asked for, also where it was edited since; of latency it knows nothing.
    request = {**plan.request, **dict.fromkeys(CEILINGS), "max_drop": None, "metric": AUTO, "judged_output": None}
    if request.get("budget") == "latency":
        request["budget"] = "params"
    options = Options.of(request)
    if data == WITHOUT_DATA:
        options = replace(options, recover=NONE)
    run = _run(source, options, feeds, data, on_phase, check=check)
    way = _way(run, check)
    chosen = way.planned(plan)
    result = way.result(chosen, way.attempt(chosen, check), options, ())
    result.report.options = Options.of(plan.request).as_dict()
    if plan.model.get("sha256") != result.trace.model.sha256:
        result.report.warnings.append("the plan was made for another checkpoint with the same names and shapes")
    _judge_for_target(run, result, check)
    return result


def check_model(source: ModelLike, target: str = DEFAULT) -> Verdict:
    """Look at a model, as it is stored, for what a target needs or wants. Raises `ModelError`, `UsageError`."""
    known = find_target(target)
    return check_target(_read(source), known, is_on_disk=isinstance(source, (str, Path)))


def inspect_model(source: ModelLike, allow_norm: bool = False, simplify: bool = False) -> Inspection:
    """Tell what can be pruned in a model, perhaps simplified first, and why the rest cannot."""
    model = simplified(read(source)).model if simplify else read(source)
    found = trace(model, allow_norm=allow_norm)
    return inspect_trace(found, cost_of(found))


def profile_model(
    source: ModelLike,
    options: LatencyOptions = LATENCY,
    any_width: bool = False,
    allow_norm: bool = False,
    seed: int = 0,
    on_progress: Callable[[float], None] = lambda share: None,
) -> tuple[Profile, Table]:
    """Measure what the widths of a model cost in time here; return what that says, and the table of its nodes.

    `any_width`: also widths that the kernels do not take whole. Raises `ModelError` where the model cannot run.
    """
    found = trace(read(source), allow_norm=allow_norm)
    stopwatch = Stopwatch(found, cost_of(found, options.shapes or None), options, seed)
    return stopwatch.summary(any_width, on_progress)


def read(source: ModelLike) -> Model:
    """Return a Model from whatever was given, functions inlined and sparse tensors dense. Raises `ModelError`."""
    return to_dense(_read(source).inlined())


def _read(source: ModelLike) -> Model:
    if isinstance(source, Model):
        return source
    if isinstance(source, (str, Path)):
        return Model.load(source)
    if not isinstance(source, onnx.ModelProto):
        import onnx_graphsurgeon

        if not isinstance(source, onnx_graphsurgeon.Graph):
            raise ModelError(f"cannot read a model from a {type(source).__name__}; give a path, ModelProto or Graph")
        source = onnx_graphsurgeon.export_onnx(source)
    model = Model(source)
    model.check()
    return model


def _check_names(options: Options) -> None:
    """Refuse names that nothing goes by before any work is done. Raises `UsageError`."""
    if options.criterion != AUTO:
        (needs_of if options.zeros is None else find_criterion)(options.criterion)
    if options.recover not in (AUTO, NONE):
        find_recovery(options.recover)
