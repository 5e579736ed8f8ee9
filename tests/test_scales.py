"""Quantized weights as parameters: counted without their scales, and scored by what they are worth in real numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from quantized_graphs import QuantizedGraph

from onnxprune.cost import Cost
from onnxprune.criteria import score
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.parameters import parameter_uses
from onnxprune.runtime import run
from onnxprune.scales import Scales
from onnxprune.tracing import Trace, trace


def found(g: QuantizedGraph, *outputs: str) -> Trace:
    g.output(*outputs)
    return trace(Model(g.model()))


def real_weight(model: Trace, name: str) -> np.ndarray:
    return Scales(model).real_values(next(use for use in model.uses if use.constant[1] == name))


def parameters(model: Trace) -> set[str]:
    return {use.constant[1] for use in parameter_uses(model)}


def test_integer_weights_and_biases_are_parameters_and_scales_are_not() -> None:
    g = QuantizedGraph()
    model = found(g, g.qdq_conv(g.qdq_conv(g.rounded(g.image()), 6, kernel=3), 2))
    assert Cost(model, {}).params({}) == 6 * 3 * 9 + 6 + 2 * 6 + 2


def test_operators_on_integers_count_the_same() -> None:
    g = QuantizedGraph()
    x = g.qlinear_conv(g.quantize(g.image()), 3, 6, kernel=3)
    model = found(g, g.dequantize(g.qlinear_conv(x, 6, 2)))
    assert Cost(model, {}).params({}) == 6 * 3 * 9 + 6 + 2 * 6 + 2


def quiet_channel(operator: str) -> Trace:
    """Two layers whose channel 2 has the largest integers of all and a tiny scale."""
    g = QuantizedGraph()
    integers = np.array([[50, 60, 127, 40]] * 3)
    scale = g.store([0.02, 0.02, 0.00002, 0.02], np.float32)
    weight = g.store(integers, np.int8)
    zero = g.store(np.zeros(4), np.int8)
    if operator == "DequantizeLinear":
        x = g.add("MatMul", g.input(5, 3), g.add("DequantizeLinear", weight, scale, zero, axis=1))
    elif operator == "Cast":
        x = g.add("MatMul", g.input(5, 3), g.add("Mul", g.add("Cast", weight, to=TensorProto.FLOAT), scale))
    elif operator == "QLinearMatMul":
        x = g.dequantize(g.add("QLinearMatMul", g.quantize(g.input(5, 3)), *g.unit(), weight, scale, zero, *g.unit()))
    else:
        y, x_scale, x_zero = g.nodes_of("DynamicQuantizeLinear", [g.input(5, 3)], 3)
        x = g.add("Cast", g.add("MatMulInteger", y, weight, x_zero, zero), to=TensorProto.FLOAT)
        x = g.add("Mul", x, g.add("Mul", x_scale, scale))
    return found(g, g.add("MatMul", x, g.store(np.full((4, 2), 0.01), np.float32)))


@pytest.mark.parametrize("operator", ["DequantizeLinear", "Cast", "QLinearMatMul", "MatMulInteger"])
@pytest.mark.parametrize("criterion", ["l1", "l2"])
def test_a_channel_of_large_integers_and_a_tiny_scale_goes_first(operator: str, criterion: str) -> None:
    model = quiet_channel(operator)
    (dim,) = model.dims
    assert np.argmin(score(model, criterion, 0)[dim]) == 2
    assert len(parameters(model)) == 2


def test_real_values_are_those_that_the_operator_makes() -> None:
    g = QuantizedGraph()
    weight = g.integers(6, 3, 1, 1, axis=0)
    dequantized = g.add("DequantizeLinear", *weight, axis=0)
    model = found(g, g.add("Conv", g.image(), dequantized), dequantized)
    feeds = random_feeds(model, concrete_inputs(model.model))
    np.testing.assert_allclose(real_weight(model, weight[0]), run(model.model, feeds)[1], rtol=1e-6)


def test_a_scale_after_a_lookup() -> None:
    g = QuantizedGraph()
    table, scale, zero = g.integers(9, 4)
    looked_up = g.add("Gather", table, g.input(5, dtype=TensorProto.INT64))
    model = found(g, g.linear(g.add("DequantizeLinear", looked_up, scale, zero), 2))
    values = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in g.stored}
    expected = (values[table].astype(np.float32) - values[zero]) * values[scale]
    np.testing.assert_allclose(real_weight(model, table), expected, rtol=1e-6)


def test_a_scale_per_block() -> None:
    g = QuantizedGraph(opset=21)
    values, scales = g.rng.integers(-9, 9, (8, 2)), g.rng.uniform(0.1, 1, (2, 2))
    weight, scale = g.store(values, np.int8), g.store(scales, np.float32)
    dequantized = g.add("DequantizeLinear", weight, scale, axis=0, block_size=4)
    model = found(g, g.add("MatMul", g.input(5, 8), dequantized))
    np.testing.assert_allclose(real_weight(model, weight), values * scales.repeat(4, 0), rtol=1e-6)


def test_numbers_that_share_a_byte() -> None:
    g = QuantizedGraph()
    numbers = g.rng.integers(0, 16, (3, 2, 16)).astype(np.uint8)
    weight = g.store(numbers[..., ::2] | (numbers[..., 1::2] << 4))
    scale = g.store([1, 2, 3, 4, 5, 6], np.float32)
    x = g.contrib("MatMulNBits", g.input(5, 32), weight, scale, N=3, K=32, bits=4, block_size=16)
    model = found(g, g.linear(g.declare(x, np.float32, 5, 3), 2))
    expected = (numbers.astype(np.float32) - 8) * np.arange(1, 7).reshape(3, 2, 1)
    np.testing.assert_array_equal(real_weight(model, weight), expected)
