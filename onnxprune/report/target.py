"""How verdicts on targets look in a terminal, and the records of targets."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from onnxprune.targets import Target

STYLES = {"met": "green", "not met": "red", "advised": "yellow", "not asked": "dim"}


def show_verdict(verdict: dict[str, Any], console: Console) -> None:
    """Print everything that was looked at: what holds, what does not, and what to do."""
    table = Table("", "requirement", "found", show_lines=False)
    for finding in verdict["findings"]:
        table.add_row(Text(finding["status"], style=STYLES[finding["status"]]), finding["requirement"], _found(finding))
    console.print(table)
    console.print(verdict_in_a_line(verdict))
    show_handover(verdict, console)


def show_short_verdict(verdict: dict[str, Any], console: Console) -> None:
    """Print whether a pruned model is ready for its target, and what is not as it should be."""
    console.print(verdict_in_a_line(verdict))
    for finding in verdict["findings"]:
        if finding["status"] in ("not met", "advised"):
            style, before = STYLES[finding["status"]], "" if finding["new"] else " (as before pruning)"
            console.print(Text(f"  {finding['requirement']}: {finding['found']}{before}", style=style))
            if finding["status"] == "not met":
                console.print(Text(f"  {finding['why']}: {finding['do']}", style="dim"))
        elif finding["told"]:
            console.print(Text(f"  {finding['found']}", style="dim"))


def show_handover(verdict: dict[str, Any], console: Console) -> None:
    """Print what was written beside the model, and the lines that hand it over, unbroken so that they can be pasted."""
    for made in verdict.get("files", ()):
        apart = f"; its outputs are within {made['max_rel_error']:.1e} of the model's"
        console.print(Text(f"also written: {', '.join(made['files'])}{apart}"))
    for line in verdict["handover"]:
        console.print(Text(f"  {line}", style="bold"), soft_wrap=True)


def show_targets(targets: list[Target], console: Console) -> None:
    """Print what there is to choose from."""
    table = Table("target", "runtime", "version", "widths", "zeros that save time")
    for target in targets:
        table.add_row(*row_of(target))
    console.print(table)


def row_of(target: Target) -> list[str]:
    """Return what is told of a target in a list of all."""
    width = "as this machine" if target.width is None else "any" if target.width == 1 else str(target.width)
    return [target.name, target.title, target.version, width, _useful_zeros(target)]


def _useful_zeros(target: Target) -> str:
    value = target.value("zeros")
    if value is None:
        return "not known"
    useful = (name if ":" in name else f"{name}, from {value['from']:.0%}" for name in value["granularities"])
    return "; ".join(useful) or "none"


def show_target(target: Target, console: Console) -> None:
    """Print the facts about one target, and where each is from."""
    table = Table("fact", "why", "source", title=f"{target.title} {target.version}", title_justify="left")
    for fact in target.facts:
        kind = Text(fact.kind, style="bold" if fact.is_required else "")
        table.add_row(kind, fact.why, Text(f"{fact.source.page} ({fact.source.version})", overflow="fold"))
    console.print(table)
    console.print(Text("bold: a model does not load or run without it", style="dim"))


def verdict_in_a_line(verdict: dict[str, Any]) -> Text:
    """Return whether a model is ready, in one line."""
    counts = {status: sum(f["status"] == status for f in verdict["findings"]) for status in STYLES}
    name = f"{verdict['title']} {verdict['version']}"
    parts = [f"{count} {status}" for status, count in counts.items() if count]
    word, style = ("ready", "bold green") if verdict["ready"] else ("not ready", "bold red")
    return Text.assemble((word, style), f" for {name}: {', '.join(parts)}")


def _found(finding: dict[str, Any]) -> RenderableType:
    found = Text(finding["found"])
    if finding["status"] not in ("not met", "advised"):
        return found
    return Group(found, Text(f"{finding['why']}: {finding['do']}", style="dim"))
