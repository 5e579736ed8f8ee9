"""The recovery methods on rows of numbers: what each adds to a matrix and to a bias."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onnxprune.errors import UsageError
from onnxprune.recover import RECOVERIES, Correction, Rows, best_recovery, find, recovery

FITTED = ("least-squares", "sequential")


def rows_of(has_room: bool = True, seed: int = 0) -> Rows:
    """Two groups of a layer that is not what is wanted of it: other weights, and a mean that it lacks."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(1, 1, (2, 60, 4)).astype(np.float32)
    matrix, wanted = (rng.normal(size=(2, 4, 3)).astype(np.float32) for _ in range(2))
    bias = rng.normal(size=(2, 3)).astype(np.float32) * has_room
    return Rows(inputs, inputs @ wanted + 5, matrix, bias, np.arange(60) % 5 == 2, has_room)


def outcome(rows: Rows, correction: Correction) -> np.ndarray:
    return rows.inputs @ (rows.matrix + correction.matrix) + (rows.bias + correction.bias)[:, None]


def test_what_a_layer_gives_follows_from_its_matrix_and_bias() -> None:
    rows = rows_of()
    expected = [x @ m + b for x, m, b in zip(rows.inputs, rows.matrix, rows.bias, strict=True)]
    np.testing.assert_allclose(rows.given, np.stack(expected), rtol=1e-5)


@pytest.mark.parametrize("method", [*RECOVERIES])
@pytest.mark.parametrize("has_room", [True, False])
def test_corrections_have_the_shapes_of_matrix_and_bias(method: str, has_room: bool) -> None:
    rows = rows_of(has_room)
    found = find(method).method(rows)
    assert found.matrix.shape == rows.matrix.shape and found.bias.shape == rows.bias.shape
    assert has_room or not found.bias.any()


@pytest.mark.parametrize("method", [*RECOVERIES])
def test_a_layer_that_gives_what_is_wanted_stays(method: str) -> None:
    rows = rows_of()
    found = find(method).method(replace(rows, wanted=rows.given))
    np.testing.assert_allclose(found.matrix, 0, atol=1e-6)
    np.testing.assert_allclose(found.bias, 0, atol=1e-6)


@pytest.mark.parametrize("method", ["bias", "batchnorm", *FITTED])
def test_with_room_the_mean_is_met(method: str) -> None:
    rows = rows_of()
    found = find(method).method(rows)
    np.testing.assert_allclose(outcome(rows, found).mean(axis=1), rows.wanted.mean(axis=1), rtol=1e-3)


def test_bias_changes_no_weight() -> None:
    assert not find("bias").method(rows_of()).matrix.any()


@pytest.mark.parametrize("has_room", [True, False])
def test_batchnorm_meets_the_spread_by_a_factor_for_each_output(has_room: bool) -> None:
    rows = rows_of(has_room)
    found = find("batchnorm").method(rows)
    np.testing.assert_allclose(outcome(rows, found).std(axis=1), rows.wanted.std(axis=1), rtol=1e-4)
    factors = found.matrix / rows.matrix
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-5)


def test_batchnorm_leaves_an_output_that_never_changes_its_weights() -> None:
    rows = rows_of()
    still = rows.matrix.copy()
    still[:, :, 1] = 0
    found = find("batchnorm").method(replace(rows, matrix=still))
    assert np.isfinite(found.matrix).all() and not found.matrix[:, :, 1].any()


@pytest.mark.parametrize("method", FITTED)
def test_a_fit_gives_what_is_wanted_where_that_is_linear(method: str) -> None:
    rows = rows_of()
    np.testing.assert_allclose(outcome(rows, find(method).method(rows)), rows.wanted, atol=1e-2)


@pytest.mark.parametrize("method", FITTED)
def test_a_fit_that_does_not_help_on_the_rows_held_back_is_not_used(method: str) -> None:
    rows = rows_of()
    missing = rows.wanted - rows.given
    against = np.where(rows.held[:, None], -missing, missing)
    found = find(method).method(replace(rows, wanted=rows.given + against))
    assert not found.matrix.any() and not found.bias.any()


def test_only_what_follows_the_repaired_model_is_sequential() -> None:
    assert {name for name, found in RECOVERIES.items() if found.sequential} == {"batchnorm", "sequential"}


def test_the_best_method_is_one_of_them_and_needs_samples() -> None:
    assert best_recovery(with_data=True) in RECOVERIES
    assert best_recovery(with_data=False) == "none"


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match=r"--recover prayer: .*auto, none, .*sequential"):
        find("prayer")


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="two recovery methods named bias"):
        recovery("bias", sequential=False)(find("bias").method)
