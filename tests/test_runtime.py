"""Running models: outputs and intermediate tensors by name, failures in one line, external data inlined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import CLASSES, edit, plain
from onnx import external_data_helper

from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.runtime import run

FEEDS = {"x": np.random.default_rng(0).normal(size=(2, 3, 5, 5)).astype(np.float32)}


def test_without_names_the_outputs_of_the_graph_are_returned() -> None:
    (logits,) = run(Model(plain()), FEEDS)
    assert logits.shape == (2, CLASSES)


def test_any_tensor_may_be_asked_for_in_any_order() -> None:
    relu, logits, conv = run(Model(plain()), FEEDS, ["bn1.relu", "fc", "conv1"])
    assert logits.shape == (2, CLASSES) and conv.shape == relu.shape == (2, 8, 5, 5)
    assert relu.min() == 0 and conv.min() < 0


def test_the_model_is_not_changed() -> None:
    proto = plain()
    run(Model(proto), FEEDS, ["conv1"])
    assert proto == plain()


def test_optimized_or_not_the_values_agree() -> None:
    optimized, literal = (run(Model(plain()), FEEDS, optimize=optimize)[0] for optimize in (True, False))
    np.testing.assert_allclose(optimized, literal, rtol=1e-4, atol=1e-6)


def test_external_data_is_found(tmp_path: Path) -> None:
    proto = plain()
    external_data_helper.convert_model_to_external_data(proto, location="w.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "net.onnx")
    np.testing.assert_array_equal(run(Model.load(tmp_path / "net.onnx"), FEEDS)[0], run(Model(plain()), FEEDS)[0])


@pytest.mark.parametrize(
    ("proto", "feeds"),
    [
        (edit(plain(), "fc.weight", lambda w: w[:, :-1]), FEEDS),
        (plain(), {}),
        (plain(), {"x": FEEDS["x"][:, :2]}),
        (plain(), {"wrong": FEEDS["x"]}),
    ],
    ids=["a wrong shape", "no inputs", "an input of a wrong shape", "an input of a wrong name"],
)
def test_what_cannot_run_is_an_error_in_one_line(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> None:
    with pytest.raises(ModelError, match="onnxruntime cannot run the model") as failure:
        run(Model(proto), feeds)
    assert "\n" not in str(failure.value) and len(str(failure.value)) < 400


def test_an_unknown_operator_is_an_error() -> None:
    proto = plain()
    proto.graph.node[0].op_type = "Mystery"
    with pytest.raises(ModelError, match="Mystery"):
        run(Model(proto), FEEDS)
