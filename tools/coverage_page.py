"""How the figures of the coverage run are shown: a page with a summary, a table a group, and the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

Row = dict[str, Any]

BROKEN = ("crash", "over time", "mask != slice", "pruned does not run")
MEASURED = ("proved", "vacuous", "unchanged")
REASONS_PER_MODEL = 2
COMMON_REASONS = 15
LOOSE_TOLERANCE, LOOSE_OUTPUT = 0.05, 0.01
"""A tolerance, and a relative error of an output, beyond which a check says little about that tensor."""

INTERFACE = ("is an input of the model", "is an output of the model")

ABOUT = """\
# Coverage

Every model below was pruned by `--budget macs --amount 0.5 --best-effort`, each in a process of its own, and checked:
the pruned model against the dense one with 0/1 masks in front of every consumer (mask == slice), at every output and
before every masked contraction, on random inputs.

{summary}

* **exported**: exports of torchvision, timm, ultralytics, transformers and segmentation-models with random weights, by
  both of PyTorch's exporters, some quantized by onnxruntime afterwards. The files are not part of this project.
* **shipped**: trained models out of Python packages, by the versions and hashes of `tools/real_models.json`.
* **light**: the classic networks whose graphs the onnx wheel ships, given random weights by `tools/light_models.py`.

Columns: *dims*: independent widths that can shrink (in brackets those that are recognised as fixed mathematics and
stay). *MMACs*: millions of multiply-accumulates of the dense model at the usual input sizes; with a ~ those of some
nodes depend on sizes that only the running model knows and count as 1. *MACs, parameters prunable*: 1 - (what is left
at minimum widths) / (dense). *Reached*: of the MACs, 50% was asked for. *Error / tolerance*: of the tensor that came
closest to its tolerance. *Power*: by how many tolerances a damaged weight moved some compared tensor, at the least of
three depths; below 10 the check is called vacuous. *Valid*: by onnx's full check, before and after. *s*: everything,
the check included; *trace*: CPU seconds.

Versions: {versions}. Written by `tools/coverage.py`.
"""

COLUMNS = (
    *("model", "dims", "MMACs", "MACs prunable", "parameters prunable", "reached", "outcome", "error / tolerance"),
    *("power", "loads", "valid", "s", "trace", "what cannot shrink, mostly"),
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def is_failure(row: Row) -> bool:
    """Whether a model crashed, ran over time, was written wrong, or is no longer valid or loadable."""
    no_longer_valid = row.get("valid_before") is True and row.get("valid_after") is False
    return row["outcome"] in BROKEN or no_longer_valid or row.get("loads") is False


def is_silent(row: Row) -> bool:
    """Whether a model was left as it was, and nothing was said about it."""
    return row["outcome"] in MEASURED and not row.get("reached") and not row.get("said")


def is_loose(row: Row) -> bool:
    """Whether an output was let off by a lot, since the dense model's own noise is as large: that proves little."""
    return bool(row.get("tolerance", 0) > LOOSE_TOLERANCE or row.get("output_error", 0) > LOOSE_OUTPUT)


def summary_of(rows: Sequence[Row]) -> list[str]:
    """Return the lines that sum up a run."""
    outcomes = Counter(row["outcome"] for row in rows)
    there = [row for row in rows if row["outcome"] != "not available"]
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    groups = Counter(row["group"] for row in there)
    return [
        f"{len(there)} models ({', '.join(f'{count} {group}' for group, count in groups.items())}): "
        f"{outcomes['crash']} crashes, {sum(map(is_silent, rows))} silently untouched, {outcomes['vacuous']} vacuous, "
        f"{sum(map(is_loose, rows))} loose, {sum(map(is_failure, rows))} failures.",
        f"Outcomes: {counts}.",
    ]


def page(rows: Sequence[Row]) -> str:
    """Return the page as Markdown."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("onnxprune", "onnx", "onnxruntime", "numpy"))
    first, *others = summary_of(rows)
    parts = [ABOUT.format(summary="\n\n".join([f"**{first}**", *others]), versions=versions)]
    for group in dict.fromkeys(row["group"] for row in rows):
        members = [row for row in rows if row["group"] == group]
        parts.append("\n".join([f"## {group.capitalize()}\n", HEAD, *map(_line, members)]))
    parts += [*_notes(rows), *_common_reasons(rows)]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _line(row: Row) -> str:
    if "dims" not in row:
        return f"| {row['name']} |" + " |" * 5 + f" {row['outcome']} |" + " |" * 6 + f" {_cell(row['message'])} |"
    protected = f" ({row['protected_dims']})" if row["protected_dims"] else ""
    cells = [
        row["name"],
        f"{row['dims']}{protected}",
        f"{'~' if row['uncounted'] else ''}{row['macs'] / 1e6:.4g}",
        _share(row["prunable_macs"]),
        _share(row["prunable_params"]),
        _share(row.get("reached")),
        row["outcome"],
        f"{row['error']:.0e} / {row['tolerance']:.0e}" if "error" in row else "",
        _power(row),
        _yes(row.get("loads")),
        f"{_yes(row['valid_before'])}, {_yes(row.get('valid_after'))}",
        f"{row['seconds']:.1f}",
        f"{row['trace_cpu_seconds']:.2f}",
        _cell("; ".join(f"{r['reason']} ({r['count']})" for r in _telling_first(row["reasons"])[:REASONS_PER_MODEL])),
    ]
    return f"| {' | '.join(cells)} |"


def _telling_first(reasons: list[Row]) -> list[Row]:
    """Put those reasons last that hold for every model: that inputs and outputs of the model stay as they are."""
    return sorted(reasons, key=lambda group: group["reason"].endswith(INTERFACE))


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a section for everything that is not simply proved."""
    vacuous = [row for row in rows if row["outcome"] == "vacuous"]
    if vacuous:
        yield "## Vacuous: a damaged weight would not have been seen\n\n" + "\n".join(
            f"* {row['name']}: `{name}`: its effect ends at {end}"
            for row in vacuous
            for name, end in row["unseen"].items()
        )
    loose = [row for row in rows if is_loose(row)]
    if loose:
        head = "## Loose: the model's own noise is so large that a match of some output says little\n\n"
        yield head + "\n".join(f"* {row['name']}: an output is off by {row['output_error']:.2g}" for row in loose)
    told = [row for row in rows if row.get("message")]
    if told:
        yield "## Messages\n\n" + "\n".join(f"* {row['name']}: {row['outcome']}: {row['message']}" for row in told)
    warned = [(row["name"], warning) for row in rows for warning in row.get("warnings", ())]
    if warned:
        yield "## Warnings\n\n" + "\n".join(f"* {name}: {warning}" for name, warning in warned)


def _common_reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the reasons why an axis of a weight cannot shrink, over all models, by their own names left out."""
    axes: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for row in rows:
        found = Counter[str]()
        for group in row.get("reasons", ()):
            found[_general(group["reason"])] += group["count"]
        axes.update(found)
        models.update(found.keys())
    head = "## Why axes of weights cannot shrink, over all models\n\n| reason | axes | models |\n|---|---|---|\n"
    lines = [f"| {_cell(reason)} | {axes[reason]} | {count} |" for reason, count in models.most_common(COMMON_REASONS)]
    yield head + "\n".join(lines)


def _general(reason: str) -> str:
    """Leave out quoted names, so that equal reasons of different models count together."""
    return "'...'".join(reason.split("'")[::2])


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _power(row: Row) -> str:
    return "" if row.get("outcome") not in ("proved", "vacuous") else f"{row['power']:.2g}"


def _yes(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "no"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
