"""The commands that write a pruned model: prune and apply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onnxprune.cli.arguments import (
    HOW,
    OUT,
    TIME,
    WHAT,
    AllowNorm,
    AsJson,
    BatchSize,
    CalibrationOption,
    Config,
    InputRange,
    Inputs,
    LabelsKey,
    Layout,
    Mean,
    MemoryLimit,
    ModelPath,
    NoVerify,
    Overwrite,
    Peak,
    Quiet,
    RecoverOption,
    ReportFiles,
    Resize,
    Samples,
    Seed,
    Shape,
    Simplify,
    Std,
    TargetLatency,
    TargetMacs,
    TargetOption,
    TargetParams,
    TargetSize,
    Threads,
    Verbose,
)
from onnxprune.cli.border import console, failing_in_one_line, feeds_from, print_json, progress
from onnxprune.cli.config import command_line, equivalent

if TYPE_CHECKING:
    from onnxprune.pages import Pages
    from onnxprune.result import Result


def prune(
    context: typer.Context,
    model: ModelPath,
    amount: Annotated[
        float | None,
        typer.Option(
            "--amount",
            "-a",
            help="Fraction of the budget to remove, or of zeros. Default: 0.5; N:M takes none.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    granularity: Annotated[
        str,
        typer.Option(
            "--granularity",
            "-g",
            help="What goes: whole channels, or zeros as element, N:M (2:4) or block:RxC (block:1x4).",
            rich_help_panel=WHAT,
        ),
    ] = "channel",
    budget: Annotated[
        str,
        typer.Option(
            "--budget", help="What the amount counts: params, macs, latency, size or channels.", rich_help_panel=WHAT
        ),
    ] = "params",
    target_params: TargetParams = None,
    target_macs: TargetMacs = None,
    target_latency: TargetLatency = None,
    target_size: TargetSize = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Prune only these tensors or nodes.", rich_help_panel=WHAT)
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Never prune these (globs).", rich_help_panel=WHAT)
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            help="Remove as much as possible while the outputs stay this close, such as 0.01; instead of --amount.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="How close: top1-agreement, relative-error, cosine, equal, accuracy.. (auto: what fits the output).",
            rich_help_panel=WHAT,
        ),
    ] = "auto",
    judged_output: Annotated[
        str | None, typer.Option("--judged-output", help="The only output to go by.", rich_help_panel=WHAT)
    ] = None,
    best_effort: Annotated[
        bool, typer.Option("--best-effort", help="Take what can be had instead of failing.", rich_help_panel=WHAT)
    ] = False,
    allow_norm: AllowNorm = False,
    criterion: Annotated[
        str,
        typer.Option(
            "--criterion",
            help="Importance: obs (auto, with samples), lamp (auto, without), l1, l2, wanda, random; for "
            "channels also variance, apoz, fpgm, bn-scale.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    scope: Annotated[
        str,
        typer.Option(
            "--scope",
            help="Rank all together (global), like with like (kind), evenly (layer), or zeros by ERK (erk).",
            rich_help_panel=HOW,
        ),
    ] = "global",
    round_to: Annotated[
        str,
        typer.Option(
            "--round-to",
            help="Widths are multiples of this, or none. auto: what the target's kernels take at a time, less where "
            "the budget needs it.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    min_channels: Annotated[
        int, typer.Option("--min-channels", help="Units that every dim keeps.", rich_help_panel=HOW)
    ] = 1,
    max_layer_amount: Annotated[
        float | None,
        typer.Option(
            "--max-layer-amount",
            help="Most that one dim, or weight, may lose. Default: 0.9 of a dim, more where the budget needs it.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    sensitivity: Annotated[
        Path | None,
        typer.Option("--sensitivity", help="Go by what `onnxprune sensitivity` measured.", rich_help_panel=HOW),
    ] = None,
    permute: Annotated[
        bool,
        typer.Option("--permute/--no-permute", help="Reorder channels so that N:M costs less.", rich_help_panel=HOW),
    ] = True,
    simplify: Simplify = False,
    calibration: CalibrationOption = "auto",
    recover: RecoverOption = "auto",
    samples: Samples = None,
    batch_size: BatchSize = None,
    labels: LabelsKey = None,
    mean: Mean = None,
    std: Std = None,
    peak: Peak = 1.0,
    layout: Layout = "auto",
    resize: Resize = None,
    input_range: InputRange = None,
    memory_limit: MemoryLimit = "2GB",
    bench: Annotated[
        bool,
        typer.Option("--bench", help="Measure the result; fail where it is not faster.", rich_help_panel=TIME),
    ] = False,
    allow_slower: Annotated[
        bool, typer.Option("--allow-slower", help="Write it all the same.", rich_help_panel=TIME)
    ] = False,
    threads: Threads = 1,
    shape: Shape = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", help="Choose by these times, from `onnxprune profile`.", rich_help_panel=TIME),
    ] = None,
    target: TargetOption = "onnxruntime",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write. Default: model.pruned.onnx.", rich_help_panel=OUT),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Write what was removed as JSON.", rich_help_panel=OUT)
    ] = None,
    sparse_storage: Annotated[
        bool,
        typer.Option("--sparse-storage", help="Store sparse weights as sparse tensors.", rich_help_panel=OUT),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but write the model.", rich_help_panel=OUT)
    ] = False,
    overwrite: Overwrite = False,
    report: ReportFiles = None,
    config: Config = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    no_verify: NoVerify = False,
    verify_inputs: Inputs = None,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Remove channels, heads and hidden units and fix every shape downstream, or put zeros into weights."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.inputs import given_shapes
        from onnxprune.options import DataOptions, LatencyOptions, Options, numbers, pair, size, width_rule
        from onnxprune.pages import Pages
        from onnxprune.pipeline import prune_model
        from onnxprune.readiness.handover import beside

        options = Options(
            amount,  # type: ignore[arg-type]  # what None means is for the options to say
            budget, criterion, scope, width_rule(round_to), min_channels, max_layer_amount, tuple(include or ()),
            tuple(exclude or ()), best_effort, allow_norm, seed, recover, max_drop, metric, judged_output, granularity,
            permute, sparse_storage, target_params, target_macs, target_latency, target_size,
            None if sensitivity is None else str(sensitivity), target, simplify,
        )  # fmt: skip
        data = DataOptions(
            calibration, samples, batch_size, labels, numbers("--mean", mean), numbers("--std", std), peak, layout,
            pair("--resize", resize, int), pair("--input-range", input_range, float),
            size("--memory-limit", memory_limit),
        )  # fmt: skip
        latency = LatencyOptions(
            threads, given_shapes(shape or []), None if profile is None else str(profile), bench, allow_slower
        )
        place = _place(model, output)
        models = [] if dry_run or not model.exists() else [place, *beside(options.runtime, place)]
        reads = (model, calibration, sensitivity, profile, config, verify_inputs)
        _check_outputs([*models, plan, *(report or [])], reads, overwrite)
        pages = Pages(report or [], command_line(context), equivalent(context), sensitivity)
        with progress(quiet=quiet) as on_phase:
            result = prune_model(model, options, not no_verify, feeds_from(verify_inputs), data, on_phase, latency)
        _finish(result, None if dry_run else place, overwrite, as_json, quiet, pages, plan)


def apply_(
    context: typer.Context,
    plan: Annotated[Path, typer.Argument(help="A plan written by --plan, perhaps edited.", show_default=False)],
    model: ModelPath,
    calibration: CalibrationOption = "none",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Default: model.pruned.onnx.")] = None,
    overwrite: Overwrite = False,
    report: ReportFiles = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    no_verify: NoVerify = False,
    verify_inputs: Inputs = None,
    verbose: Verbose = False,
) -> None:
    """Replay a plan, on the same model or on another checkpoint of it; with samples, repair what remains."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.options import DataOptions
        from onnxprune.pages import Pages
        from onnxprune.pipeline import apply_plan
        from onnxprune.plan import Plan

        place = _place(model, output)
        if model.exists():
            _check_outputs([place, *(report or [])], (plan, model, calibration, verify_inputs), overwrite)
        pages = Pages(report or [], command_line(context), equivalent(context))
        with progress(quiet=quiet) as on_phase:
            data = DataOptions(calibration)
            result = apply_plan(Plan.load(plan), model, not no_verify, feeds_from(verify_inputs), data, on_phase)
        _finish(result, place, overwrite, as_json, quiet, pages)


