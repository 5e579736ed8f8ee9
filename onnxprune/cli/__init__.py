"""The command line: one function a command, which parses, calls and prints. Heavy imports wait until one runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from onnxprune import __version__
from onnxprune.cli.benching import bench
from onnxprune.cli.border import interrupted_in_one_line
from onnxprune.cli.checking import check, targets
from onnxprune.cli.diffing import diff
from onnxprune.cli.looking import compare, evaluate, inspect
from onnxprune.cli.profiling import profile
from onnxprune.cli.pruning import apply_, prune
from onnxprune.cli.sensitivity import sensitivity


class PruneByDefault(TyperGroup):
    """A group in which `onnxprune MODEL ...` means `onnxprune prune MODEL ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `prune` in front where no command and no option of the group itself is named."""
        own = {"--help", "-h", "--version", "--install-completion", "--show-completion"}
        if args and args[0] not in self.commands and args[0] not in own:
            args = ["prune", *args]
        return super().parse_args(ctx, args)

    def make_context(self, *words: Any, **more: Any) -> Any:
        """Read the command line, which already takes long enough to be interrupted."""
        with interrupted_in_one_line():
            return super().make_context(*words, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with interrupted_in_one_line():
            return super().invoke(ctx)


app = typer.Typer(
    cls=PruneByDefault,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"onnxprune {__version__}")
        raise typer.Exit


@app.callback()
def onnxprune(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Make a trained ONNX model smaller and faster, and prove that it was done right.

    [bold]onnxprune model.onnx --amount 0.4[/bold] removes 40% of the parameters and writes model.pruned.onnx.
    """


EXAMPLES = """[bold]onnxprune model.onnx -a 0.4 --budget macs -c samples/ --bench[/bold]  smaller, repaired, measured

[bold]onnxprune model.onnx -g 2:4 --target tensorrt --report report.html[/bold]  zeros for sparse tensor cores

[bold]onnxprune model.onnx --max-drop 0.01 -c data.npz --labels y[/bold]  as much as accuracy allows"""

app.command("prune", epilog=EXAMPLES)(prune)
app.command("apply")(apply_)
app.command("inspect")(inspect)
app.command("check")(check)
app.command("targets")(targets)
app.command("evaluate")(evaluate)
app.command("profile")(profile)
app.command("compare")(compare)
app.command("diff")(diff)
app.command("bench")(bench)
app.command("sensitivity")(sensitivity)
