"""The masks beside a plan of zeros: in its folder, of the right kind and size, or refused before anything is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import plain

import onnxprune
from onnxprune.errors import PlanError
from onnxprune.pipeline import apply_plan
from onnxprune.plan import Plan

Spoil = Callable[[Path], object]


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    found = onnxprune.prune(plain(), granularity="2:4", check=False, calibration="none").plan
    assert found is not None
    (tmp_path / "plans").mkdir()
    found.save(tmp_path / "plans" / "plan.json")
    return tmp_path / "plans" / "plan.json"


def edit(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def refused(path: Path, words: str) -> None:
    with pytest.raises(PlanError, match=words) as failure:
        apply_plan(Plan.load(path), plain(), check=False)
    assert "\n" not in str(failure.value)


def changed(path: Path, change: Callable[[str, Any], Any]) -> None:
    """Write the masks anew, each changed."""
    masks = path.with_suffix(".masks.npz")
    with np.load(masks) as stored:
        arrays = {name: change(name, stored[name]) for name in stored.files}
    np.savez(masks, **{name: values for name, values in arrays.items() if values is not None})


@pytest.mark.parametrize("name", ["../plan.masks.npz", "../plans/../plan.masks.npz", "{folder}/plan.masks.npz", "link"])
def test_masks_outside_the_folder_are_refused(name: str, plan: Path, tmp_path: Path) -> None:
    outside = tmp_path / "plan.masks.npz"
    plan.with_suffix(".masks.npz").rename(outside)
    (plan.parent / "link").symlink_to(outside)
    edit(plan, masks=name.format(folder=tmp_path))
    refused(plan, "outside its folder; refused")


@pytest.mark.parametrize("name", ["a\0b", "self", "x" * 5000])
def test_masks_that_cannot_be_anywhere_are_refused(name: str, plan: Path) -> None:
    (plan.parent / "self").symlink_to(plan.parent / "self")
    edit(plan, masks=name)
    refused(plan, "masks of the plan cannot be")


def test_masks_in_a_folder_below_and_by_a_link_inside_are_read(plan: Path) -> None:
    (plan.parent / "below").mkdir()
    plan.with_suffix(".masks.npz").rename(plan.parent / "below" / "masks.npz")
    (plan.parent / "link.npz").symlink_to(plan.parent / "below" / "masks.npz")
    for name in ("below/masks.npz", "link.npz"):
        edit(plan, masks=name)
        assert apply_plan(Plan.load(plan), plain(), check=False).report.sparsity is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda name, bits: bits.astype(np.float32), "must be bits, uint8"),
        (lambda name, bits: bits.reshape(1, -1), "must be bits, uint8"),
        (lambda name, bits: bits.astype(object), "Python objects"),
        (lambda name, bits: bits[:1], "too few for"),
        (lambda name, bits: np.tile(bits, 3), "other masks in the plan"),
        (lambda name, bits: None, "has no mask for"),
    ],
)
def test_masks_of_another_kind_or_size_are_refused(change: Callable[[str, Any], Any], words: str, plan: Path) -> None:
    changed(plan, change)
    refused(plan, words)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 not a zip"])
def test_masks_that_are_no_archive_are_refused(content: bytes, plan: Path) -> None:
    plan.with_suffix(".masks.npz").write_bytes(content)
    refused(plan, "the masks of the plan cannot be read")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"zeros": {"conv1.weight": -1}}, "zeros must be numbers of zeros by weight"),
        ({"zeros": {"conv2.weight": 10**9}}, "too few for 1000000000 zeros"),
        ({"zeros": [1]}, "zeros must be numbers of zeros by weight"),
        ({"orders": [{"name": "x", "order": [0.5], "members": []}]}, r"orders\[0\].order must be a list of units"),
        ({"masks": 3}, "masks must be a text"),
        ({"request": {"granularity": "channel"}}, "masks of zeros"),
        ({"request": {"granularity": "1:99999999"}}, "--granularity"),
        ({"colour": "red"}, "colour is not known"),
    ],
)
def test_a_field_that_is_none_is_named(fields: dict[str, Any], words: str, plan: Path) -> None:
    edit(plan, **fields)
    refused(plan, words)
