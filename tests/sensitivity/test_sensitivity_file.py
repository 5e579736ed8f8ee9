"""The file: what is saved is read again, and whatever is wrong with one is named by its key."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import files, strict_json
from surveys import curve, sensitivity

from onnxprune.errors import DataError
from onnxprune.sensitivity import load_sensitivity

WHOLE = sensitivity(
    curve("a[0]", 8, {1: 0.25, 4: -0.5, 6: math.inf}), curve("b[0]", 3, {}), blocks=(curve("layer1", 11, {5: 1e-9}),)
)


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    WHOLE.save(tmp_path / "a.json")
    assert load_sensitivity(tmp_path / "a.json") == WHOLE


def test_the_file_is_strict_json_with_null_for_infinity(tmp_path: Path) -> None:
    WHOLE.save(tmp_path / "a.json")
    data = strict_json((tmp_path / "a.json").read_text())
    assert data["schema"] == "onnxprune-sensitivity/1"
    assert [point["drop"] for point in data["dims"][0]["points"]] == [0.25, -0.5, None]


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    for _ in range(2):
        WHOLE.save(tmp_path / "a.json")
    assert files(tmp_path) == {"a.json"}


def test_points_may_stand_in_any_order(tmp_path: Path) -> None:
    data = plain_data()
    data["dims"][0]["points"] = data["dims"][0]["points"][::-1]
    (tmp_path / "a.json").write_text(json.dumps(data))
    assert load_sensitivity(tmp_path / "a.json") == WHOLE


def plain_data() -> dict[str, Any]:
    data = json.loads(json.dumps(WHOLE.as_dict()))
    assert isinstance(data, dict)
    return data


def first_point(data: dict[str, Any]) -> dict[str, Any]:
    return data["dims"][0]["points"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(schema="onnxprune-plan/1"), "its schema must be onnxprune-sensitivity/1"),
        (lambda d: d.pop("model"), "model is missing; it must be an object"),
        (lambda d: d.update(request=[]), "request must be an object"),
        (lambda d: d.update(metrics={"fc": 1}), "metrics must be metrics by output"),
        (lambda d: d.update(dims={}), "dims must be a list"),
        (lambda d: d["dims"].append(1), r"dims\[2\] must be an object"),
        (lambda d: d["dims"].append(d["dims"][0]), r"dims lists 'a\[0\]' twice"),
        (lambda d: d["dims"][1].update(size="8"), r"dims\[1\].size must be a whole number from 1 up"),
        (lambda d: d["dims"][1].update(size=True), r"dims\[1\].size must be a whole number from 1 up"),
        (lambda d: d["dims"][1].update(name=""), r"dims\[1\].name must be a text"),
        (lambda d: d["blocks"][0].update(members="a"), r"blocks\[0\].members must be a list of texts"),
        (lambda d: d["blocks"][0].pop("points"), r"blocks\[0\].points is missing; it must be a list"),
        (lambda d: first_point(d).update(amount=1.5), r"dims\[0\].points\[0\].amount must be a number between 0 and 1"),
        (lambda d: first_point(d).update(kept=9), r"dims\[0\].points\[0\].kept must be a whole number from 1 to 8"),
        (lambda d: first_point(d).update(drop="0"), r"dims\[0\].points\[0\].drop must be a number, or null"),
        (lambda d: first_point(d).update(drop=10**400), r"dims\[0\].points\[0\].drop must be a number, or null"),
        (lambda d: d["blocks"][0].update(members={"a": "b"}), r"blocks\[0\].members must be a list of texts"),
        (lambda d: first_point(d).update(drop=math.nan), "NaN is not JSON"),
        (lambda d: d["dims"][0]["points"].append(first_point(d)), r"dims\[0\].points lists 0.1\d* twice"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(
    change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path
) -> None:
    data = plain_data()
    change(data)
    (tmp_path / "a.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=words) as failure:
        load_sensitivity(tmp_path / "a.json")
    assert str(failure.value).startswith(f"{tmp_path / 'a.json'}: ") and "\n" not in str(failure.value)


@pytest.mark.parametrize(("text", "words"), [("{", "not a JSON file"), ("[1]", "not a file of sensitivities")])
def test_another_file_is_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match=words):
        load_sensitivity(tmp_path / "a.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_sensitivity(tmp_path / "absent.json")
