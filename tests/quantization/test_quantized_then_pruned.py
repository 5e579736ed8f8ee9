"""What onnxruntime has quantized is pruned like any other model: mask == slice, and every Q/DQ pair stays."""

from __future__ import annotations

from functools import partial
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from onnxruntime.quantization import QuantType
from pruning import prune_and_check, random_masks
from quantizing import (
    NAMES,
    accuracy,
    dynamic,
    image_batches,
    operators,
    qdq,
    qoperator,
    quantized_weights,
    shipped_qdq,
    stored,
)
from test_pruned_then_quantized import fullest_group

import onnxprune
from onnxprune.axes import free_dims, keep
from onnxprune.model import Model
from onnxprune.tracing import trace


@pytest.mark.parametrize("name", NAMES)
def test_a_quantized_model_is_pruned_exactly(name: str) -> None:
    dense = shipped_qdq(name)
    result = onnxprune.prune(dense, 0.2, calibration="none")
    found = result.report.verified
    assert found is not None
    assert (found["verdict"], found["unrounded_twin"], found["tolerance"]) == ("proved", True, 1e-4)
    assert operators(result.model) == operators(dense)
    onnx.checker.check_model(result.model, full_check=True)
    params = result.report.params
    assert params.after < 0.85 * params.before


@pytest.mark.parametrize("name", [*NAMES[:2], pytest.param(NAMES[2], marks=pytest.mark.slow)])
def test_little_pruning_leaves_a_quantized_model_accurate(name: str) -> None:
    dense = shipped_qdq(name)
    result = onnxprune.prune(dense, 0.15, check=False, calibration="none")
    assert accuracy(result.model) > accuracy(dense) - 0.05


@pytest.mark.parametrize("name", NAMES)
def test_weights_scales_and_zero_points_are_sliced_alike(name: str) -> None:
    result = onnxprune.prune(shipped_qdq(name), 0.3, check=False, calibration="none")
    found, masks = result.trace, result.masks  # type: ignore[attr-defined]
    uses = {(found.model.node(use.slot[0]).output[0], use.slot[1]): use for use in found.uses}
    pruned, sliced = stored(result.model), [0, 0, 0]
    for node in result.model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in pruned:
            continue
        for slot, tensor in enumerate(node.input):
            use = uses[node.output[0], slot]
            wanted = found.model.array(found.model.constants[use.constant])
            for place, axis in enumerate(use.axes):
                if set(free_dims(axis)) & set(masks):
                    wanted = wanted.compress(keep(axis, masks), place)
                    sliced[slot] += 1
            np.testing.assert_array_equal(pruned[tensor], wanted)
    assert all(count > 5 for count in sliced), sliced


# Every format


BUILDERS = {
    "chain": networks.plain,
    "branches": networks.branchy,
    "residual": lambda: networks.random_net(1, (8, 12, 12), residual=True),
    "groups": lambda: networks.random_net(2, (8, 12, 8), group=4),
}
TENSORRT = {"ActivationSymmetric": True, "AddQDQPairToWeight": True, "DedicatedQDQPair": True}
FORMATS: dict[str, Any] = {
    "pairs": qdq,
    "pairs, per tensor": partial(qdq, per_channel=False),
    "pairs, asymmetric": partial(qdq, weight_type=QuantType.QUInt8, extra_options={"WeightSymmetric": False}),
    "pairs, 16-bit activations": partial(qdq, activation_type=QuantType.QUInt16),
    "pairs, 4-bit weights": partial(qdq, weight_type=QuantType.QInt4),
    "pairs, on the weights too": partial(qdq, activation_type=QuantType.QInt8, extra_options=TENSORRT),
    "operators on integers": qoperator,
}


