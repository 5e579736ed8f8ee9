"""A pruned model is quantized by onnxruntime like any other, loses little by it, and keeps its zeros."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType
from quantizing import (
    NAMES,
    accuracy,
    digit_batches,
    distance,
    dynamic,
    image_batches,
    operators,
    prepared,
    qdq,
    qoperator,
    quantized_weights,
    shipped,
    stored,
)

import onnxprune

LOST = 0.03
"""The most that quantization may cost a pruned model, as it may a dense one: three points of accuracy."""

NETWORKS = {
    "plain": networks.plain,
    "branchy": networks.branchy,
    "shared scale": networks.shared_scale,
    "residual": lambda: networks.random_net(1, (8, 12, 12), residual=True),
    "groups": lambda: networks.random_net(2, (8, 12, 8), group=4),
}


def pruned(proto: onnx.ModelProto, amount: float, **options: Any) -> onnx.ModelProto:
    return onnxprune.prune(proto, amount, check=False, **options).model


@pytest.mark.parametrize("name", [*NAMES[:2], pytest.param(NAMES[2], marks=pytest.mark.slow)])
def test_a_pruned_model_is_as_accurate_when_it_is_quantized(name: str) -> None:
    slim = pruned(shipped(name), 0.3, calibration=list(digit_batches()), criterion="variance", recover="bias")
    quantized = qdq(slim)
    onnx.checker.check_model(quantized, full_check=True)
    before = accuracy(slim)
    assert before > 0.85
    assert accuracy(quantized) > before - LOST
    assert operators(quantized)["QuantizeLinear"] > 20
    assert sum(values.nbytes for values in stored(quantized).values()) < 0.4 * slim.ByteSize()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("quantizer", [qdq, qoperator], ids=["pairs", "operators on integers"])
def test_pruned_graphs_are_quantized(name: str, quantizer: Any) -> None:
    slim = pruned(NETWORKS[name](), 0.4, calibration="none")
    quantized = quantizer(slim, image_batches())
    onnx.checker.check_model(quantized)
    weights = [values for values in stored(quantized).values() if values.ndim > 1]
    assert {values.dtype for values in weights} == {np.dtype(np.int8)}
    assert 0 < distance(slim, quantized) < 0.1


def test_a_pruned_graph_is_quantized_dynamically() -> None:
    slim = pruned(networks.branchy(), 0.4, calibration="none")
    quantized = dynamic(slim)
    assert operators(quantized)["ConvInteger"] > 2
    assert 0 < distance(slim, quantized) < 0.1


# Zeros


def fullest_group(weight: NDArray[Any], axis: int) -> int:
    """The most numbers other than zero in four consecutive ones along an axis."""
    groups = np.moveaxis(weight, axis, -1).reshape(-1, 4)
    return int((groups != 0).sum(1).max())


@pytest.mark.parametrize(("name", "count"), [("residual_cnn", 16), ("vision_transformer", 27)])
def test_a_pattern_survives_quantization(name: str, count: int) -> None:
    result = onnxprune.prune(shipped(name), granularity="2:4", calibration="none", permute=False, check=False)
    assert result.report.sparsity is not None
    assert len(result.report.sparsity["layers"]) == count
    weights = {key: w for key, w in quantized_weights(qdq(result.model)).items() if not set(w.shape[:2]) & {1, 3}}
    assert len(weights) == count
    # Weights of MatMul are [inputs, outputs], those of Conv and of Gemm here [outputs, inputs, ..].
    groups = [fullest_group(weight, 0 if "MatMul" in key else 1) for key, weight in weights.items()]
    assert set(groups) == {2}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_channel": False},
        {"weight_type": QuantType.QUInt8, "extra_options": {"WeightSymmetric": True}},
        {"weight_type": QuantType.QUInt8, "extra_options": {"WeightSymmetric": False}},
    ],
    ids=["per channel", "per tensor", "unsigned", "asymmetric"],
)
def test_every_zero_stays_zero(options: dict[str, Any], tmp_path: Any) -> None:
    sparse = pruned(networks.random_net(3, (16, 24, 24)), 0.7, granularity="element")
    before = stored(onnx.load(prepared(sparse, tmp_path)))
    after = quantized_weights(qdq(sparse, image_batches(), **options))
    assert len(after) == 4
    zeros = {name: before[name.removesuffix("_quantized")] == 0 for name in after}
    assert sum(map(np.sum, zeros.values())) > 0.6 * sum(weight.size for weight in after.values())
    assert not any(weight[zeros[name]].any() for name, weight in after.items())


def test_symmetric_weights_are_zero_where_their_integers_are() -> None:
    values = stored(qdq(networks.plain(), image_batches()))
    points = [zero for name, zero in values.items() if name.endswith(".weight_zero_point")]
    assert points
    assert not any(zero.any() for zero in points)
