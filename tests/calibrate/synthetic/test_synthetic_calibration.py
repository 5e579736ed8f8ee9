"""Samples out of nothing: that models run on them, how many there are, and what is said about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from networks import plain, traced
from onnx import TensorProto, helper, numpy_helper

from onnxprune.calibrate.calibration import Calibration
from onnxprune.calibrate.synthetic import make, synthetic_calibration
from onnxprune.errors import ModelError, UsageError
from onnxprune.model import Model
from onnxprune.runtime import Session

FLOAT, INT64, BOOL, UINT8, HALF = (
    TensorProto.FLOAT,
    TensorProto.INT64,
    TensorProto.BOOL,
    TensorProto.UINT8,
    TensorProto.FLOAT16,
)


def graph(inputs: dict[str, tuple[Any, ...]], nodes: list[onnx.NodeProto], **stored: Any) -> onnx.ModelProto:
    """A model with inputs [type, *shape] that gives back `y`."""
    infos = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, *shape) in inputs.items()]
    tensors = [numpy_helper.from_array(np.asarray(values), name) for name, values in stored.items()]
    made = helper.make_graph(nodes, "g", infos, [onnx.ValueInfoProto(name="y")], tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def language_model() -> onnx.ModelProto:
    """Embeddings of tokens, segments and positions, summed, times the mask."""
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["a"]),
        helper.make_node("Gather", ["kinds", "token_type_ids"], ["b"]),
        helper.make_node("Gather", ["places", "position_ids"], ["c"]),
        helper.make_node("Sum", ["a", "b", "c"], ["sum"]),
        helper.make_node("Cast", ["attention_mask"], ["real"], to=FLOAT),
        helper.make_node("Unsqueeze", ["real", "last"], ["column"]),
        helper.make_node("Mul", ["sum", "column"], ["y"]),
    ]
    names = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
    tables = {"words": np.zeros((50, 4)), "kinds": np.zeros((2, 4)), "places": np.zeros((20, 4))}
    stored = {name: table.astype(np.float32) for name, table in tables.items()} | {"last": np.array([2])}
    return graph(dict.fromkeys(names, (INT64, "batch", "length")), nodes, **stored)


def made(proto: onnx.ModelProto, **options: Any) -> Calibration:
    """Samples for a model, which it has been run on."""
    found = synthetic_calibration(traced(proto), **options)
    session = Session(Model(proto))
    for batch in found.batches:
        session.run(batch)
        assert all(np.isfinite(value.astype(np.float64)).all() for value in batch.values())
    assert not found.real and found.labels is None
    return found


# How many


def test_an_open_batch_takes_32_samples_at_a_time() -> None:
    found = made(plain(batch="batch"), samples=70)
    assert found.sizes == (32, 32, 6) and [len(batch["x"]) for batch in found.batches] == [32, 32, 6]
    assert made(plain(batch="batch"), samples=7, batch_size=3).sizes == (3, 3, 1)


def test_512_samples_are_made_of_small_inputs_and_fewer_of_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(plain(batch="batch")).samples == 512
    monkeypatch.setattr(make, "ELEMENTS", 100 * 75)
    assert made(plain(batch="batch")).samples == 100
    monkeypatch.setattr(make, "ELEMENTS", 10)
    assert made(plain(batch="batch")).samples == 32


def test_a_batch_of_fixed_size_is_met_and_filled() -> None:
    found = made(plain(batch=4), samples=10)
    assert found.sizes == (4, 4, 4) and found.samples == 12
    assert all(batch["x"].shape == (4, 3, 5, 5) for batch in found.batches)


def test_another_batch_size_than_the_models_is_refused() -> None:
    assert made(plain(batch=4), samples=4, batch_size=4).sizes == (4,)
    with pytest.raises(UsageError, match="--batch-size 8: input 'x' takes exactly 4"):
        made(plain(batch=4), batch_size=8)


@pytest.mark.parametrize("options", [{"samples": 0}, {"batch_size": 0}])
def test_less_than_one_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="must be at least 1"):
        made(plain(batch="batch"), **options)


def test_a_batch_that_only_looks_open_holds_one_sample() -> None:
    nodes = [helper.make_node("Reshape", ["x", "one"], ["flat"]), helper.make_node("Add", ["flat", "row"], ["y"])]
    proto = graph({"x": (FLOAT, "batch", 6)}, nodes, one=np.array([1, 6]), row=np.zeros(6, np.float32))
    assert made(proto, samples=3).sizes == (1, 1, 1)


def test_an_image_without_a_batch_is_one_sample() -> None:
    proto = graph({"x": (FLOAT, 3, 16, 20)}, [helper.make_node("Identity", ["x"], ["y"])])
    found = made(proto, samples=2)
    assert found.sizes == (1, 1) and found.batches[0]["x"].shape == (3, 16, 20)


def test_a_batch_axis_is_found_wherever_it_is() -> None:
    nodes = [helper.make_node("ReduceMean", ["state"], ["s"], axes=[0, 2], keepdims=0)]
    nodes += [helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0)]
    nodes += [helper.make_node("Add", ["s", "m"], ["y"])]
    found = made(graph({"x": (FLOAT, "batch", 500), "state": (FLOAT, 2, "batch", 8)}, nodes), samples=5)
    assert found.batches[0]["x"].shape == (5, 500) and found.batches[0]["state"].shape == (2, 5, 8)


def test_sizes_are_those_that_the_model_runs_at() -> None:
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    weight = np.zeros((3 * 64 * 64, 2), np.float32)
    found = made(graph({"x": (FLOAT, "batch", 3, "height", "width")}, nodes, w=weight), samples=2)
    assert found.batches[0]["x"].shape == (2, 3, 64, 64)


# What


def test_the_same_seed_makes_the_same() -> None:
    first, again, other = (made(plain(batch="batch"), samples=8, seed=seed).batches[0]["x"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_batches_and_samples_all_differ() -> None:
    found = made(plain(batch="batch"), samples=12, batch_size=4)
    assert len({sample.tobytes() for batch in found.batches for sample in batch["x"]}) == 12


def test_tokens_stay_below_the_vocabulary_and_go_with_their_mask() -> None:
    found = made(language_model(), samples=64)
    assert found.source == "64 synthetic samples: token ids below 50"
    feeds = {name: np.concatenate([batch[name] for batch in found.batches]) for name in found.batches[0]}
    assert feeds["input_ids"].min() == 0 and feeds["input_ids"].max() == 49
    mask = feeds["attention_mask"]
    assert set(np.unique(mask)) == {0, 1} and (np.diff(mask) <= 0).all() and mask[:, 0].all()
    assert set(np.unique(feeds["token_type_ids"])) == {0, 1}
    assert (feeds["position_ids"] == np.arange(mask.shape[1])).all()


def test_a_padding_mask_is_the_other_way_round_and_lengths_go_with_it() -> None:
    inputs = {"ids": (INT64, "n", "t"), "padding_mask": (BOOL, "n", "t"), "lengths": (INT64, "n")}
    nodes = [helper.make_node("Gather", ["words", "ids"], ["y"])]
    batch = made(graph(inputs, nodes, words=np.zeros((9, 2), np.float32)), samples=20).batches[0]
    assert batch["padding_mask"].dtype == bool and 0 < batch["padding_mask"].mean() < 0.5
    assert np.array_equal((~batch["padding_mask"]).sum(axis=1), batch["lengths"])


def test_bytes_hold_whole_numbers_up_to_255() -> None:
    proto = graph({"x": (UINT8, "n", 16, 16, 3)}, [helper.make_node("Identity", ["x"], ["y"])])
    found = made(proto, samples=8)
    assert found.batches[0]["x"].dtype == np.uint8 and found.batches[0]["x"].max() > 200
    assert "0..255 (all that its type holds)" in found.source


def test_half_precision_is_kept() -> None:
    proto = graph({"x": (HALF, "n", 3, 16, 16)}, [helper.make_node("Identity", ["x"], ["y"])])
    assert made(proto, samples=2).batches[0]["x"].dtype == np.float16


def test_recordings_lie_between_minus_1_and_1() -> None:
    proto = graph({"audio": (FLOAT, "n", 1000)}, [helper.make_node("Identity", ["audio"], ["y"])])
    found = made(proto, samples=4)
    assert np.abs(found.batches[0]["audio"]).max() <= 1
    assert found.source == "4 synthetic samples: recordings of tones and 1/f noise, -1..1 (assumed)"


def test_other_inputs_get_noise_and_random_values() -> None:
    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    found = made(graph({"x": (FLOAT, "n", 20, 64), "flags": (BOOL, "n")}, nodes), samples=16)
    assert found.source == "16 synthetic samples: standard normal noise"
    assert abs(found.batches[0]["x"].std() - 1) < 0.05 and found.batches[0]["flags"].dtype == bool


def test_a_model_that_refuses_the_guess_gets_what_is_drawn_for_the_check() -> None:
    """The table has fewer rows than positions, and the name of its index is misleading."""
    nodes = [
        helper.make_node("Reshape", ["lengths", "flat"], ["ids"]),
        helper.make_node("Add", ["ids", "zero"], ["index"]),
        helper.make_node("Gather", ["table", "index"], ["y"]),
    ]
    stored = {"flat": np.array([-1]), "zero": np.array(0), "table": np.zeros((2, 3), np.float32)}
    proto = graph({"lengths": (INT64, 16)}, nodes, **stored)
    assert made(proto, samples=16).source == "16 synthetic samples: random values"


def test_a_model_that_runs_at_no_usual_size_is_refused() -> None:
    nodes = [helper.make_node("Reshape", ["x", "odd"], ["y"])]
    with pytest.raises(ModelError, match="onnxruntime cannot run the model"):
        made(graph({"x": (FLOAT, "n", "t", 4)}, nodes, odd=np.array([7, 11])))


def test_text_is_refused() -> None:
    proto = graph({"words": (TensorProto.STRING, 2)}, [helper.make_node("Identity", ["words"], ["y"])])
    with pytest.raises(ModelError, match="input 'words'"):
        made(proto)


# Scaling


def test_the_range_asked_for_is_met() -> None:
    found = made(plain(batch="batch"), samples=64, input_range=(-4, 12))
    pixels = np.concatenate([batch["x"] for batch in found.batches])
    assert -4 <= pixels.min() < -3 and 11 < pixels.max() <= 12
    assert "images of dead leaves and 1/f noise, -4..12 (asked for)" in found.source


def test_mean_and_std_asked_for_are_met() -> None:
    options = {"samples": 64, "mean": (0.5, 0.4, 0.3), "std": (0.2,)}
    pixels = np.concatenate([batch["x"] for batch in made(plain(batch="batch"), **options).batches])
    for channel, mean in enumerate(options["mean"]):
        assert pixels[:, channel].min() >= -mean / 0.2 - 1e-5 and pixels[:, channel].max() <= (1 - mean) / 0.2 + 1e-5
    assert "mean 0.5, 0.4, 0.3 and std 0.2 of pixels (asked for)" in made(plain(batch="batch"), **options).source


def test_the_scaling_chosen_is_told_with_its_reason() -> None:
    found = made(plain(batch="batch"), samples=2)
    assert found.source.endswith("(chosen by the first BatchNormalization)")


def test_a_range_and_a_mean_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="not both"):
        made(plain(), input_range=(0, 1), mean=(0.5,))


@pytest.mark.parametrize("options", [{"mean": (0.5,)}, {"input_range": (0, 1)}])
def test_a_scaling_without_an_image_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no input of the model looks like images"):
        made(language_model(), **options)
