"""The command that tells what changed between two models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onnxprune.cli.arguments import AsJson, Verbose
from onnxprune.cli.border import EXIT_FAILED, console, failing_in_one_line, print_json


def diff(
    before: Annotated[Path, typer.Argument(help="The model before.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="The model after.", show_default=False)],
    show_all: Annotated[
        bool, typer.Option("--all", help="Show all rows, also of tensors that did not change.")
    ] = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 1 where the models differ.")] = False,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Tell what changed between two models, tensor by tensor: shapes, zeros, values, and the nodes that are touched."""
    with failing_in_one_line(as_json, verbose):
        from onnxprune.diff import diff_models
        from onnxprune.report.diff import show_diff

        found = diff_models(before, after)
        if as_json:
            print_json(found.as_dict())
        else:
            show_diff(found, console(), show_all)
        if exit_code and not found.is_empty:
            raise typer.Exit(EXIT_FAILED)
