"""The commands about targets: check a model against one, and tell what is known of them."""

from __future__ import annotations

from typing import Annotated

import typer

from onnxprune.cli.arguments import AsJson, ModelPath, TargetOption, Verbose
from onnxprune.cli.border import EXIT_FAILED, console, failing_in_one_line, print_json


def check(
    model: ModelPath, target: TargetOption = "onnxruntime", as_json: AsJson = False, verbose: Verbose = False
) -> None:
    """Tell whether a model is ready for the runtime that it goes to, and what to do where it is not (exit 1)."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.pipeline import check_model
        from onnxprune.report.target import show_verdict

        verdict = check_model(model, target)
        if as_json:
            print_json(verdict.as_dict())
        else:
            show_verdict(verdict.as_dict(), console())
        if not verdict.is_ready:
            raise typer.Exit(EXIT_FAILED)


def targets(
    name: Annotated[str | None, typer.Argument(help="Show all facts about this one.", show_default=False)] = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List the runtimes that models can be made ready for, or what is known of one, with the source of each fact."""
    with failing_in_one_line(as_json, verbose):
        from dataclasses import asdict

        from onnxprune.report.target import show_target, show_targets
        from onnxprune.targets import find, names

        if as_json:
            print_json({each: asdict(find(each)) for each in ([name] if name else names())})
        elif name:
            show_target(find(name), console())
        else:
            show_targets([find(each) for each in names()], console())
