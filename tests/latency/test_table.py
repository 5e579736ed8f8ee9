"""The table of times: the same file whatever was measured first, and one clear line for what is no table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import MACHINE

from onnxprune.errors import DataError, OutputError
from onnxprune.latency.kept import cached
from onnxprune.latency.table import SCHEMA, Table
from onnxprune.machine import Machine

Measured = list[tuple[str, str, list[int], float]]

MEASURED: Measured = [
    ("b", "Conv", [16, 8], 12.346),
    ("a", "Relu", [16], 1.5),
    ("b", "Conv", [8, 8], 7.0),
    ("whole", "", [], -3.25),
    ("b", "Conv", [16, 8], 11.0),
]
"""What is around the nodes of a model may come out negative: the profiler takes time for each node."""


def table_of(measured: Measured, threads: int = 1) -> Table:
    table = Table(MACHINE, threads)
    for row in measured:
        table.add(*row)
    return table


def data() -> dict[str, Any]:
    return table_of(MEASURED).as_dict()


def written(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    table = table_of(MEASURED, threads=3)
    table.save(tmp_path / "table.json")
    loaded = Table.load(tmp_path / "table.json")
    assert loaded == table
    loaded.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "table.json").read_bytes()


@given(st.permutations(MEASURED))
def test_the_order_of_measuring_does_not_show(measured: Measured) -> None:
    table, other = table_of(measured), table_of(MEASURED)
    assert json.dumps(table.as_dict()) == json.dumps(other.as_dict())
    assert table.rows == other.rows


def test_points_of_nodes_alike_are_kept_together() -> None:
    rows = table_of(MEASURED).rows
    assert rows["b"].points == [([8, 8], 7.0), ([16, 8], 11.0), ([16, 8], 12.35)]
    assert rows["a"].operator == "Relu"


def test_saving_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    table_of(MEASURED[:1]).save(path)
    table_of(MEASURED).save(path)
    assert Table.load(path) == table_of(MEASURED)


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        table_of(MEASURED).save(tmp_path / "nowhere" / "table.json")


def with_row(**row: Any) -> dict[str, Any]:
    return {**data(), "nodes": {"b": {"operator": "Conv", "points": [[[8, 8], 1.0]], **row}}}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "3",
        "[" * 100_000,
        {},
        {"schema": SCHEMA},
        {**data(), "nodes": []},
        {**data(), "nodes": {"b": 3}},
        {**data(), "nodes": {"b": {}}},
        {**data(), "threads": "many"},
        {**data(), "threads": None},
        {**data(), "machine": None},
        {**data(), "machine": {"processor": "x"}},
        {**data(), "machine": {**data()["machine"], "colour": "red"}},
        with_row(points=[]),
        with_row(points=3),
        with_row(points=[3]),
        with_row(points=[[[8, 8]]]),
        with_row(points=[[[8, 8], "slow"]]),
        with_row(points=[[["wide"], 1.0]]),
        with_row(points=[[[8, 8], 1.0], [[8], 1.0]]),
        with_row(points=[[[0, 8], 1.0]]),
        with_row(points=[[[float("inf"), 8], 1.0]]),
        with_row(points=[[[8, 8], float("nan")]]),
        with_row(points=[[[8, 8], float("inf")]]),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(content: Any, tmp_path: Path) -> None:
    path = written(tmp_path / "table.json", content)
    with pytest.raises(DataError) as failure:
        Table.load(path)
    assert str(path) in str(failure.value) and "onnxprune profile" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_bytes(np.random.default_rng(0).bytes(200) + b"\xff\xfe")
    with pytest.raises(DataError, match="not a JSON file"):
        Table.load(tmp_path / "table.json")


def test_a_table_of_another_version_says_which(tmp_path: Path) -> None:
    path = written(tmp_path / "table.json", {**data(), "schema": "onnxprune-latency/99"})
    with pytest.raises(DataError, match="onnxprune-latency/99, not onnxprune-latency/"):
        Table.load(path)


@pytest.mark.parametrize("path", ["missing.json", "."])
def test_what_cannot_be_read_says_why(path: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Table.load(tmp_path / path)


# Where it is kept


def test_each_machine_and_number_of_threads_has_a_file_of_its_own() -> None:
    machines = [
        MACHINE,
        Machine("Made-up 9000", 4, "1.1"),
        Machine("Made-up 9000", 8, "1.0"),
        Machine("Other", 4, "1.0"),
    ]
    files = {cached(machine, threads) for machine in machines for threads in (1, 2)}
    assert len(files) == 8 and len({file.parent for file in files}) == 1


def test_the_file_name_of_a_machine_is_plain() -> None:
    machine = Machine("Intel(R) Xeon(R) CPU @ 2.20GHz / ü", 16, "1.20.0+cpu")
    name = cached(machine, 1).name
    assert name == "latency-intel-r-xeon-r-cpu-2-20ghz-16-1-20-0-cpu-1.json"
