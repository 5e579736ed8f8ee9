"""Evaluating models: accuracy, distance from a reference, and errors in one line."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import Graph
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.errors import DataError, ModelError, UnsupportedError, UsageError
from onnxprune.evaluate import Judge, evaluate_model, label_key
from onnxprune.model import Model
from onnxprune.runtime import Session, run

MODELS = Path(__file__).parent.parent / "models"
SAMPLES = 64


@cache
def digits() -> tuple[Model, Calibration]:
    """A trained classifier of digits, and labelled images that it has not seen."""
    with np.load(MODELS / "digits_test.npz") as data:
        images, labels = data["input"][:SAMPLES], data["label"][:SAMPLES]
    return Model.load(MODELS / "residual_cnn.onnx"), batched("input", images, labels, 24)


def batched(name: str, values: NDArray[Any], labels: NDArray[Any] | None = None, size: int = 4) -> Calibration:
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    batches = tuple({name: group} for group in groups)
    return Calibration(batches, tuple(map(len, groups)), "data.npz", True, labels)


def net(scale: float = 1.0) -> Model:
    """Class scores [batch, 4] of rows [batch, 5]: a product with a matrix, times `scale`."""
    g = Graph()
    g.output(g.add("Mul", g.linear(g.input("batch", 5), 4), g.store(scale, np.float32)))
    return Model(g.model())


def two_outputs(move: float = 0.0) -> Model:
    """Features [batch, 2, 3] and class scores [batch, 3] made of them; `move` shifts the first score."""
    g = Graph()
    hidden = g.add("Tanh", g.linear(g.input("batch", 5), 6))
    features = g.reshape(hidden, -1, 2, 3)
    g.output(features, g.add("Add", g.linear(hidden, 3), g.store([move, 0, 0], np.float32)))
    return Model(g.model())


ROWS = np.random.default_rng(0).normal(size=(10, 5)).astype(np.float32)
INPUT, OUTPUT = (infos[0].name for infos in (net().proto.graph.input, net().proto.graph.output))
CHOICES = run(net(), {INPUT: ROWS})[0].argmax(1)
"""What `net` gives the highest score to, row by row: each of the classes to some."""


def rows(labels: NDArray[Any] | None = None, size: int = 4) -> Calibration:
    return batched(INPUT, ROWS, labels, size)


# Evaluating


def test_a_trained_model_is_as_accurate_as_its_outputs_are() -> None:
    model, data = digits()
    (logits,) = run(model, {"input": np.concatenate([batch["input"] for batch in data.batches])})
    assert data.labels is not None
    found = evaluate_model(model, data)
    scores = found.outputs["logits"].scores
    assert scores["accuracy"].value == np.mean(logits.argmax(1) == data.labels) > 0.9
    five = np.argsort(-logits, 1)[:, :5]
    assert scores["top5-accuracy"].value == np.mean((five == data.labels[:, None]).any(1))
    assert found.samples == SAMPLES and found.source == "data.npz" and set(scores) == {"accuracy", "top5-accuracy"}


def test_a_model_is_nowhere_apart_from_itself() -> None:
    model, data = digits()
    found = evaluate_model(model, data, model).outputs["logits"]
    assert found.fits == "top1-agreement" and found.max_abs == 0 and found.finite
    assert {name: score.drop for name, score in found.scores.items()} == pytest.approx(dict.fromkeys(found.scores, 0))
    assert set(found.scores) == {"accuracy", "top5-accuracy", "top1-agreement", "relative-error", "cosine"}


def test_distances_from_a_reference_need_no_labels() -> None:
    found = evaluate_model(net(1.5), rows(), net()).outputs[OUTPUT]
    assert set(found.scores) == {"top1-agreement", "relative-error", "cosine"}
    assert found.max_abs == pytest.approx(np.abs(run(net(0.5), {INPUT: ROWS})[0]).max())
    assert found.scores["top1-agreement"].drop == 0 and found.scores["cosine"].drop == pytest.approx(0, abs=1e-6)
    assert found.scores["relative-error"].value == pytest.approx(0.5)


def test_labels_go_with_the_batch_of_their_samples() -> None:
    labels = CHOICES.copy()
    labels[7] = (labels[7] + 1) % 4
    accuracy = evaluate_model(net(), rows(labels, size=3)).outputs[OUTPUT].scores["accuracy"]
    assert accuracy.value == 0.9 and accuracy.drop is None


def test_four_classes_have_no_accuracy_of_five() -> None:
    assert set(evaluate_model(net(), rows(CHOICES)).outputs[OUTPUT].scores) == {"accuracy"}


def test_every_output_is_compared_by_what_fits_it() -> None:
    found = evaluate_model(two_outputs(0.5), rows(), two_outputs()).outputs
    features, scores = found.values()
    assert features.fits == "relative-error" and features.max_abs == 0
    assert scores.fits == "top1-agreement" and scores.max_abs == pytest.approx(0.5)


def test_a_named_output_is_the_only_one_looked_at() -> None:
    model = two_outputs()
    name = model.proto.graph.output[1].name
    labels = run(model, {INPUT: ROWS}, [name])[0].argmax(1)
    found = evaluate_model(model, rows(labels), output=name).outputs
    assert set(found) == {name} and found[name].scores["accuracy"].value == 1


def test_progress_is_told_batch_by_batch() -> None:
    seen: list[tuple[int, int]] = []
    evaluate_model(net(), rows(CHOICES), on_batch=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_evaluation_is_plain_data() -> None:
    found = evaluate_model(net(), rows(CHOICES), net()).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert found["outputs"][OUTPUT]["scores"]["accuracy"] == {"value": 1.0, "dense": 1.0, "drop": 0.0}


def test_a_model_that_gives_nan_is_told_from_one_that_is_wrong() -> None:
    found = evaluate_model(net(math.nan), rows(CHOICES), net()).outputs[OUTPUT]
    assert not found.finite and found.max_abs == math.inf
    assert all(score.drop == math.inf for score in found.scores.values())
    alone = evaluate_model(net(math.nan), rows(CHOICES)).outputs[OUTPUT]
    assert not alone.finite and alone.scores["accuracy"].value == 0


# What does not fit


def test_there_must_be_something_to_evaluate_against() -> None:
    with pytest.raises(UsageError, match="nothing to evaluate against"):
        evaluate_model(net(), rows())


def test_without_samples_nothing_can_be_evaluated() -> None:
    with pytest.raises(DataError, match=r"data.npz: there are no samples"):
        evaluate_model(net(), Calibration((), (), "data.npz", True, CHOICES[:0]))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (CHOICES[:-1], "9 labels for 10 samples"),
        (CHOICES + 1, rf"labels go from 1 to 4, but output '{OUTPUT}' \[2, 4\] has 4 classes, counted from 0"),
        (CHOICES - 1, "labels go from -1 to 2"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: NDArray[np.int64], message: str) -> None:
    with pytest.raises(DataError, match=message):
        evaluate_model(net(), rows(labels))


def test_labels_need_one_row_of_scores_for_each_sample() -> None:
    g = Graph()
    g.output(g.reshape(g.linear(g.input("batch", 5), 8), -1, 2, 4))
    with pytest.raises(DataError, match=r"\[2, 2, 4\] holds none for each sample"):
        evaluate_model(Model(g.model()), rows(CHOICES))


def test_with_several_outputs_labels_need_the_name_of_one() -> None:
    with pytest.raises(UsageError, match="labels go with one output; name the one of the class scores: reshape_"):
        evaluate_model(two_outputs(), rows(CHOICES))


def test_an_output_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(UsageError, match=f"the model has no output 'logits'; there are: {OUTPUT}"):
        evaluate_model(net(), rows(CHOICES), output="logits")


def test_models_with_other_outputs_are_not_compared() -> None:
    with pytest.raises(ModelError, match=f"different outputs: {OUTPUT} and reshape_.*, add_"):
        evaluate_model(two_outputs(), rows(), net())


def test_text_is_equal_or_not_and_has_no_distance() -> None:
    g = Graph()
    choice = g.add("ArgMax", g.linear(g.input("batch", 5), 2), axis=1, keepdims=0)
    g.output(g.add("Gather", g.add("Constant", value_strings=["cat", "dog"]), choice))
    (found,) = evaluate_model(Model(g.model()), rows(), Model(g.model())).outputs.values()
    assert found.scores.keys() == {"equal"} and found.scores["equal"].drop == 0 and found.max_abs is None


def test_an_output_that_is_no_tensor_is_named() -> None:
    g = Graph()
    sequence = g.add("SequenceConstruct", g.linear(g.input("batch", 5), 6))
    g.output(sequence)
    with pytest.raises(UnsupportedError, match=f"output '{sequence}' is not a tensor"):
        evaluate_model(Model(g.model()), rows(), Model(g.model()))


# Judging


def test_a_judge_gives_the_drop_of_the_output_that_suffered_most() -> None:
    judged = Judge(two_outputs(), rows(), "relative-error").judge(two_outputs(1.0))
    features, scores = judged.drops.values()
    assert features == 0 < scores == judged.drop and set(judged.metrics.values()) == {"relative-error"}


def test_a_judge_chooses_a_metric_for_each_output() -> None:
    judge = Judge(net(), rows())
    assert {output: metric.name for output, metric in judge.metrics.items()} == {OUTPUT: "top1-agreement"}
    assert judge.judge(net(-1.0)).drop == 1 and judge.judge(net()).drop == 0


def test_a_judge_may_go_by_accuracy() -> None:
    judge = Judge(net(), rows(CHOICES), "accuracy", OUTPUT)
    assert judge.judge(net(2.0)).drop == 0 and judge.judge(net(-1.0)).drop == 1


def test_a_judge_never_finds_nan_good() -> None:
    assert Judge(net(), rows()).judge(net(math.nan)).drop == math.inf


def test_outputs_that_are_not_kept_are_computed_again() -> None:
    kept, forgotten = (Judge(net(), rows(), memory_limit=limit) for limit in (1 << 20, 0))
    assert kept.judge(net(1.3)) == forgotten.judge(net(1.3)) == kept.judge(net(1.3))


@pytest.mark.parametrize(("kept", "runs_again"), [(3, 0), (1, 2), (0, 3)])
def test_the_dense_model_runs_again_only_for_what_memory_does_not_hold(
    monkeypatch: pytest.MonkeyPatch, kept: int, runs_again: int
) -> None:
    runs: list[int] = []

    class Counting(Session):
        def run(self, feeds: Any) -> Any:
            runs.append(id(self))
            return super().run(feeds)

    monkeypatch.setattr("onnxprune.evaluate.Session", Counting)
    judge = Judge(net(), rows(), memory_limit=kept * 4 * 4 * 4)
    assert len(runs) == 3
    for scale in (0.9, 1.1):
        judge.judge(net(scale))
    assert len(runs) == 3 + 2 * (3 + runs_again)


@pytest.mark.parametrize(
    ("metric", "message"),
    [("accuracy", "accuracy needs labels"), ("top5-agreement", "4 classes"), ("nearest", "no metric 'nearest'")],
)
def test_a_metric_that_cannot_be_had_is_refused_before_anything_is_pruned(metric: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Judge(net(), rows(), metric)


# Labels


@pytest.mark.parametrize(
    ("keys", "found"), [(["label"], "label"), (["y", "labels"], "labels"), (["y"], "y"), (["ids"], None)]
)
def test_labels_are_found_by_their_usual_names(tmp_path: Path, keys: list[str], found: str | None) -> None:
    np.savez(tmp_path / "data.npz", **dict.fromkeys([INPUT, *keys], CHOICES))
    assert label_key(str(tmp_path / "data.npz"), net()) == found


def test_an_input_is_never_taken_for_labels(tmp_path: Path) -> None:
    model = net()
    model.proto.graph.input[0].name = "y"
    np.savez(tmp_path / "data.npz", y=ROWS)
    assert label_key(str(tmp_path / "data.npz"), model) is None


def test_other_sources_have_no_labels_of_their_own(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", CHOICES)
    for source in (str(tmp_path), str(tmp_path / "data.npy"), "loader:samples"):
        assert label_key(source, net()) is None
