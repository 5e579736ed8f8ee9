"""Where the command line meets the person: errors in one line, progress, JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from onnxprune.phases import PHASES, OnPhase

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


@contextmanager
def failing_in_one_line(as_json: bool, verbose: bool) -> Iterator[None]:
    """Turn errors into one line on stderr, a JSON object on stdout where asked for, and an exit code."""
    import warnings

    from onnxprune.errors import UsageError

    warnings.showwarning = lambda message, *_: typer.echo(f"warning: {message}", err=True)
    try:
        yield
    except (typer.Exit, BrokenPipeError):
        raise  # nobody listens any more: typer ends quietly
    except Exception as error:  # the border: whatever is not the user's to mend is reported as ours
        if verbose:
            import traceback

            traceback.print_exc()
        known = _known(error)
        if as_json:
            print_json({"error": str(known)})
        typer.echo(f"error: {known}", err=True)
        raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED) from None


def _known(error: Exception) -> Exception:
    """Return an error whose message is for people."""
    from onnxprune.errors import InternalError, OnnxPruneError, ResourceError

    if isinstance(error, OnnxPruneError):
        return error
    return ResourceError.of(error) if isinstance(error, (MemoryError, OSError)) else InternalError.of(error)


@contextmanager
def interrupted_in_one_line() -> Iterator[None]:
    """Turn Ctrl-C into one line on stderr and the usual exit code."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted; no file is half written", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


@contextmanager
def progress(phases: Sequence[str] = PHASES, quiet: bool = False) -> Iterator[OnPhase]:
    """Show the phases of a run on stderr while it works, unless `quiet`; nothing remains of it afterwards."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    screen = Console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=quiet or not screen.is_terminal) as shown:
        task = shown.add_task("starting", total=len(phases))
        yield lambda name, share: shown.update(task, description=name, completed=phases.index(name) + share)


def feeds_from(path: Path | None) -> Any:
    """Return the inputs in an .npz, or None where none was named."""
    if path is None:
        return None
    from onnxprune.feeds import load_feeds

    return load_feeds(path)


def console(stderr: bool = False) -> Console:
    """Return the terminal that results are printed on, or that of errors."""
    from rich.console import Console

    return Console(stderr=stderr)


def print_json(data: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(_finite(data), indent=2, default=str, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    """Return plain data with null for the numbers that JSON does not have: infinities and NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
