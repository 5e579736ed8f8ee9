"""Verification of quantized models: sharp without rounding, within one quantization step elsewhere."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from proof import needs_onnxruntime_to_run, random_masks
from quantized_graphs import SCALE, QuantizedGraph

from onnxprune.apply import apply_masks
from onnxprune.errors import VerificationError
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.tensors import to_tensor
from onnxprune.tracing import trace
from onnxprune.verify import Verification, verify
from onnxprune.verify.rounding import rounds, without_rounding
from onnxprune.verify.steps import Steps


def three_layers() -> QuantizedGraph:
    g = QuantizedGraph()
    x = g.qdq_conv(g.rounded(g.image()), 6, kernel=3)
    g.output(g.qdq_conv(g.qdq_conv(x, 7), 2))
    return g


def integer_layers() -> QuantizedGraph:
    g = QuantizedGraph()
    g.output(g.dequantize(g.qlinear_conv(g.qlinear_conv(g.quantize(g.image()), 3, 6, kernel=3), 6, 2)))
    return g


def check(g: QuantizedGraph, damage: str = "") -> Verification:
    needs_onnxruntime_to_run(g.model())
    found = trace(Model(g.model()))
    masks = random_masks(found, 1)
    pruned, _ = apply_masks(found, masks)
    for tensor in pruned.proto.graph.initializer:
        if tensor.name == damage:
            values = np.roll(pruned.array(tensor), 1, 0)
            tensor.CopyFrom(to_tensor(values, tensor.data_type, tensor.name))
    return verify(found, masks, pruned, random_feeds(found, concrete_inputs(found.model)))


def weights(g: QuantizedGraph) -> list[str]:
    return [tensor.name for tensor in g.stored if len(tensor.dims) == 4]


def test_pairs_are_checked_without_rounding() -> None:
    result = check(three_layers())
    assert result.unrounded_twin
    assert result.verdict == "proved"


def test_operators_on_integers_are_checked_as_they_are() -> None:
    result = check(integer_layers())
    assert not result.unrounded_twin
    assert result.verdict == "proved"


@pytest.mark.parametrize("layers", [three_layers, integer_layers])
def test_a_damaged_weight_is_seen(layers: object) -> None:
    g = layers()  # type: ignore[operator]
    for name in weights(g):
        with pytest.raises(VerificationError):
            check(g, damage=name)


def test_what_is_computed_without_rounding_is_within_a_step() -> None:
    needs_onnxruntime_to_run(three_layers().model())
    g = QuantizedGraph()
    g.output(g.qdq_conv(g.rounded(g.image()), 6, kernel=3, axis=0))
    model = Model(g.model())
    unrounded = without_rounding(model)
    assert rounds(model)
    assert not rounds(unrounded)
    assert {node.op_type for node in unrounded.proto.graph.node} >= {"Div", "Max", "Min"}
    feeds = random_feeds(trace(model), concrete_inputs(model))
    (rounded,), (real,) = run(model, feeds), run(unrounded, feeds)
    assert 0 < np.abs(rounded - real).max() < 3 * SCALE


def test_integer_products_without_rounding() -> None:
    g = QuantizedGraph()
    y, scale, zero = g.nodes_of("DynamicQuantizeLinear", [g.input(5, 3)], 3)
    weight, weight_scale, weight_zero = g.integers(3, 6, axis=1)
    x = g.add("Cast", g.add("MatMulInteger", y, weight, zero, weight_zero), to=TensorProto.FLOAT)
    g.output(g.add("Mul", x, g.add("Mul", scale, weight_scale)))
    model = Model(g.model())
    unrounded = without_rounding(model)
    assert rounds(model)
    assert not rounds(unrounded)
    assert "MatMulInteger" not in {node.op_type for node in unrounded.proto.graph.node}
    feeds = random_feeds(trace(model), concrete_inputs(model))
    (rounded,), (real,) = run(model, feeds), run(unrounded, feeds)
    assert 0 < np.abs(rounded - real).max() < 0.05


def test_what_an_operator_needs_as_integers_stays_rounded() -> None:
    g = integer_layers()
    model = Model(g.model())
    assert without_rounding(model) is model


def test_a_graph_output_stays_an_integer() -> None:
    g = QuantizedGraph()
    x = g.quantize(g.image())
    g.output(x, g.dequantize(x))
    model = Model(g.model())
    assert without_rounding(model) is model


def test_the_step_of_a_tensor_is_the_scale_that_it_comes_from() -> None:
    g = QuantizedGraph()
    x = g.rounded(g.image())
    flat = g.add("Flatten", x)
    last = g.add("Relu", flat)
    g.output(last)
    steps = Steps(Model(g.model()))
    assert [steps.of(name) for name in (x, flat, last)] == [SCALE, SCALE, 0]
    assert steps.relative(flat, np.array([[1.0, -4.0]])) == SCALE / 4
    assert steps.relative("any", np.array([[100, 50]], np.uint8)) == 0.01
    assert steps.relative(flat, np.zeros((1, 2))) == 0


@pytest.mark.parametrize("name", ["INT4", "UINT4", "BFLOAT16", "FLOAT8E4M3FN", "INT8", "BOOL", "FLOAT16"])
def test_values_are_written_in_the_type_that_they_had(name: str) -> None:
    data_type = getattr(TensorProto, name)
    tensor = to_tensor(np.array([1, 0, 1]), data_type, "values")
    assert (tensor.data_type, list(tensor.dims), tensor.name) == (data_type, [3], "values")
    onnx.checker.check_tensor(tensor)
    assert onnx.numpy_helper.to_array(tensor).astype(int).tolist() == [1, 0, 1]
