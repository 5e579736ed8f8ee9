"""The table between runs: merged under a lock, versioned, and never missed when it is lost or cannot be kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_up import MACHINE

from onnxprune.errors import DataError
from onnxprune.latency import kept as module
from onnxprune.latency.kept import cached, keep, kept
from onnxprune.latency.table import Table

RUN = """
import sys
from pathlib import Path
from onnxprune.latency.kept import keep, kept
from onnxprune.latency.table import Table
from onnxprune.machine import Machine

path, who = Path(sys.argv[1]), sys.argv[2]
for number in range(25):
    table = kept(path) or Table(Machine("Made-up 9000", 4, "1.0"), 1)
    table.add(f"{who} {number}", "Conv", [8], float(number))
    table.add("both", "Conv", [8], float(f"{number}.{who}"))
    assert keep(table, path) is None
"""


def table_of(*signatures: str) -> Table:
    table = Table(MACHINE, 1)
    for signature in signatures:
        table.add(signature, "Conv", [8], 1.0)
    return table


def test_two_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "table.json"
    runs = [subprocess.Popen([sys.executable, "-c", RUN, str(path), who]) for who in ("1", "2")]
    assert [run.wait(timeout=120) for run in runs] == [0, 0]
    rows = Table.load(path).rows
    assert rows.keys() == {"both", *(f"{who} {number}" for who in ("1", "2") for number in range(25))}
    assert len(rows["both"].points) == 50
    assert {len(row.points) for name, row in rows.items() if name != "both"} == {1}


def test_what_another_run_kept_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    assert keep(table_of("a", "b"), path) is None
    mine, other = kept(path), kept(path)
    assert mine is not None and other is not None
    other.add("a", "Conv", [8], 3.0)
    mine.add("a", "Conv", [4], 2.0)
    assert keep(other, path) is None and keep(mine, path) is None
    assert Table.load(path).rows["a"].points == [([4], 2.0), ([8], 1.0), ([8], 3.0)]
    assert mine == Table.load(path)


@pytest.mark.parametrize(
    "content", ["", "{", "[" * 100_000, "{}", '{"schema": "onnxprune-latency/99"}', '{"schema": 1, "schema": 1}']
)
def test_a_damaged_table_or_one_of_another_version_is_measured_anew(content: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(content)
    with pytest.raises(DataError):
        Table.load(path)  # where the user named it
    assert kept(path) is None
    assert keep(table_of("a"), path) is None
    assert Table.load(path) == table_of("a")


def test_a_table_that_is_gone_is_measured_anew(tmp_path: Path) -> None:
    assert kept(tmp_path / "nowhere" / "table.json") is None and kept(None) is None


def test_a_place_that_cannot_be_written_to_is_told_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    said = keep(table_of("a"), tmp_path / "cache" / "table.json")
    assert said is not None and said.startswith("measured times are not kept: ") and "\n" not in said
    (tmp_path / "table.json").mkdir()
    assert "is a folder" in str(keep(table_of("a"), tmp_path / "table.json"))


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.json"
    keep(table_of("a"), path)
    before = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert "No space left on device" in str(keep(table_of("b"), path))
    assert path.read_bytes() == before


def test_without_a_home_nothing_is_kept_and_nothing_written_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)  # as where the user is not known to the system
    monkeypatch.setattr("pathlib.Path.expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert cached(MACHINE, 1) is None
    assert "no folder" in str(keep(table_of("a"), None))
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_somebody_holds_for_ever_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    monkeypatch.setattr(module, "lock", lambda handle: False)
    assert keep(table_of("a"), tmp_path / "table.json") is None
    assert json.loads((tmp_path / "table.json").read_text())["nodes"].keys() == {"a"}
