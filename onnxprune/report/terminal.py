"""How the report of a run looks in a terminal: rich tables, sensible at 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from onnxprune.report.data import Before, Report
from onnxprune.report.target import show_handover, show_short_verdict
from onnxprune.report.words import amount, kept, scores

MOST_PRUNED = 5


def show_report(report: Report, console: Console) -> None:
    """Print one screen about a finished run."""
    console.print(_summary(report))
    if report.simplified is not None:
        console.print(_simplified(report.simplified))
    if len(report.limits) > 1:
        console.print(_limits(report.limits))
    console.print(_dims(report) if report.sparsity is None else _layers(report, report.sparsity))
    console.print(_verification(report))
    _show_repair(report, console)
    if report.latency is not None:
        console.print(_latency(report.latency))
    show_warnings(report, console)
    if report.storage is not None:
        console.print(_storage(report.storage))
    if report.target:
        show_short_verdict(report.target, console)
    if report.output:
        console.print(Text.assemble("written to ", (report.output, "bold")))
        show_handover(report.target, console)


def show_warnings(report: Report, console: Console) -> None:
    """Print what somebody has to know."""
    for warning in report.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _simplified(simple: dict[str, Any]) -> Text:
    """Return what the pre-pass did, and how it was shown to have changed no output."""
    nodes, shown = simple["nodes"], simple["outputs"]
    proof = f"outputs equal, largest error {shown['error']:.1e}" if shown else "not compared"
    return Text(f"simplified first ({simple['simplifier']}): {nodes['before']} nodes became {nodes['after']}; {proof}")


def _storage(storage: dict[str, Any]) -> Text:
    saved = storage["saved"]
    spared = f", which takes {amount(sum(saved.values()))} bytes less" if saved else ""
    return Text(
        f"{len(saved)} tensors are stored sparse{spared}; {len(storage['left'])} would not be smaller or cannot"
    )


def _show_repair(report: Report, console: Console) -> None:
    """Print how the remaining weights were repaired, and how far the outputs moved in the end."""
    if report.recovery is not None:
        console.print(_recovery(report.recovery))
    if report.drift is not None:
        console.print(_drift(report.drift))
    if report.curve:
        console.print(_curve(report.curve))


def _drift(drift: dict[str, Any]) -> RenderableType:
    kind = "samples" if drift["real_data"] else "made-up samples"
    which = "kept back from the repair" if drift["held_back"] else "that the repair has seen (there is just one batch)"
    title = Text(f"compared with the dense model on {drift['samples']} {kind} {which}:")
    table = Table("output", "by", "value", "drop")
    for name, score in drift["outputs"].items():
        table.add_row(name, score["metric"], *scores(score["metric"], score["value"], score["drop"]))
    return Group(title, table)


def _recovery(recovery: dict[str, Any]) -> Text:
    missed = [sum(layer[when] for layer in recovery["layers"]) for when in ("before", "after")]
    count = max(len(recovery["layers"]), 1)
    left = f"; {len(recovery['left'])} nodes as they were" if recovery["left"] else ""
    return Text.assemble(
        "repaired ",
        (f"{len(recovery['layers'])} layers", "bold"),
        f" ({recovery['method']}) on {recovery['source']}: they miss {missed[1] / count:.1%} of their dense outputs' "
        f"variance on average, {missed[0] / count:.1%} before{left}",
    )


def _curve(curve: list[dict[str, Any]]) -> Table:
    """Return the amounts that were tried on the way to the largest one within the drop."""
    table = Table("amount tried", "drop", "within")
    for step in curve:
        drop = "cannot be removed" if step["drop"] is None else f"{step['drop']:.4g}"
        table.add_row(f"{step['amount']:.1%}", drop, "yes" if step["within"] else "no")
    return table


def _summary(report: Report) -> Table:
    table = Table("", "before", "after", "kept")
    rows: list[tuple[str, Before | None]] = [
        ("parameters", report.params),
        ("MACs", report.macs),
        ("weights not zero", _not_zero(report.sparsity)),
        ("file, bytes", report.bytes),
        ("compressed, bytes", report.compressed),
    ]
    for name, change in rows:
        if change is not None:
            table.add_row(name, amount(change.before), amount(change.after), kept(change.after, change.before))
    if report.latency is not None:
        times, ratio = report.latency["contestants"], report.latency["ratios"]["pruned"]["value"]
        before, after = (f"{times[name]['median_ms']:.3g} ms" for name in ("dense", "pruned"))
        table.add_row("latency", before, after, f"{ratio:.1%}")
    return table


def _limits(limits: list[dict[str, Any]]) -> Text:
    """Return how each of several limits was kept."""
    parts = (f"{limit['budget']} {limit['reached']:.1%} of {limit['requested']:.1%}" for limit in limits)
    return Text(f"removed of what was asked for: {', '.join(parts)}")


def _latency(latency: dict[str, Any]) -> Text:
    """Return what was measured, and where: a ratio means little without."""
    ratio, machine = latency["ratios"]["pruned"], latency["machine"]
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in latency["shapes"].items())
    style = "green" if ratio["high"] < 1 - ratio["noise"] else "yellow"
    return Text.assemble(
        "measured ",
        (ratio["verdict"], f"bold {style}"),
        f" (95% sure of {ratio['low']:.3f} to {ratio['high']:.3f} of the time; noise {ratio['noise']:.1%}): "
        f"onnxruntime {machine['onnxruntime']}, {machine['processor']}, threads: {latency['threads']}, {shapes}",
    )


def _not_zero(sparsity: dict[str, Any] | None) -> Before | None:
    if sparsity is None:
        return None
    zeros = sparsity["zeros"]
    size, before, after = sparsity["weights"], zeros["before"] or 0, zeros["after"]
    return Before(size - before, size - after)


def _layers(report: Report, sparsity: dict[str, Any]) -> RenderableType:
    """Return the weights with the largest shares of zeros, and what became of the others."""
    shares = sorted(sparsity["layers"], key=lambda layer: -layer["zeros"] / prod(layer["shape"]))
    table = Table("most zeros", "shape", "zeros", "")
    for layer in shares[:MOST_PRUNED]:
        share = layer["zeros"] / prod(layer["shape"])
        shape = "x".join(str(length) for length in layer["shape"])
        table.add_row(layer["name"], shape, f"{share:.1%}", _bar(1 - share))
    note = f"{sparsity['granularity']} zeros in {len(shares)} weights, {len(report.not_pruned)} left as they were"
    if sparsity["permuted"]:
        note += f"; {len(sparsity['permuted'])} dims have their units in another order"
    if (same := sparsity.get("same_outputs")) is not None:
        note += f", with the same outputs (largest error {same['max_rel_error']:.1e}, {same['verdict']})"
    whys = [Text(f"left: {line}", style="dim") for line in _left(report.not_pruned)]
    return Group(*([table] if shares else []), Text(note, style="dim"), *whys)


def _left(entries: list[dict[str, str]]) -> Iterator[str]:
    """Yield why weights were left as they are, the most frequent reasons first, each with a weight."""
    reasons = Counter(entry["reason"] for entry in entries)
    for reason, count in reasons.most_common(MOST_PRUNED):
        first = next(entry["name"] for entry in entries if entry["reason"] == reason)
        yield f"{first}{f' and {count - 1} more' if count > 1 else ''}: {reason}"


def _dims(report: Report) -> RenderableType:
    pruned = sorted((dim for dim in report.dims if dim.kept < dim.size), key=lambda dim: dim.kept / dim.size)
    table = Table("most pruned", "units", "kept", "")
    for dim in pruned[:MOST_PRUNED]:
        table.add_row(dim.name, str(dim.size), str(dim.kept), _bar(dim.kept / dim.size))
    whole, frozen = len(report.dims) - len(pruned), len(report.not_pruned) - (len(report.dims) - len(pruned))
    note = (
        f"{len(pruned)} dims pruned, {whole} left whole, {frozen} weight axes cannot shrink (see `onnxprune inspect`)"
    )
    whys = [Text(f"protected: {line}", style="dim") for line in _left(report.protected)]
    return Group(*([table] if pruned else []), Text(note, style="dim"), *whys)


def _bar(share: float, width: int = 16) -> Text:
    kept = max(1, round(width * share))
    return Text("█" * kept, style="green") + Text("░" * (width - kept), style="dim")


def _verification(report: Report) -> Text:
    check = report.verified
    if check is None:
        return Text("not verified", style="yellow")
    if check["verdict"] == "unchanged":
        return Text("nothing was removed")
    if report.sparsity is not None:
        return _pattern(check)
    style = "green" if check["verdict"] == "proved" else "yellow"
    twin = " (as float32 twins)" if check["float32_twin"] else ""
    twin += " (without rounding activations)" if check["unrounded_twin"] else ""
    return Text.assemble(
        ("mask == slice ", style),
        (f"{check['verdict']}{twin}", f"bold {style}"),
        f": {check['compared']} tensors, largest error {check['max_rel_error']:.1e} "
        f"(tolerance {check['tolerance']:.1e}); a damaged weight shows at {check['power']:.0e} times that",
    )


def _pattern(check: dict[str, Any]) -> Text:
    changed = f", {check['recovered']} were repaired" if check["recovered"] else ""
    return Text.assemble(
        ("zeros ", "green"),
        (check["verdict"], "bold green"),
        f": {check['weights']} weights have all that were promised, {amount(check['zeros'])} of "
        f"{amount(check['elements'])} numbers, as {check['granularity']}; {check['unchanged']} other tensors are the "
        f"same, bit by bit{changed}",
    )