def check(dense: onnx.ModelProto, exact: bool) -> None:
    """Prune at random a few times; what is rounded may not show small damage, what is not always does."""
    found = trace(Model(dense))
    assert found.dims
    verdicts = []
    for seed in range(3):
        pruned, verification = prune_and_check(found, random_masks(found, seed))
        assert operators(pruned.proto) == operators(dense)
        verdicts.append(verification.verdict)
        assert not exact or verification.tolerance < 1e-3
    assert "proved" in verdicts


@pytest.mark.parametrize("builder", BUILDERS)
@pytest.mark.parametrize("form", FORMATS)
def test_a_graph_of_any_format_is_pruned_exactly(form: str, builder: str) -> None:
    exact = form.startswith("pairs") and form not in ("pairs, 4-bit weights", "pairs, on the weights too")
    check(FORMATS[form](BUILDERS[builder](), image_batches()), exact)


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_dynamically_quantized_graph_is_pruned_exactly(builder: str) -> None:
    check(dynamic(BUILDERS[builder]()), exact=False)


@pytest.mark.parametrize("form", FORMATS)
def test_the_dims_of_a_graph_are_those_it_had_before(form: str) -> None:
    for build in BUILDERS.values():
        before, after = trace(Model(build())), trace(Model(FORMATS[form](build(), image_batches())))
        assert sorted(dim.size for dim in after.dims) == sorted(dim.size for dim in before.dims)


# 2:4


@pytest.mark.parametrize("name", [*NAMES[:2], pytest.param(NAMES[2], marks=pytest.mark.slow)])
def test_a_pattern_is_put_into_quantized_weights(name: str) -> None:
    dense = shipped_qdq(name)
    result = onnxprune.prune(dense, granularity="2:4", calibration="none", permute=False)
    assert result.report.verified is not None
    assert result.report.verified["verdict"] == "proved"
    assert operators(result.model) == operators(dense)
    assert result.report.sparsity is not None
    layers = {layer["name"]: layer for layer in result.report.sparsity["layers"]}
    weights = quantized_weights(result.model)
    assert len(layers) > 10
    for layer in layers:
        # Weights of MatMul are [inputs, outputs], those of Conv and of Gemm here [outputs, inputs, ..].
        assert fullest_group(weights[layer], 0 if "MatMul" in layer else 1) <= 2
    others = {key: values for key, values in stored(dense).items() if key not in layers}
    after = stored(result.model)
    assert all(np.array_equal(after[key], values) for key, values in others.items())


ALL_FORMATS = {**FORMATS, "dynamic": lambda proto, _: dynamic(proto)}


@pytest.mark.parametrize("granularity", ["element", "2:4"])
@pytest.mark.parametrize("form", ALL_FORMATS)
def test_zeros_are_put_into_weights_of_any_format(form: str, granularity: str) -> None:
    dense = ALL_FORMATS[form](networks.random_net(3, (16, 24)), image_batches())
    result = onnxprune.prune(
        dense, 0.6 if granularity == "element" else None, granularity=granularity, calibration="none"
    )
    found = result.report.verified
    assert found is not None
    assert found["verdict"] == "proved"
    assert found["zeros"] >= (0.6 if granularity == "element" else 0.5) * found["elements"]
    assert operators(result.model) == operators(dense)


def test_zeros_go_to_the_zero_point() -> None:
    asymmetric = FORMATS["pairs, asymmetric"](networks.random_net(3, (16, 24)), image_batches())
    weights = quantized_weights(onnxprune.prune(asymmetric, 0.6, granularity="element").model)
    share = sum(int((weight == 0).sum()) for weight in weights.values()) / sum(w.size for w in weights.values())
    assert share == pytest.approx(0.6, abs=0.01)


def test_with_nothing_to_repair_units_are_chosen_as_without_samples() -> None:
    report = onnxprune.prune(shipped_qdq(NAMES[0]), 0.2, check=False, samples=16).report
    assert report.options["criterion"] == "lamp" and report.recovery is not None and report.recovery["layers"] == []
    assert not any("were repaired" in warning for warning in report.warnings)
