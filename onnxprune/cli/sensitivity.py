"""The command that measures how much each dim matters: sensitivity."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from onnxprune.cli.arguments import (
    DATA,
    HOW,
    OUT,
    WHAT,
    AllowNorm,
    AsJson,
    BatchSize,
    InputRange,
    LabelsKey,
    Layout,
    Mean,
    MemoryLimit,
    ModelPath,
    Overwrite,
    Peak,
    Resize,
    Samples,
    Seed,
    Std,
    Verbose,
)
from onnxprune.cli.border import EXIT_INTERRUPTED, console, failing_in_one_line, print_json, progress

if TYPE_CHECKING:
    from onnxprune.sensitivity import Sensitivity


def sensitivity(
    model: ModelPath,
    amounts: Annotated[
        str | None,
        typer.Option(
            "--amounts",
            help="Shares of the units to remove, such as 0.25,0.5,0.75. Default: 0.1,0.2,..0.9.",
            rich_help_panel=WHAT,
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="From each dim alone, each block, or both.", rich_help_panel=WHAT)
    ] = "dim",
    include: Annotated[
        list[str] | None, typer.Option("--include", help="Measure only these tensors or nodes.", rich_help_panel=WHAT)
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", help="Never measure these (globs).", rich_help_panel=WHAT)
    ] = None,
    allow_norm: AllowNorm = False,
    criterion: Annotated[
        str,
        typer.Option(
            "--criterion", help="Which units go first, by the criteria of prune (auto: obs).", rich_help_panel=HOW
        ),
    ] = "auto",
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="What drops, by the metrics of prune (auto: accuracy with labels, else what fits the output).",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    judged_output: Annotated[
        str | None, typer.Option("--judged-output", help="The only output to go by.", rich_help_panel=HOW)
    ] = None,
    calibration: Annotated[
        str,
        typer.Option(
            "--calibration",
            "-c",
            help="Samples: .npz, .npy, a folder of them or of images, module:function, or synthetic (auto).",
            rich_help_panel=DATA,
        ),
    ] = "auto",
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
    workers: Annotated[int, typer.Option("--workers", help="Processes that measure.", rich_help_panel=HOW)] = 1,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The JSON to write; what it has is not measured again. Default: model.sensitivity.json.",
            rich_help_panel=OUT,
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Draw the curves, as .png or .svg.", rich_help_panel=OUT)
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Measure what the outputs lose when one dim, or one block, loses 10% to 90% of its units."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.options import DataOptions, Options, numbers, pair, size
        from onnxprune.pipeline import read
        from onnxprune.sensitivity.candidates import AMOUNTS, Grid
        from onnxprune.sensitivity.measure import PHASES, measure_sensitivity

        grid = Grid(numbers("--amounts", amounts) or AMOUNTS, by)
        options = Options(
            criterion=criterion, include=tuple(include or ()), exclude=tuple(exclude or ()), allow_norm=allow_norm,
            seed=seed, metric=metric, judged_output=judged_output,
        )  # fmt: skip
        data = DataOptions(
            calibration, samples, batch_size, labels, numbers("--mean", mean), numbers("--std", std), peak, layout,
            pair("--resize", resize, int), pair("--input-range", input_range, float),
            size("--memory-limit", memory_limit),
        )  # fmt: skip
        target = output or model.with_name(f"{model.stem}.sensitivity.json")
        _check_plot(plot, model, target, overwrite)
        with _keeping(target), progress(("reading", *PHASES)) as on_phase:
            on_phase("reading", 0.0)
            found = measure_sensitivity(
                read(model), options, data, grid, path=target, overwrite=overwrite, workers=workers, on_phase=on_phase
            )
        _show(found, target, plot, as_json)


def _check_plot(plot: Path | None, model: Path, target: Path, overwrite: bool) -> None:
    """Refuse a picture that cannot be made, or that would replace something else than one of the same measurements."""
    if plot is None:
        return
    from onnxprune.errors import OutputError
    from onnxprune.files import check_output
    from onnxprune.sensitivity.plot import check_plot

    check_plot(plot)
    check_output(plot, [model], overwrite or target.exists())
    if plot.absolute() == target.absolute():
        raise OutputError(f"{plot}: named for two outputs at once; choose another name")


@contextmanager
def _keeping(target: Path) -> Iterator[None]:
    """Say after an interrupt what is left of the work, which is more than nothing."""
    try:
        yield
    except KeyboardInterrupt:
        kept = f"what was measured is in {target}, and the same command goes on from there"
        typer.echo(f"interrupted; {kept if target.exists() else 'nothing was measured yet'}", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _show(found: Sensitivity, target: Path, plot: Path | None, as_json: bool) -> None:
    """Draw and print what was measured."""
    if plot is not None:
        from onnxprune.sensitivity.plot import save_plot

        save_plot(found, plot)
    if as_json:
        print_json(found.as_dict())
        return
    from onnxprune.report.sensitivity import show_sensitivity

    show_sensitivity(found, [path for path in (target, plot) if path is not None and path.exists()], console())
