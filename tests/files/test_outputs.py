"""What may be written over, and writing several files: all of them whole, or none."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from command import files

from onnxprune.errors import OutputError
from onnxprune.files import check_output, write_files
from onnxprune.files.exchange import tidy
from onnxprune.files.parts import part


def text(content: str) -> Callable[[IO[bytes]], Any]:
    return lambda stream: stream.write(content.encode())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_text("the model")
    return path


def test_outputs_that_cannot_be_written_are_refused(source: Path, tmp_path: Path) -> None:
    cases = {source: "replace the input", tmp_path: "is a folder", tmp_path / "no" / "out.onnx": "no such folder"}
    for path, message in cases.items():
        with pytest.raises(OutputError, match=message):
            check_output(path, [tmp_path / "absent", source], overwrite=True)
    check_output(tmp_path / "out.onnx", [source], overwrite=False)


def test_what_is_read_is_never_replaced_under_another_name(source: Path, tmp_path: Path) -> None:
    (tmp_path / "soft.onnx").symlink_to(source)
    (tmp_path / "hard.onnx").hardlink_to(source)
    for name in ("soft.onnx", "hard.onnx", "../" + tmp_path.name + "/net.onnx"):
        with pytest.raises(OutputError, match="replace the input"):
            check_output(tmp_path / name, [source], overwrite=True)


def test_a_link_that_leads_nowhere_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="exists already"):
        write_files({tmp_path / "out.onnx": text("new")})
    write_files({tmp_path / "out.onnx": text("new")}, overwrite=True)
    assert not (tmp_path / "out.onnx").is_symlink() and files(tmp_path) == {"out.onnx"}


def test_what_a_link_leads_to_stays(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out.onnx").symlink_to(source)
    write_files({tmp_path / "out.onnx": text("new")}, overwrite=True)
    assert source.read_text() == "the model" and (tmp_path / "out.onnx").read_text() == "new"


def test_pipes_and_devices_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(OutputError, match="no ordinary file"):
            write_files({path: text("new")}, overwrite=True)


def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may write everywhere
    with pytest.raises(OutputError, match="not writable"):
        check_output(tmp_path / "out.onnx", [], overwrite=False)


def test_a_name_that_was_taken_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"

    def slow(stream: IO[bytes]) -> None:
        path.write_text("of someone else")

    with pytest.raises(OutputError, match="exists already"):
        write_files({path: slow})
    assert path.read_text() == "of someone else" and files(tmp_path) == {"plan.json"}


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    def full(stream: IO[bytes]) -> None:
        raise OSError(28, "No space left on device")

    write_files({tmp_path / "a": text("old"), tmp_path / "b": text("old")})
    with pytest.raises(OutputError, match=r"b: cannot be written \(No space left"):
        write_files({tmp_path / "a": text("new"), tmp_path / "b": full}, overwrite=True)
    assert {(tmp_path / name).read_text() for name in "ab"} == {"old"} and files(tmp_path) == {"a", "b"}


def test_a_file_that_the_system_cuts_off_is_reported(tmp_path: Path) -> None:
    """As by a full disk or a quota: the error is the system's own."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
    try:
        with pytest.raises(OutputError, match=r"out: cannot be written \(File too large\)"):
            write_files({tmp_path / "out": lambda stream: stream.write(bytes(200_000))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert files(tmp_path) == set()


def test_files_that_cannot_be_exchanged_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that had stepped aside, and those that had their new names already."""
    places = [tmp_path / name for name in "abc"]
    write_files({place: text("old") for place in places[:2]})
    usual = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.suffix == ".part" and target == places[2]:
            raise OSError(1, "Operation not permitted")
        return usual(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OutputError, match="not permitted"):
        write_files({place: text("new") for place in places}, overwrite=True)
    assert files(tmp_path) == {"a", "b"} and {place.read_text() for place in places[:2]} == {"old"}


def test_what_another_run_is_writing_is_left_alone(tmp_path: Path) -> None:
    with part(tmp_path) as (path, stream):
        stream.write(b"half of")
        write_files({tmp_path / "other": text("whole")})
        assert path.exists()
    assert files(tmp_path) == {"other"}


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    for name in (".onnxprune.a1.part", ".onnxprune.a2.aside", ".onnxprune.a3.journal", ".onnxprune.toml"):
        (tmp_path / name).write_text("left")
    write_files({tmp_path / "new": text("new")})
    assert files(tmp_path) == {"new", ".onnxprune.toml"}


@pytest.mark.parametrize(
    "note",
    [
        '[{"name": "../precious", "inode": 1, "aside": ".onnxprune.a.aside"}]',
        '[{"name": "mine", "inode": 1, "aside": "precious"}]',
        '[{"name": "mine", "inode": 1, "aside": ".onnxprune./../precious.aside"}]',
        '[{"name": "mine", "inode": 1, "aside": null}]',
        '[{"name": 7, "inode": [], "aside": {}}]',
        '{"name": "mine"}',
        "[[[",
        "[" * 100_000,
    ],
)
def test_a_note_that_is_not_ours_touches_nothing(note: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for path in (tmp_path / "precious", folder / "precious", folder / "mine"):
        path.write_text("kept")
    (folder / ".onnxprune.x.journal").write_text(note)
    tidy(folder)
    assert files(folder) == {"precious", "mine"} and (tmp_path / "precious").read_text() == "kept"
    assert (folder / "mine").read_text() == "kept"


def test_files_of_one_run_may_lie_in_several_folders(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("old")
    write_files({tmp_path / name / "file": text("new") for name in ("a", "b")}, overwrite=True)
    for name in ("a", "b"):
        assert (tmp_path / name / "file").read_text() == "new" and files(tmp_path / name) == {"file"}
