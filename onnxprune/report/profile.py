"""How a latency profile looks in a terminal: where the time goes, and what narrower dims would save."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from onnxprune.latency.summary import Profile
from onnxprune.report.bench import digits

MOST = 12


def show_profile(found: Profile, console: Console) -> None:
    """Print one screen about a profile."""
    machine = found.machine
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in found.shapes.items())
    console.print(
        Text(
            f"{machine.processor}, {machine.cores} logical cores, onnxruntime {machine.onnxruntime}, "
            f"threads: {found.threads}; {shapes}"
        )
    )
    console.print(
        Text.assemble(
            (f"{digits(found.latency_ms)} ms", "bold"),
            f" a run; widths are best as multiples of {found.width}; the prices miss {found.error:.1%} of the times",
        )
    )
    console.print(_operators(found))
    console.print(_levels(found))
    console.print(_dims(found))


def _operators(found: Profile) -> Table:
    total = sum(found.operators.values())
    table = Table("operator", "ms", "share")
    for operator, time in list(found.operators.items())[:MOST]:
        table.add_row(operator, digits(time), f"{time / total:.1%}")
    return table


def _levels(found: Profile) -> Table:
    table = Table("all dims at", "ms", "of the latency", "of the MACs")
    for level in found.levels:
        table.add_row(
            f"{level.share:.0%}", digits(level.latency * found.latency_ms), f"{level.latency:.1%}", f"{level.macs:.1%}"
        )
    return table


def _dims(found: Profile) -> RenderableType:
    table = Table()
    table.add_column("dim", overflow="fold")
    for heading in ("units", "steps", "half saves, ms", "share"):
        table.add_column(heading, justify="right")
    for dim in found.dims[:MOST]:
        saved = dim.saves_ms
        table.add_row(dim.name, str(dim.size), str(dim.step), digits(saved), f"{saved / found.latency_ms:.1%}")
    more = len(found.dims) - MOST
    return Group(table, Text(f"and {more} dims that save less", style="dim")) if more > 0 else table
