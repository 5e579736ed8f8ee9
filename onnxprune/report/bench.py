"""How times look in a terminal: where they were measured, a table for each batch size, what to beware of."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxprune.bench.benchmark import AtBatchSize, Benchmark
from onnxprune.bench.ratio import Ratio
from onnxprune.inputs import in_words


def show_benchmark(found: Benchmark, console: Console) -> None:
    """Print what was measured, and on what."""
    machine = found.machine
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}"
    console.print(
        Text(f"{machine.processor}, {machine.cores} logical cores, onnxruntime {machine.onnxruntime}, {threads}")
    )
    for one in found.races:
        console.print()
        console.print(Text(_heading(one), style="bold"))
        console.print(_table(one))
        console.print(Text(_footnote(one), style="dim"))
    for warning in found.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _heading(one: AtBatchSize) -> str:
    shapes = ", ".join(f"{name} {in_words(shape)}" for name, shape in one.inputs.items())
    return f"batch size {one.batch_size}: {shapes}"


def _table(one: AtBatchSize) -> Table:
    """Return the models with their times, the baseline first, and how each compares with it."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("model", overflow="fold")
    for heading in ("ms", "10-90%", "CPU ms", "samples/s", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for name, latency in one.race.contestants.items():
        times = f"{digits(latency.median_ms)}", f"{digits(latency.low_ms)}-{digits(latency.high_ms)}"
        rate = digits(one.samples_per_second(name))
        table.add_row(name, *times, digits(latency.cpu_ms), rate, *_compared(one.race.ratios.get(name)))
    return table


def _compared(ratio: Ratio | None) -> tuple[str, Text]:
    """Return the ratio to the baseline and what may be said of it."""
    if ratio is None:
        return "", Text("baseline")
    style = "green" if ratio.is_faster else "red" if ratio.is_slower else ""
    return f"{ratio.value:.3f}", Text(ratio.verdict, style=style)


def _footnote(one: AtBatchSize) -> str:
    race = one.race
    return f"{race.rounds} rounds; a second copy of the baseline seems up to {race.noise:.1%} off"


def digits(value: float) -> str:
    """Return a number with three digits that count, or all before the point: 0.123, 4.57, 1235."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
