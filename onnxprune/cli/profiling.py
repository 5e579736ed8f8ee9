"""The command that learns what the widths of a model cost in time: profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnxprune.cli.arguments import OUT, TIME, AllowNorm, AsJson, ModelPath, Overwrite, Seed, Shape, Threads, Verbose
from onnxprune.cli.border import console, failing_in_one_line, print_json, progress

PROFILING = "profiling"


def profile(
    model: ModelPath,
    threads: Threads = 1,
    shape: Shape = None,
    any_width: Annotated[
        bool,
        typer.Option(
            "--any-width",
            help="Also measure widths that kernels do not take whole, for --round-to none.",
            rich_help_panel=TIME,
        ),
    ] = False,
    allow_norm: AllowNorm = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Write the table for `onnxprune --profile`.", rich_help_panel=OUT),
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Measure what the widths of a model cost in time here: what --budget latency goes by."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.files import check_output
        from onnxprune.inputs import given_shapes
        from onnxprune.options import LatencyOptions
        from onnxprune.pipeline import profile_model
        from onnxprune.report.profile import show_profile

        if output is not None:
            check_output(output, [model], overwrite)
        options = LatencyOptions(threads, given_shapes(shape or []))
        with progress((PROFILING,)) as on_phase:
            found, table = profile_model(
                model, options, any_width, allow_norm, seed, lambda share: on_phase(PROFILING, share)
            )
        if output is not None:
            table.save(output)
        if as_json:
            print_json(found.as_dict())
        else:
            show_profile(found, console())
