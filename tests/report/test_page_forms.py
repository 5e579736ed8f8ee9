"""The form of a report follows its name; text for pull requests is short and valid."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from onnxprune.errors import UnsupportedError, UsageError
from onnxprune.report.page import check_page, page_of


def text_of(data: dict[str, Any]) -> str:
    pytest.importorskip("jinja2")
    return page_of(data, Path("report.md")).decode()


def tables(text: str) -> list[list[list[str]]]:
    """The cells of all tables, where a bar that belongs to a cell has a backslash before it."""
    found: list[list[list[str]]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found[-1]:
            found.append([])
    return [table for table in found if table]


@pytest.mark.parametrize("name", ["report.pdf", "report", ".html"])
def test_other_names_are_refused_in_one_line(channels: dict[str, Any], name: str) -> None:
    with pytest.raises(UsageError, match=r"must end in \.html, \.md, \.json") as caught:
        page_of(channels, Path(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "package"), [("a.html", "matplotlib"), ("a.HTML", "jinja2"), ("a.md", "jinja2")])
def test_without_its_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", sys.modules.get("matplotlib", sys))
    monkeypatch.setitem(sys.modules, "jinja2", sys.modules.get("jinja2", sys))
    check_page(Path(name))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UnsupportedError, match=rf"needs {package}: pip install 'onnxprune\[report\]'"):
        check_page(Path(name))
    check_page(Path("a.json"))


def test_json_is_the_facts(everything: dict[str, Any]) -> None:
    shown = json.loads(page_of(everything, Path("report.json")))
    assert shown.keys() == everything.keys()
    assert shown["params"] == everything["params"] and shown["curve"] == everything["curve"]


def test_json_has_null_for_what_json_does_not_have() -> None:
    data = {"power": float("inf"), "path": Path("model.onnx"), "name": "a\udcff"}
    shown = json.loads(page_of(data, Path("report.json")), parse_constant=pytest.fail)
    assert shown == {"power": None, "path": "model.onnx", "name": "a?"}


def test_a_page_of_the_json_is_the_page_of_the_run(everything: dict[str, Any]) -> None:
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    saved = json.loads(page_of(everything, Path("report.json")))
    for name in ("report.html", "report.md"):
        assert page_of(saved, Path(name)) == page_of(everything, Path(name))


def test_every_table_has_as_many_cells_in_each_row(everything: dict[str, Any], zeros: dict[str, Any]) -> None:
    for data in (everything, zeros):
        found = tables(text_of(data))
        assert len(found) >= 3
        for table in found:
            assert {len(row) for row in table} == {len(table[0])}
            assert all(re.fullmatch(r"-{3,}:?", cell) for cell in table[1])


def test_the_text_has_the_summary_the_most_pruned_and_how_to_repeat_it(everything: dict[str, Any]) -> None:
    text = text_of(everything)
    summary, pruned, outputs = tables(text)
    assert [row[0] for row in summary[2:]] == ["parameters", "MACs", "file", "compressed", "latency"]
    assert summary[4][1:3] == ["24.0 kB", "15.0 kB"]
    dims = {f"`{dim['name']}`": [str(dim["size"]), str(dim["kept"])] for dim in everything["dims"]}
    assert {row[0]: row[1:] for row in pruned[2:]} == {n: w for n, w in dims.items() if w[0] != w[1]} != {}
    assert [row[0] for row in outputs[2:]] == [f"`{name}`" for name in everything["drift"]["outputs"]]
    assert "```sh\nonnxprune net.onnx --amount 0.4\n```" in text and "12" * 32 in text


def test_the_text_is_short_however_large_the_model(everything: dict[str, Any]) -> None:
    dims = [{"name": f"dim.{place}", "size": 64, "kept": 32, "members": []} for place in range(500)]
    outputs = dict.fromkeys(map(str, range(200)), next(iter(everything["drift"]["outputs"].values())))
    drift = {**everything["drift"], "outputs": outputs}
    text = text_of({**everything, "dims": dims, "drift": drift, "warnings": ["look out"] * 100})
    assert text.count("\n") < 150
    assert "500 of 500 dims lost units." in text and "180 more outputs" in text and "88 more" in text


def test_names_in_the_text_break_no_table_and_make_no_markup(everything: dict[str, Any]) -> None:
    hostile = "a|b`c\n<script>*d*</script>[e](http://f)"
    dims = [{"name": hostile, "size": 8, "kept": 4, "members": []}]
    text = text_of({**everything, "dims": dims, "warnings": [hostile]})
    assert tables(text)[1][2][0] == "`` a\\|b`c <script>*d*</script>[e](http://f) ``"
    warning = next(line for line in text.splitlines() if line.startswith("- a"))
    assert warning == "- a\\|b\\`c \\<script\\>\\*d\\*\\</script\\>\\[e\\](http://f)"


def test_text_without_facts_has_the_summary_alone(channels: dict[str, Any]) -> None:
    text = text_of({key: channels[key] for key in ("params", "macs", "amount")})
    assert len(tables(text)) == 1 and "###" not in text and "None" not in text
