"""Metrics: hand-computed values, sums over batches, the choice by evidence, and outputs that are broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from onnxprune.errors import DataError, UnsupportedError, UsageError
from onnxprune.metrics import METRICS, Comparison, Evidence, Pair, Score, find, fitting, metric

Array = NDArray[Any]
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(40, 10)).astype(np.float32) * 3
UNLABELLED = sorted(name for name, metric in METRICS.items() if not metric.labelled)


def softmax(values: Array, axis: int = -1) -> Array:
    exponentials = np.exp(values)
    return np.asarray(exponentials / exponentials.sum(axis, keepdims=True))


def evidence_of(values: Array, samples: int | None = None) -> Evidence:
    evidence = Evidence("y")
    evidence.add(values, len(values) if samples is None else samples)
    return evidence


def compared(
    names: str | Sequence[str],
    given: Any,
    dense: Any | None,
    labels: Any | None = None,
    samples: int | None = None,
    size: int | None = None,
) -> Comparison:
    """The comparison of two outputs by metrics, fed in batches of `size`."""
    given = np.asarray(given)
    dense = None if dense is None else np.asarray(dense)
    seen = given if dense is None else dense
    count = len(seen) if samples is None else samples
    listed = [names] if isinstance(names, str) else names
    comparison = Comparison(evidence_of(seen, count), [find(name) for name in listed])
    for start in range(0, count, size or count):
        part = slice(start, start + (size or count)) if samples is None else slice(None)
        comparison.add(
            given[part],
            None if dense is None else dense[part],
            len(seen[part]) if samples is None else samples,
            None if labels is None else np.asarray(labels)[part],
        )
    return comparison


def score(name: str, given: Any, dense: Any | None, labels: Any | None = None, samples: int | None = None) -> Score:
    return compared(name, given, dense, labels, samples).scores[name]


# Values computed by hand


def test_agreement_is_the_share_of_samples_with_the_same_first_choice() -> None:
    dense = [[3.0, 1, 2], [0, 5, 1], [1, 2, 9], [4, 1, 0]]
    pruned = [[9.0, 1, 2], [0, 3, 1], [7, 2, 6], [1, 4, 0]]
    assert score("top1-agreement", pruned, dense) == Score(0.5, 1.0, 0.5)


def test_agreement_of_five_asks_for_the_first_choice_among_five() -> None:
    dense = np.eye(2, 8)
    pruned = [[3.0, 9, 8, 7, 6, 2, 1, 0], [9.0, 2, 8, 7, 6, 5, 1, 0]]
    assert score("top5-agreement", pruned, dense) == Score(0.5, 1.0, 0.5)


def test_relative_error_is_a_ratio_of_norms_over_all_samples() -> None:
    assert score("relative-error", [[3.0, 0], [0, 4.5]], [[3.0, 0], [0, 4]]) == Score(0.1, 0.0, 0.1)


def test_cosine_is_the_mean_over_samples() -> None:
    found = score("cosine", [[2.0, 0], [1, 1]], [[1.0, 0], [1, 0]])
    assert found.value == pytest.approx((1 + math.sqrt(0.5)) / 2) and found.drop == 1 - found.value


def test_cosine_of_zeros_is_1_with_zeros_and_0_with_anything_else() -> None:
    assert score("cosine", [[0.0, 0], [0, 0]], [[0.0, 0], [1, 0]]).value == 0.5


def test_equal_is_the_share_of_values_that_are_the_same() -> None:
    assert score("equal", [[1, 2], [3, 4]], [[1, 2], [3, 5]]) == Score(0.75, 1.0, 0.25)
    assert score("equal", np.array(["a", "b"], object), np.array(["a", "c"], object)).value == 0.5


def test_accuracy_drops_by_what_the_dense_model_had_more() -> None:
    dense, pruned = [[2.0, 1], [1, 2], [2, 1], [1, 2]], [[2.0, 1], [1, 2], [1, 2], [2, 1]]
    assert score("accuracy", pruned, dense, [0, 1, 0, 0]) == Score(0.75, 0.75, 0.0)
    assert score("accuracy", pruned, dense, [0, 1, 0, 1]) == Score(0.5, 1.0, 0.5)
    assert score("accuracy", pruned, dense, [0, 1, 1, 0]) == Score(1.0, 0.5, -0.5)


def test_accuracy_of_five_needs_no_dense_model() -> None:
    scores = np.tile(np.arange(8.0), (4, 1))
    assert score("top5-accuracy", scores, None, [7, 3, 2, 0]) == Score(0.5)


def test_of_equal_scores_the_first_counts_so_that_a_dead_output_is_right_by_chance() -> None:
    labels = np.arange(10)
    dead = np.zeros((10, 10))
    assert score("accuracy", dead, None, labels).value == 0.1
    assert score("top5-accuracy", dead, None, labels).value == 0.5


@pytest.mark.parametrize("places", [(40, 10, 1, 1), (40, 10, 1)])
def test_trailing_axes_of_1_do_not_matter(places: tuple[int, ...]) -> None:
    pruned = LOGITS + RNG.normal(size=LOGITS.shape)
    flat = score("top1-agreement", pruned, LOGITS)
    assert score("top1-agreement", pruned.reshape(places), LOGITS.reshape(places)) == flat and 0 < flat.value < 1


def test_a_single_sample_may_come_without_an_axis_for_samples() -> None:
    assert score("top1-agreement", [1.0, 3, 2], [1.0, 9, 2], samples=1).value == 1
    assert score("accuracy", [1.0, 3, 2], None, [1], samples=1).value == 1
    assert score("cosine", [1.0, 0], [0.0, 1], samples=1).value == 0


def test_every_position_counts_along_the_axis_of_the_classes() -> None:
    for axis, shape in ((1, (4, 6, 3, 5)), (2, (4, 7, 6)), (3, (4, 3, 5, 6))):
        dense = softmax(RNG.normal(size=shape), axis)
        pruned = softmax(np.log(dense) + RNG.normal(size=shape), axis)
        expected = np.mean(dense.argmax(axis) == pruned.argmax(axis))
        assert score("top1-agreement", pruned, dense).value == pytest.approx(expected) and 0 < expected < 1


# Laws


@pytest.mark.parametrize("name", UNLABELLED)
def test_a_model_that_did_not_move_has_no_drop(name: str) -> None:
    found = score(name, LOGITS, LOGITS)
    assert found.value == pytest.approx(METRICS[name].best) and found.drop == pytest.approx(0, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), size=st.integers(1, 40), scale=st.floats(1e-3, 3))
def test_batches_of_any_size_give_the_same(seed: int, size: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    pruned, labels = LOGITS + rng.normal(size=LOGITS.shape) * scale, rng.integers(0, 10, 40)
    whole, parts = (compared(sorted(METRICS), pruned, LOGITS, labels, size=n) for n in (None, size))
    assert whole.max_abs == parts.max_abs
    for name in METRICS:
        assert parts.scores[name].value == pytest.approx(whole.scores[name].value, rel=1e-12)
        assert parts.scores[name].drop == pytest.approx(whole.scores[name].drop, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_more_noise_never_looks_better(name: str) -> None:
    noise, labels = RNG.normal(size=LOGITS.shape), LOGITS.argmax(1)
    drops = [score(name, LOGITS + noise * scale, LOGITS, labels).drop for scale in (0.0, 1.0, 30.0)]
    assert drops[0] is not None and drops[1] is not None and drops[2] is not None
    assert drops[0] <= drops[1] <= drops[2] and drops[2] > drops[0]


def test_sums_are_kept_in_double_precision() -> None:
    dense = np.full((1, 2), 1e20, np.float32)
    assert score("relative-error", dense * np.float32(1.5), dense).value == pytest.approx(0.5, rel=1e-6)
    half = np.full((1, 2), 6e4, np.float16)
    assert score("cosine", half, half).value == pytest.approx(1)


def test_the_largest_difference_is_noted() -> None:
    assert compared("relative-error", [[1.0, -4]], [[2.0, -1]]).max_abs == 3


def test_a_metric_whose_target_was_not_given_has_no_score() -> None:
    assert set(compared(sorted(METRICS), LOGITS, LOGITS).scores) == set(UNLABELLED)
    assert set(compared(sorted(METRICS), LOGITS, None, LOGITS.argmax(1)).scores) == {"accuracy", "top5-accuracy"}


# What is broken


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", sorted(METRICS))
def test_one_value_that_is_not_finite_makes_every_drop_infinite(name: str, bad: float) -> None:
    pruned = LOGITS.copy()
    pruned[7, 3] = bad
    found = compared(name, pruned, LOGITS, LOGITS.argmax(1), size=5)
    assert found.scores[name].drop == math.inf and not found.finite and found.max_abs == math.inf


def test_a_row_with_nan_is_never_right() -> None:
    scores = np.array([[np.nan, 1.0], [np.nan, np.nan], [2.0, 1.0]])
    found = compared("accuracy", scores, None, [0, 0, 0])
    assert found.scores["accuracy"].value == pytest.approx(1 / 3) and not found.finite


def test_infinities_that_both_models_give_are_no_difference() -> None:
    masked = LOGITS.copy()
    masked[:, 0] = -np.inf
    found = compared(UNLABELLED, masked, masked)
    assert found.finite and all(each.drop == pytest.approx(0, abs=1e-12) for each in found.scores.values())
    assert score("relative-error", LOGITS, masked).drop == math.inf


def test_a_dense_model_that_gives_nan_is_no_reference() -> None:
    with pytest.raises(DataError, match="output 'y' of the dense model is NaN"):
        score("relative-error", LOGITS, np.full_like(LOGITS, np.nan))


def test_outputs_of_different_shapes_cannot_be_compared() -> None:
    comparison = Comparison(evidence_of(LOGITS), [find("relative-error")])
    with pytest.raises(UnsupportedError, match=r"output 'y' is \[39, 10\], but \[40, 10\] from the dense model"):
        comparison.add(LOGITS[1:], LOGITS, 40)


def test_a_dense_model_of_zeros_is_met_exactly_or_infinitely_far() -> None:
    zeros = np.zeros((2, 3))
    assert score("relative-error", zeros, zeros).drop == 0
    assert score("relative-error", zeros + 1e-9, zeros).drop == math.inf


def test_an_output_without_values_has_not_moved() -> None:
    empty = np.zeros((2, 0, 4), np.float32)
    assert score("relative-error", empty, empty, samples=2).drop == 0
    assert score("equal", empty, empty, samples=2).drop == 0


# Which metric fits

UNIT = LOGITS / np.linalg.norm(LOGITS, axis=1, keepdims=True)
PIXELS = RNG.normal(size=(6, 5, 4, 4))


@pytest.mark.parametrize(
    ("values", "fits", "axis"),
    [
        (LOGITS, "top1-agreement", 1),
        (LOGITS.reshape(40, 10, 1, 1), "top1-agreement", 1),
        (LOGITS.astype(np.float16), "top1-agreement", 1),
        (softmax(LOGITS), "top1-agreement", 1),
        (softmax(LOGITS).astype(np.float16), "top1-agreement", 1),
        (np.log(softmax(LOGITS)), "top1-agreement", 1),
        (softmax(PIXELS, 1), "top1-agreement", 1),
        (softmax(PIXELS.reshape(6, 20, 4)), "top1-agreement", 2),
        (np.log(softmax(PIXELS.reshape(6, 20, 4), 1)), "top1-agreement", 1),
        (softmax(PIXELS), "top1-agreement", 3),
        (PIXELS, "relative-error", 1),
        (PIXELS.reshape(6, 20, 4), "relative-error", 2),
        (UNIT, "cosine", 1),
        (1 / (1 + np.exp(-LOGITS)), "relative-error", 1),
        (LOGITS + 100 * np.eye(1, 10), "relative-error", 1),
        (softmax(LOGITS)[:1], "relative-error", 1),
        (LOGITS[:, :1], "relative-error", None),
        (LOGITS[:, 0], "relative-error", None),
        (LOGITS.argmax(1), "equal", None),
        (LOGITS > 0, "equal", 1),
        (np.array([["cat", "dog"]], object), "equal", None),
        (np.zeros((3, 0), np.float32), "relative-error", None),
    ],
    ids=[
        "scores",
        "scores at one place",
        "half precision",
        "probabilities",
        "probabilities in half precision",
        "logarithms of probabilities",
        "probabilities by pixel",
        "probabilities by token",
        "probabilities by token, classes first",
        "probabilities by pixel, classes last",
        "features of pixels",
        "features of tokens",
        "embeddings",
        "independent probabilities",
        "always the same first choice",
        "a single sample",
        "one column",
        "one number",
        "labels",
        "decisions",
        "text",
        "nothing",
    ],
)
def test_the_metric_and_the_class_axis_follow_from_the_values(values: Array, fits: str, axis: int | None) -> None:
    evidence = evidence_of(values)
    assert (evidence.metric, evidence.class_axis) == (fits, axis)
    assert fitting("auto", evidence).name == fits


def test_one_batch_that_does_not_sum_to_1_shows_that_there_are_no_probabilities() -> None:
    evidence = evidence_of(softmax(PIXELS, 1))
    evidence.add(PIXELS, 6)
    assert evidence.metric == "relative-error"


def test_first_choices_are_gathered_over_batches() -> None:
    evidence = Evidence("y")
    for row in LOGITS[:5]:
        evidence.add(row[None], 1)
    assert evidence.metric == "top1-agreement"


def test_an_axis_that_does_not_count_samples_is_no_table_of_scores() -> None:
    assert evidence_of(LOGITS, samples=8).metric == "relative-error"


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("nearest", LOGITS, "no metric 'nearest'; there are: auto, accuracy, cosine, equal, relative-error"),
        ("top5-agreement", LOGITS[:, :5], r"output 'y' \[40, 5\] has 5 classes, and at least 6 are needed"),
        ("top1-agreement", LOGITS[:, 0], r"output 'y' \[40\] has no axis of class scores"),
        ("relative-error", np.array(["cat"], object), "holds text; use --metric equal"),
    ],
)
def test_a_metric_that_makes_no_sense_is_refused(name: str, values: Array, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fitting(name, evidence_of(values))


def test_a_metric_is_registered_by_one_name_once() -> None:
    for taken in ("cosine", "auto"):
        with pytest.raises(ValueError, match=f"two metrics named {taken}"):
            metric(taken, best=1.0)(lambda pair: (0.0, 1.0))


def test_a_pair_of_vectors_keeps_samples_apart() -> None:
    given, target = Pair(PIXELS, PIXELS, 6).vectors
    assert given.shape == target.shape == (6, 80) and given.dtype == np.float64


def test_a_single_number_has_no_classes() -> None:
    evidence = Evidence("loss")
    evidence.add(np.array(0.5, np.float32), 1)
    assert evidence.class_axis is None and evidence.metric == "relative-error"
