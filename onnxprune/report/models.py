"""What commands that only look at models print: evaluations, inspections, comparisons."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from onnxprune.evaluate import Evaluation
from onnxprune.report.inspection import Inspection
from onnxprune.report.words import amount, kept, scores


def show_evaluation(found: Evaluation, console: Console) -> None:
    """Print what a model gives on samples, and what a reference gives where there is one."""
    compared = any(output.fits for output in found.outputs.values())
    table = Table("output", "metric", *(["value", "reference", "drop"] if compared else ["value"]))
    for name, output in found.outputs.items():
        for metric, score in output.scores.items():
            known = scores(metric, score.value, score.dense, score.drop)
            table.add_row(name, metric, *known, style="bold" if metric == output.fits else "")
            name = ""
    console.print(table)
    for name, output in found.outputs.items():
        if output.max_abs is not None:
            console.print(Text(f"{name}: largest absolute difference {output.max_abs:.3g}"))
        if not output.finite:
            console.print(Text(f"warning: output '{name}' holds NaN or infinities", style="yellow"))
    console.print(Text(f"{found.samples} samples from {found.source}"))


def show_inspection(found: Inspection, console: Console) -> None:
    """Print what can be pruned, and why the rest cannot."""
    table = Table(title="prunable dims", title_justify="left")
    for heading in ("dim", "size", "params/unit", "MACs/unit", "weights"):
        table.add_column(heading, justify="left" if heading == "dim" else "right", overflow="fold")
    for dim in found.dims:
        table.add_row(
            dim["name"],
            str(dim["size"]),
            amount(dim["params_per_unit"]),
            amount(dim["macs_per_unit"]),
            str(len(dim["members"])),
        )
    console.print(table)
    for reason in dict.fromkeys(dim["protected"] for dim in found.dims if dim["protected"]):
        console.print(Text(f"protected: {reason}", style="yellow"))
    if found.not_prunable:
        console.print(_reasons(found.not_prunable))
    console.print(
        f"{len(found.dims)} prunable dims; {found.prunable_params:.1%} of {amount(found.params)} parameters and "
        f"{found.prunable_macs:.1%} of {amount(found.macs)} MACs can go"
    )


def show_comparison(facts: dict[str, Any], console: Console) -> None:
    """Print two models side by side."""
    table = Table("", "dense", "pruned", "kept")
    for name in ("bytes", "params", "macs"):
        before, after = facts[name]["before"], facts[name]["after"]
        table.add_row(name, amount(before), amount(after), kept(after, before))
    console.print(table)
    outputs = Table("output", "max abs difference", "max rel difference")
    for name, apart in facts["outputs"].items():
        outputs.add_row(name, f"{apart['max_abs']:.3g}", f"{apart['max_rel']:.3g}")
    console.print(outputs)


def _reasons(groups: list[dict[str, Any]]) -> Table:
    table = Table(title="weight axes that cannot shrink", title_justify="left")
    table.add_column("axes", justify="right")
    table.add_column("reason", overflow="fold")
    table.add_column("first seen at", overflow="fold")
    for group in groups:
        table.add_row(str(group["count"]), group["reason"], f"{group['first']}  {group['node']}".strip())
    return table
