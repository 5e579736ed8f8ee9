"""docs/targets.md says what the records and the requirements say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from onnxprune.readiness.requirements import REQUIREMENTS
from onnxprune.report.target import row_of
from onnxprune.targets import find, names

PAGE = Path(__file__).parents[2] / "docs" / "targets.md"


def rows(first: str) -> Iterator[list[str]]:
    """The cells of the table whose first heading is `first`."""
    lines = iter(PAGE.read_text(encoding="utf-8").splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_targets_is_that_of_the_records() -> None:
    wanted = [[f"`{cells[0]}`", *cells[1:]] for cells in (row_of(find(name)) for name in names())]
    assert list(rows("target")) == wanted


def test_every_kind_of_fact_is_explained() -> None:
    explained = [cells[0].strip("`") for cells in rows("kind")]
    assert len(explained) == len(set(explained)) and set(explained) == REQUIREMENTS.keys()


def test_the_verdict_that_is_shown_has_the_form_of_a_verdict() -> None:
    text = PAGE.read_text(encoding="utf-8").split("```json\n", 1)[1].split("```", 1)[0]
    shown = json.loads(text)
    assert shown["title"] == find("tensorrt").title and shown["version"] == find("tensorrt").version
    assert shown["findings"][0].keys() == {
        "requirement", "status", "required", "found", "told", "nodes", "new", "why", "do", "source", "details",
    }  # fmt: skip