def _place(model: Path, output: Path | None) -> Path:
    """Return where to write: as asked for, or model.pruned.onnx beside the model."""
    from onnxprune.errors import ModelError

    if model.is_dir():
        raise ModelError(f"{model}: cannot be read (it is a folder); give a model file")
    return output or model.with_name(f"{model.stem}.pruned.onnx")


def _check_outputs(written: Iterable[Path | None], reads: Iterable[Path | str | None], overwrite: bool) -> None:
    """Refuse outputs that cannot be written, or would replace what is read or each other, before any work is done."""
    from onnxprune.errors import OutputError
    from onnxprune.files import check_output

    sources, taken = [Path(source) for source in reads if source is not None], set[Path]()
    for path in written:
        if path is not None:
            check_output(path, sources, overwrite)
            if path.absolute() in taken:
                raise OutputError(f"{path}: named for two outputs at once; choose another name")
            taken.add(path.absolute())


def _finish(
    result: Result,
    place: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    pages: Pages,
    plan: Path | None = None,
) -> None:
    """Write the model and the plan, the model only if this is no dry run, and tell what was done."""
    from onnxprune.phases import WRITING
    from onnxprune.report.terminal import show_report, show_warnings

    if place is not None:
        with progress((WRITING,), quiet) as on_phase:
            result.save(place, overwrite, plan, on_phase)
    elif plan is not None:
        result.plan.save(plan, overwrite)
    pages.write(result, overwrite)
    if as_json:
        print_json(result.report.as_dict())
    elif quiet:
        show_warnings(result.report, console(stderr=True))
    else:
        show_report(result.report, console())
