"""The command that measures latency and throughput: bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnxprune.cli.arguments import TIME, AsJson, Seed, Shape, Threads, Verbose
from onnxprune.cli.border import console, failing_in_one_line, print_json, progress

MEASURING = "measuring"


def bench(
    models: Annotated[list[Path], typer.Argument(help="Models to measure, the baseline first.", show_default=False)],
    threads: Threads = 1,
    batch_size: Annotated[
        str | None,
        typer.Option(
            "--batch-size",
            help="Samples in a run, such as 1,8. Default: 1, or what the model says.",
            rich_help_panel=TIME,
            show_default=False,
        ),
    ] = None,
    shape: Shape = None,
    seconds: Annotated[
        float, typer.Option("--seconds", help="How long to measure at each batch size.", rich_help_panel=TIME)
    ] = 10.0,
    as_json: AsJson = False,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Measure how long models take here in onnxruntime, and which differences are more than noise."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.bench.benchmark import bench_models
        from onnxprune.inputs import given_shapes
        from onnxprune.options import LatencyOptions
        from onnxprune.report.bench import show_benchmark

        options = LatencyOptions(threads, given_shapes(shape or []), seconds=seconds)
        with progress((MEASURING,)) as on_phase:
            found = bench_models(
                models, options, _batch_sizes(batch_size), seed, lambda share: on_phase(MEASURING, share)
            )
        if as_json:
            print_json(found.as_dict())
        else:
            show_benchmark(found, console())


def _batch_sizes(text: str | None) -> list[int]:
    """Read whole numbers that commas separate. Raises `UsageError`."""
    from onnxprune.errors import UsageError

    try:
        return [int(part) for part in text.split(",")] if text is not None else []
    except ValueError:
        raise UsageError(f"--batch-size {text}: give whole numbers with commas between, such as 1,8") from None
