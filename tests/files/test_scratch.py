"""Folders among the system's temporary files."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest
from command import files

from onnxprune.files.scratch import NEW, scratch_folder


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def make_old(folder: Path) -> None:
    before = time.time() - NEW - 1
    os.utime(folder, (before, before))


def test_it_is_gone_afterwards_with_what_is_in_it(temporary: Path) -> None:
    with scratch_folder() as folder:
        (folder / "model.onnx").write_text("large")
        assert folder.parent == temporary
    assert files(temporary) == set()


def test_what_a_killed_run_left_is_removed(temporary: Path) -> None:
    left = temporary / "onnxprune-left"
    left.mkdir()
    (left / "model.onnx").write_text("large")
    make_old(left)
    with scratch_folder() as folder:
        assert files(temporary) == {folder.name}


def test_what_another_run_uses_or_has_just_made_stays(temporary: Path) -> None:
    (temporary / "onnxprune-new").mkdir()
    with scratch_folder() as held:
        make_old(held)
        with scratch_folder() as folder:
            assert files(temporary) == {"onnxprune-new", held.name, folder.name}


def test_a_link_is_not_followed(temporary: Path) -> None:
    precious = temporary / "precious"
    precious.mkdir()
    (temporary / "onnxprune-link").symlink_to(precious)
    make_old(precious)
    with scratch_folder():
        pass
    assert precious.exists()
