"""The commands that look at models and write none: inspect, evaluate and compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from onnxprune.cli.arguments import (
    AllowNorm,
    AsJson,
    Layout,
    Mean,
    ModelPath,
    Peak,
    Resize,
    Seed,
    Simplify,
    Std,
    Verbose,
)
from onnxprune.cli.border import console, failing_in_one_line, feeds_from, print_json, progress


def inspect(
    model: ModelPath,
    allow_norm: AllowNorm = False,
    simplify: Simplify = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List what can be pruned, and why the rest cannot."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.pipeline import inspect_model
        from onnxprune.report.models import show_inspection

        found = inspect_model(model, allow_norm, simplify)
        if as_json:
            print_json(found.as_dict())
        else:
            show_inspection(found, console())


def evaluate(
    model: ModelPath,
    data: Annotated[
        str, typer.Option("--data", help="Samples: an .npz, a folder, or module:function.", show_default=False)
    ],
    labels: Annotated[
        str | None, typer.Option("--labels", help="Key of the labels; default: label, labels or y of an .npz.")
    ] = None,
    reference: Annotated[Path | None, typer.Option("--reference", help="A dense model to compare with.")] = None,
    output: Annotated[str | None, typer.Option("--output", help="The only output to look at.")] = None,
    samples: Annotated[int | None, typer.Option("--samples", help="Samples at most; default: all.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Samples in a run; default: 32.")] = None,
    mean: Mean = None,
    std: Std = None,
    peak: Peak = 1.0,
    layout: Layout = "auto",
    resize: Resize = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Measure the accuracy of a model, and how far its outputs are from those of a dense one."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.calibrate.source import samples_from
        from onnxprune.evaluate import evaluate_model, label_key
        from onnxprune.options import DataOptions, numbers, pair
        from onnxprune.pipeline import read
        from onnxprune.report.models import show_evaluation

        loaded = read(model)
        key = labels or label_key(data, loaded)
        count = sys.maxsize if samples is None else samples
        scaling = numbers("--mean", mean), numbers("--std", std), peak, layout, pair("--resize", resize, int)
        calibration = samples_from(loaded, DataOptions(data, count, batch_size, key, *scaling))
        dense = None if reference is None else read(reference)
        with progress(("running",)) as on_phase:
            found = evaluate_model(
                loaded, calibration, dense, output, lambda done, total: on_phase("running", done / total)
            )
        if as_json:
            print_json(found.as_dict())
        else:
            show_evaluation(found, console())


def compare(
    dense: Annotated[Path, typer.Argument(help="The model before.", show_default=False)],
    pruned: Annotated[Path, typer.Argument(help="The model after.", show_default=False)],
    inputs: Annotated[Path | None, typer.Option("--inputs", help="An .npz of inputs; default: random.")] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    verbose: Verbose = False,
) -> None:
    """Compare two models: size, parameters, MACs, and how far their outputs are apart."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.compare import compare_models
        from onnxprune.report.models import show_comparison

        facts = compare_models(dense, pruned, feeds_from(inputs), seed)
        if as_json:
            print_json(facts)
        else:
            show_comparison(facts, console())
