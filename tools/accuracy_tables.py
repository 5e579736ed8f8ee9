"""The tables of docs/benchmarks.md about accuracy, made of what tools/bench_accuracy.py measured.

python tools/accuracy_tables.py
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from bench_accuracy import CNNS, DATA, OUT, Case, cases

Rows = dict[str, Any]
MISSING = "-"
PAGE = OUT.with_name("benchmarks.md")
BEGIN, END = "<!-- tables of accuracy: made by tools/accuracy_tables.py -->", "<!-- end of the tables of accuracy -->"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def scores(found: Rows, wanted: Iterable[Case], metric: str) -> list[float]:
    """Return the scores of those cases that were measured."""
    rows = (found["rows"].get(case.key) for case in wanted)
    return [row["score"][metric] for row in rows if row is not None and "score" in row]


def shown(values: Sequence[float]) -> str:
    """Return a mean in percent, with the least and the largest where there are several."""
    if not values:
        return MISSING
    spread = f" ({min(values):.1%} to {max(values):.1%})" if len(values) > 1 else ""
    return f"{mean(values):.1%}{spread}".replace("%", "")


def by_data(found: Rows, task: str) -> str:
    """Return the accuracy of a task with the defaults, by amount and kind of data."""
    own = [case for case in cases("defaults") if case.task == task]
    amounts = sorted({case.amount for case in own})
    rows = [
        [f"{amount:.0%}", *(shown(scores(found, _where(own, amount=amount, data=data), "accuracy")) for data in DATA)]
        for amount in amounts
    ]
    return table(["parameters removed", "512 unlabelled samples", "no data (synthetic)", "no data, no repair"], rows)


def by_choice(found: Rows, plan: str, field: str) -> str:
    """Return the accuracy for each recovery method or criterion, by model and amount."""
    own = list(cases(plan))
    places = sorted({(case.task, case.amount) for case in own}, key=lambda place: (CNNS.index(place[0]), place[1]))
    choices = list(dict.fromkeys(getattr(case, field) for case in own))
    rows = [
        [
            choice,
            *(shown(scores(found, _where(own, **{field: choice}, task=t, amount=a), "accuracy")) for t, a in places),
        ]
        for choice in choices
    ]
    return table([field, *(f"{task} {amount:.0%}" for task, amount in places)], rows)


def widths(found: Rows) -> str:
    """Return what round widths cost at the same share of parameters: the accuracy with and without them."""
    own = [case for case in cases("widths") if case.task in CNNS]
    rows = []
    for task, amount in dict.fromkeys((case.task, case.amount) for case in own):
        alike = _where(own, task=task, amount=amount)
        same = [_where(alike, data=data) for data in DATA]
        free = [[replace(case, round_to="none") for case in some] for some in same]
        cells = (f"{_accuracy(found, a)} / {_accuracy(found, b)}" for a, b in zip(same, free, strict=True))
        rows.append([task, f"{amount:.0%}", *cells])
    heads = ["model", "parameters removed", "512 unlabelled samples", "no data (synthetic)", "no data, no repair"]
    return table(heads, rows)


def peers(found: Rows) -> str:
    """Return what other tools leave of the accuracy."""
    rows = [
        [row["model"], f"{row['wanted']:.0%}", f"{row['tool']}, {row['setting']}".strip(", "), _share(row), row["note"]]
        for row in found.get("peers", [])
    ]
    return table(["model", "removed", "tool", "accuracy", "note"], rows)


def real(found: Rows) -> str:
    """Return the scores of the real models."""
    own = list(cases("real"))
    rows = []
    for task in dict.fromkeys(case.task for case in own):
        for metric in found["dense"].get(task, {}):
            dense = f"{found['dense'][task][metric]:.3f}"
            for budget, amount in sorted({(case.budget, case.amount) for case in own if case.task == task}):
                same = _where(own, task=task, amount=amount, budget=budget)
                values = [scores(found, _where(same, data=data), metric) for data in DATA]
                cells = (f"{value[0]:.3f}" if value else MISSING for value in values)
                rows.append([task, metric, f"{amount:.0%} of {budget}", dense, *cells])
    return table(["model", "metric", "removed", "dense", "real samples", "synthetic", "no repair"], rows)


def zeros(found: Rows) -> Iterator[str]:
    """Yield what zeros in place keep of the accuracy."""
    own = list(cases("zeros"))
    for task in dict.fromkeys(case.task for case in own):
        dense = found["dense"].get(task, {}).get("accuracy")
        yield f"### {task}: zeros in place, accuracy in percent" + _dense(dense)
        same = _where(own, task=task, criterion="auto", recover="auto", scope="global")
        rows = [
            [f"{granularity}, {amount:.0%}", *(_accuracy(found, _where(alike, data=data)) for data in DATA)]
            for granularity, amount in dict.fromkeys((case.granularity, case.amount) for case in same)
            for alike in [_where(same, granularity=granularity, amount=amount, permute=True)]
        ]
        rows += [
            ["2:4, --no-permute", *(_accuracy(found, _where(same, permute=False, data=data)) for data in DATA)],
        ]
        yield table(["zeros", "512 unlabelled samples", "no data (synthetic)", "no data, no repair"], rows)
    element = _where(own, task=CNNS[0], granularity="element")
    amounts = list(dict.fromkeys(case.amount for case in element))
    yield f"### {CNNS[0]}: element zeros by criterion and schedule, accuracy in percent"
    ways = dict.fromkeys(
        (case.criterion, case.scope, case.data, case.recover) for case in element if case.data != "synthetic"
    )
    rows: dict[tuple[str, str, str], list[str]] = {}
    for criterion, scope, data, recover in ways:
        alike = _where(element, criterion=criterion, scope=scope, data=data, recover=recover)
        name = {"real": "obs", "none": "lamp"}[data] if criterion == "auto" else criterion
        repaired = "yes" if recover == "auto" and data == "real" else "no"
        rows.setdefault((name, scope, repaired), [_accuracy(found, _where(alike, amount=amount)) for amount in amounts])
    yield table(
        ["criterion", "scope", "repaired", *(f"{amount:.0%}" for amount in amounts)],
        ([*way, *cells] for way, cells in rows.items()),
    )


def _accuracy(found: Rows, wanted: Iterable[Case]) -> str:
    return shown(scores(found, wanted, "accuracy"))


def _dense(accuracy: float | None) -> str:
    return "" if accuracy is None else f", dense {accuracy:.1%}".rstrip("%")


def _where(wanted: Iterable[Case], **fields: Any) -> list[Case]:
    return [case for case in wanted if all(getattr(case, name) == value for name, value in fields.items())]


def _share(row: Rows) -> str:
    return MISSING if row["accuracy"] is None else f"{row['accuracy']:.1%}".replace("%", "")


def sections(found: Rows) -> Iterator[str]:
    """Yield all tables under their headings."""
    for task in (*CNNS, "vision_transformer"):
        dense = found["dense"].get(task, {}).get("accuracy")
        yield f"### {task}: accuracy in percent" + _dense(dense)
        yield by_data(found, task)
    yield "### What each repair buys: criterion `obs`, 512 samples, accuracy in percent"
    yield by_choice(found, "recovery", "recover")
    yield "### What each criterion buys: sequential repair, 512 samples, accuracy in percent"
    yield by_choice(found, "criteria", "criterion")
    yield "### What round widths cost: `--round-to auto` / `none`, accuracy in percent"
    yield widths(found)
    yield from zeros(found)
    yield "### Other tools at the same share of parameters, accuracy in percent"
    yield peers(found)
    yield "### Real models"
    yield real(found)


def main() -> None:
    """Put the tables into docs/benchmarks.md, between the two marks there."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n\n".join(sections(json.loads(OUT.read_text())))
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}")


if __name__ == "__main__":
    main()
