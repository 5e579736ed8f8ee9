"""docs/runtimes.md is what docs/runtimes.json says; and when two outputs count as equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.compare import AGREES, DENSE_IS_OFF, DIFFERS, error, verdict
from engines.process import Outcome
from runtime_cases import Case
from runtime_figures import is_failure, record, rows_of
from runtime_page import page

FILE = Path(__file__).parents[2] / "docs" / "runtimes.json"
Y = {"y": np.array([[1.0, -4.0]], np.float32)}
WORSE = {"y": np.array([[1.0, -4.4]], np.float32)}
RACE = {
    "rounds": 10,
    "clock": "cpu",
    "contestants": {"dense": {"median_ms": 2.0}},
    "ratios": {"channels": {"value": 0.5, "low": 0.4, "high": 0.6, "noise": 0.01}},
}


def case(name: str = "mobile_net") -> Case:
    versions = {"dense": Path("net.onnx"), "channels": Path("pruned.onnx")}
    facts = {"channels": {"macs": 0.6, "params": 0.5, "moved": 1.0}}
    return Case(name, versions, [{"x": np.zeros((1, 2), np.float32)}], {"dense": [Y], "channels": [Y]}, facts)


def rows(dense: Outcome, pruned: Outcome) -> list[dict[str, Any]]:
    return rows_of("openvino", case(), {"dense": dense, "channels": pruned}, lambda case: RACE)


def ran(outputs: dict[str, Any]) -> Outcome:
    return Outcome(True, True, [outputs])


def test_the_page_is_made_of_the_figures() -> None:
    assert FILE.with_suffix(".md").read_text() == page(json.loads(FILE.read_text()))


def test_an_error_is_relative_to_the_largest_value() -> None:
    assert error([Y, Y], [Y, WORSE]) == pytest.approx(0.1)


def test_large_channels_hide_no_error_of_small_ones() -> None:
    expected = np.array([[[100.0, 50.0], [1.0, 2.0]]], np.float32)
    found = expected + np.array([[[0, 0], [0, 0.2]]], np.float32)
    assert error([{"y": expected}], [{"y": found}]) == pytest.approx(0.1)


@pytest.mark.parametrize("found", [np.array([[1.0, np.nan]]), np.array([1.0, -4.0]), np.array([[1.0, np.inf]])])
def test_what_is_not_finite_or_not_of_the_shape_is_infinitely_far_off(found: Any) -> None:
    assert error([Y], [{"y": found}]) == np.inf


@pytest.mark.parametrize(
    ("pruned", "dense", "expected"),
    [
        (9e-6, 0, AGREES),
        (1.1e-5, 0, DIFFERS),
        (1.9e-3, 1e-3, AGREES),
        (2.1e-3, 1e-3, DIFFERS),
        (9e-6, None, AGREES),
        (1.1e-5, None, DIFFERS),
    ],
)
def test_a_pruned_model_may_be_off_by_twice_what_the_dense_one_is(
    pruned: float, dense: float | None, expected: str
) -> None:
    assert verdict(pruned, dense) == expected


@pytest.mark.parametrize("dense", [0.1, np.inf])
def test_where_the_dense_model_is_far_off_nothing_is_said(dense: float) -> None:
    assert verdict(1e-7, dense) == verdict(dense, dense) == DENSE_IS_OFF


def test_a_row_says_what_was_measured() -> None:
    (row,) = rows(ran(Y), ran(WORSE))
    assert (row["runs"], row["ratio"]["value"], row["dense_ms"]) == (True, 0.5, 2.0)
    assert (row["dense_error"], row["error"]) == (0.0, pytest.approx(0.1))
    assert is_failure(row)


def test_what_does_not_run_has_no_figures_but_a_message() -> None:
    (row,) = rows(ran(Y), Outcome(True, False, [], "no such operator"))
    assert not {"error", "ratio"} & set(row)
    assert (row["loads"], row["runs"], row["dense_runs"], row["message"]) == (True, False, True, "no such operator")
    assert is_failure(row)


def test_a_runtime_that_does_not_take_the_dense_model_fails_no_pruned_one() -> None:
    (row,) = rows(Outcome(False, False, [], "gone"), ran(Y))
    assert (row["dense_runs"], row["message"]) == (False, "dense: gone")
    assert not is_failure(row)


def test_what_is_measured_again_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    out, about = tmp_path / "runtimes.json", {"versions": {"openvino": "1"}, "command": "measure"}
    for name, outputs in (("mobile_net", Y), ("residual_cnn", Y), ("mobile_net", WORSE)):
        found = rows_of("openvino", case(name), {"dense": ran(Y), "channels": ran(outputs)}, None)
        record("openvino", about, case(name), found, out)
    written = json.loads(out.read_text())
    errors = [(row["model"], row["error"]) for row in written["rows"]]
    assert errors == [("residual_cnn", 0.0), ("mobile_net", pytest.approx(0.1))]
    assert out.with_suffix(".md").read_text() == page(written)
    assert "| agrees | **differs** |" in page(written)
