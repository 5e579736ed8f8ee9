"""Quantized operators: integer weights and activations in all the ways that exporters and onnxruntime write."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from proof import prove, traced
from pruning import frozen_reasons
from quantized_graphs import QuantizedGraph, halves, nibbles, packed

from onnxprune.axes import reasons
from onnxprune.rules.quantized import ONE_NUMBER

ACTIVATION_TYPES = pytest.mark.parametrize("dtype", [np.uint8, np.int8])


def count(model: onnx.ModelProto, op_type: str) -> int:
    return sum(node.op_type == op_type for node in model.graph.node)


# Pairs of QuantizeLinear and DequantizeLinear around standard operators


@ACTIVATION_TYPES
@pytest.mark.parametrize("axis", [None, 0])
def test_conv_with_a_scale_per_tensor_or_channel(axis: int | None, dtype: Any) -> None:
    g = QuantizedGraph(dtype=dtype)
    x = g.qdq_conv(g.rounded(g.image()), 6, kernel=3, axis=axis)
    x = g.qdq_conv(g.add("Relu", x), 7, axis=axis)
    g.output(g.qdq_conv(x, 2, axis=axis))
    for pruned in prove(g.model(), [6, 7]):
        for op_type in ("QuantizeLinear", "DequantizeLinear"):
            assert count(pruned, op_type) == count(g.model(), op_type)


def test_inverted_bottleneck_with_residual() -> None:
    g = QuantizedGraph()
    x = g.qdq_conv(g.rounded(g.image()), 6)
    y = g.qdq_conv(g.qdq_conv(x, 8), 8, kernel=3, group=8)
    x = g.rounded(g.add("Add", x, g.qdq_conv(y, 6)))
    x = g.rounded(g.add("GlobalAveragePool", x))
    x = g.rounded(g.add("Flatten", x))
    g.output(g.rounded(g.add("Gemm", x, g.dequantized(2, 6, axis=0), g.dequantized_bias(2), transB=1)))
    prove(g.model(), [6, 8])


def test_operators_between_quantize_and_dequantize() -> None:
    g = QuantizedGraph()
    x = g.quantize(g.conv(g.rounded(g.image()), 6))
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.dequantize(g.add("Concat", x, g.quantize(g.conv(g.image(side=3), 4)), axis=1))
    g.output(g.qdq_conv(x, 2))
    prove(g.model(), [4, 6])


def test_real_weights_behind_a_pair() -> None:
    g = QuantizedGraph()
    unit = g.store(np.linspace(0.01, 0.02, 6), np.float32), g.store(np.zeros(6), np.int8)
    weight = g.add("QuantizeLinear", g.weight(6, 3, 1, 1), *unit, axis=0)
    x = g.add("Conv", g.image(), g.add("DequantizeLinear", weight, *unit, axis=0))
    g.output(g.qdq_conv(x, 2))
    prove(g.model(), [6])


def test_an_activation_with_a_scale_per_channel() -> None:
    g = QuantizedGraph()
    unit = g.store(np.linspace(0.02, 0.04, 6), np.float32), g.store(np.arange(6) + 118, np.uint8)
    x = g.add("QuantizeLinear", g.conv(g.image(), 6), *unit)
    g.output(g.conv(g.add("DequantizeLinear", x, *unit), 2))
    prove(g.model(), [6])


def test_pair_of_the_contributed_domain() -> None:
    g = QuantizedGraph()
    x = g.contrib("QuantizeLinear", g.conv(g.image(), 6), *g.unit())
    g.output(g.conv(g.declare(g.contrib("DequantizeLinear", x, *g.unit()), np.float32, 2, 6, 6, 6), 2))
    prove(g.model(), [6])


@pytest.mark.parametrize("data_type", [TensorProto.INT4, TensorProto.UINT4])
def test_weights_of_four_bits(data_type: int) -> None:
    g = QuantizedGraph(opset=21)
    signed = data_type == TensorProto.INT4
    values = g.rng.integers(-8, 8, (3, 7)) if signed else g.rng.integers(0, 16, (3, 7))
    g.stored.append(packed(values, data_type, "narrow"))
    g.stored.append(packed(np.full(7, 1 if signed else 8), data_type, "zeros"))
    scale = g.store(g.rng.uniform(0.1, 0.3, 7), np.float32)
    x = g.add("MatMul", g.input(5, 3), g.add("DequantizeLinear", "narrow", scale, "zeros", axis=1))
    g.output(g.linear(x, 2))
    for pruned in prove(g.model(), [7]):
        kept = {tensor.name: tensor for tensor in pruned.graph.initializer}
        assert kept["narrow"].data_type == data_type
        assert len(kept["narrow"].raw_data or kept["narrow"].int32_data) <= halves(3 * kept["zeros"].dims[0]) * 4


def test_a_weight_with_a_scale_per_block() -> None:
    g = QuantizedGraph(opset=21)
    weight = g.store(g.rng.integers(-100, 100, (12, 5)), np.int8)
    scale = g.store(g.rng.uniform(0.01, 0.03, (3, 5)), np.float32)
    zero = g.store(g.rng.integers(-5, 5, (3, 5)), np.int8)
    weight = g.add("DequantizeLinear", weight, scale, zero, axis=0, block_size=4)
    x = g.add("MatMul", g.linear(g.input(5, 3), 12), weight)
    g.output(g.linear(g.add("Relu", x), 2))
    prove(g.model(), [3, 5])


def test_blocks_that_do_not_divide_an_axis_keep_it() -> None:
    g = QuantizedGraph(opset=21)
    weight, scale = g.store(np.ones((10, 5)), np.int8), g.store(np.ones((3, 5)), np.float32)
    x = g.linear(g.input(5, 3), 10)
    g.output(g.linear(g.add("MatMul", x, g.add("DequantizeLinear", weight, scale, axis=0, block_size=4)), 2))
    found = traced(g.model(), [5])
    assert any("whole number of blocks" in reason for reason in reasons(found.tensors[x].axes[1]))


def test_integer_weights_that_are_cast_and_scaled() -> None:
    g = QuantizedGraph()
    weight = g.store(g.rng.integers(-128, 128, (3, 6)), np.int8)
    scale = g.store(g.rng.uniform(0.01, 0.03, (6,)), np.float32)
    x = g.add("MatMul", g.input(5, 3), g.add("Mul", g.add("Cast", weight, to=TensorProto.FLOAT), scale))
    g.output(g.linear(x, 2))
    prove(g.model(), [6])


# Operators on integers


@ACTIVATION_TYPES
def test_quantized_convolutions(dtype: Any) -> None:
    g = QuantizedGraph(dtype=dtype)
    x = g.qlinear_conv(g.quantize(g.image()), 3, 8, kernel=3)
    x = g.qlinear_conv(x, 8, 8, kernel=3, group=8)
    g.output(g.dequantize(g.qlinear_conv(x, 8, 2)))
    prove(g.model(), [8])


def test_quantized_convolution_in_groups() -> None:
    g = QuantizedGraph()
    x = g.qlinear_conv(g.quantize(g.image()), 3, 8)
    x = g.qlinear_conv(x, 8, 12, kernel=3, group=4)
    g.output(g.dequantize(g.qlinear_conv(x, 12, 2)))
    prove(g.model(), [2, 3, 4])


@ACTIVATION_TYPES
def test_quantized_matrix_product(dtype: Any) -> None:
    g = QuantizedGraph(dtype=dtype)
    x = g.quantize(g.input(5, 3))
    for given, columns, axis in ((3, 6, 1), (6, 2, None)):
        weight = g.integers(given, columns, axis=axis, fan_in=given, symmetric=True)
        x = g.add("QLinearMatMul", x, *g.unit(), *weight, *g.unit())
    g.output(g.dequantize(x))
    prove(g.model(), [6])


def dynamic(g: QuantizedGraph, x: str) -> list[str]:
    return g.nodes_of("DynamicQuantizeLinear", [x], 3)


def integer_linear(g: QuantizedGraph, x: str, given: int, columns: int) -> str:
    """MatMulInteger as onnxruntime's dynamic quantization writes it."""
    y, scale, zero = dynamic(g, x)
    weight, weight_scale, weight_zero = g.integers(given, columns, axis=1, fan_in=given)
    product = g.add("Cast", g.add("MatMulInteger", y, weight, zero, weight_zero), to=TensorProto.FLOAT)
    return g.add("Mul", product, g.add("Mul", scale, weight_scale))


def test_dynamically_quantized_matrix_products() -> None:
    g = QuantizedGraph()
    x = g.add("Relu", integer_linear(g, g.input(5, 3), 3, 6))
    g.output(integer_linear(g, x, 6, 2))
    prove(g.model(), [6])


def test_dynamically_quantized_convolutions() -> None:
    g = QuantizedGraph()
    x = g.image()
    for given, channels in ((3, 6), (6, 2)):
        y, scale, zero = dynamic(g, x)
        weight, weight_scale, weight_zero = g.integers(channels, given, 3, 3, fan_in=given * 9)
        product = g.add("Cast", g.add("ConvInteger", y, weight, zero, weight_zero), to=TensorProto.FLOAT)
        x = g.add("Mul", product, g.add("Mul", scale, weight_scale))
    g.output(x)
    prove(g.model(), [6])


def test_the_range_of_a_whole_tensor_with_several_prunable_axes() -> None:
    g = QuantizedGraph()
    x = g.add("MatMul", g.weight(6, 4), g.linear(g.input(4, 3), 7))
    x = g.add("MatMul", g.weight(3, 6), integer_linear(g, x, 7, 2))
    g.output(x)
    prove(g.model(), [6, 7])


# onnxruntime's own operators


def test_arithmetic_and_activations() -> None:
    g = QuantizedGraph()
    x = g.qlinear_conv(g.quantize(g.image()), 3, 6)
    y = g.qlinear_conv(x, 6, 6)
    x = g.declare(g.contrib("QLinearAdd", x, *g.unit(), y, *g.unit(), *g.unit()), np.uint8, 2, 6, 6, 6)
    gate = g.contrib("QLinearSigmoid", g.qlinear_conv(x, 6, 6), *g.unit(), *g.unit())
    x = g.contrib("QLinearMul", x, *g.unit(), gate, *g.unit(), *g.unit())
    x = g.declare(g.contrib("QLinearLeakyRelu", x, *g.unit(), *g.unit(), alpha=0.1), np.uint8, 2, 6, 6, 6)
    g.output(g.dequantize(g.qlinear_conv(x, 6, 2)))
    prove(g.model(), [6])


def test_pooling_joining_and_gemm() -> None:
    g = QuantizedGraph()
    x = g.quantize(g.image())
    x, y = g.qlinear_conv(x, 3, 6), g.qlinear_conv(x, 3, 4)
    x = g.contrib("QLinearConcat", *g.unit(), x, *g.unit(), y, *g.unit(), axis=1)
    x = g.contrib("QLinearAveragePool", x, *g.unit(), *g.unit(), kernel_shape=[2, 2], strides=[2, 2])
    x = g.qlinear_conv(x, 10, 8)
    fine = g.unit(1 / 256)
    x = g.contrib("QLinearGlobalAveragePool", x, *g.unit(), *fine)
    x = g.add("Flatten", x)
    for given, columns in ((8, 5), (5, 2)):
        turned = {"transB": 1} if given == 8 else {}
        shape = (columns, given) if turned else (given, columns)
        weight = g.integers(*shape, axis=0 if turned else 1, fan_in=given, symmetric=True)
        x = g.contrib("QGemm", x, *fine, *weight, g.bias(columns), *fine, alpha=1.0, **turned)
    g.output(g.add("DequantizeLinear", g.declare(x, np.uint8, 2, 2), *fine))
    prove(g.model(), [4, 5, 6, 8])


def test_pooling_with_channels_last() -> None:
    g = QuantizedGraph()
    x = g.quantize(g.transpose(g.conv(g.image(), 6), 0, 2, 3, 1))
    x = g.contrib("QLinearGlobalAveragePool", x, *g.unit(), *g.unit(), channels_last=1)
    x = g.dequantize(g.declare(x, np.uint8, 2, 1, 1, 6))
    g.output(g.linear(x, 2))
    prove(g.model(), [6])


def test_softmax_keeps_its_axis() -> None:
    g = QuantizedGraph()
    x = g.quantize(g.linear(g.input(2, 5, 3), 6))
    x = g.contrib("QLinearSoftmax", x, *g.unit(), g.store(1 / 256, np.float32), g.store(0, np.uint8), axis=-1, opset=13)
    x = g.dequantize(g.declare(x, np.uint8, 2, 5, 6))
    g.output(g.linear(g.linear(x, 4), 2))
    prove(g.model(), [4])


@pytest.mark.parametrize(
    ("opset", "dims"), [({}, [6]), ({"opset": 15}, [6]), ({"opset": 13}, [6]), ({"opset": 11}, [])]
)
def test_softmax_of_old_takes_all_axes_behind_as_one(opset: dict[str, int], dims: list[int]) -> None:
    g = QuantizedGraph()
    x = g.quantize(g.linear(g.input(2, 5, 3), 6))
    x = g.contrib("QLinearSoftmax", x, *g.unit(), *g.unit(), axis=1, **opset)
    g.output(g.linear(g.dequantize(g.declare(x, np.uint8, 2, 5, 6)), 2))
    traced(g.model(), dims)


PER_TENSOR = {
    **dict.fromkeys(("QLinearSigmoid", "QLinearSoftmax", "QLinearGlobalAveragePool"), ("x", "s", "z", "s", "z")),
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), ("x", "s", "z", "x", "s", "z", "s", "z")),
    "QLinearConcat": ("s", "z", "x", "s", "z", "x", "s", "z"),
}
"""The inputs of operators: x a tensor, s a scale, z a zero point, of which there must be one for the whole tensor."""


@pytest.mark.parametrize(
    ("op_type", "slot"),
    [(op_type, slot) for op_type, given in PER_TENSOR.items() for slot, kind in enumerate(given) if kind != "x"],
)
def test_a_scale_or_zero_point_per_channel_is_not_followed(op_type: str, slot: int) -> None:
    g = QuantizedGraph()
    x, (scale, zero) = g.quantize(g.conv(g.image(), 6)), g.unit()
    given = [{"x": x, "s": scale, "z": zero}[kind] for kind in PER_TENSOR[op_type]]
    several = {"s": g.store(np.ones(6), np.float32), "z": g.store(np.zeros(6), np.uint8)}
    given[slot] = several[PER_TENSOR[op_type][slot]]
    g.contrib(op_type, *given, axis=1)
    assert ONE_NUMBER in frozen_reasons(traced(g.model(), []))


@pytest.mark.parametrize("bias", [False, True])
def test_dynamic_matrix_product_in_one_node(bias: bool) -> None:
    g = QuantizedGraph()
    x = g.input(5, 3)
    for given, columns in ((3, 6), (6, 2)):
        weight = g.integers(given, columns, axis=1, fan_in=given)
        x = g.contrib("DynamicQuantizeMatMul", x, *weight, *([g.weight(columns)] if bias else []))
    g.output(g.linear(g.declare(x, np.float32, 5, 2), 2))
    prove(g.model(), [2, 6])


def test_integer_matrix_product_to_real() -> None:
    g = QuantizedGraph()
    x = g.input(5, 3)
    for given, columns in ((3, 6), (6, 2)):
        y, scale, zero = dynamic(g, x)
        weight, weight_scale, weight_zero = g.integers(given, columns, axis=1, fan_in=given)
        given_to = (y, weight, scale, weight_scale, zero, weight_zero, g.weight(columns))
        x = g.declare(g.contrib("MatMulIntegerToFloat", *given_to), np.float32, 5, columns)
    g.output(g.linear(x, 2))
    prove(g.model(), [2, 6])


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zeros", ["none", "packed", "real"])
def test_packed_matrix_product(bits: int, zeros: str) -> None:
    g = QuantizedGraph()
    x = g.linear(g.input(2, 5, 3), 64)
    width = 16 * bits // 8
    stored = [g.store(nibbles(g.rng, 6, 4, width)), g.store(g.rng.uniform(0.001, 0.003, 24), np.float32)]
    if zeros == "packed":
        stored.append(g.store(nibbles(g.rng, 6 * 4 * bits // 8)))
    elif zeros == "real":
        stored.append(g.store(g.rng.uniform(6, 9, 24), np.float32))
    x = g.contrib("MatMulNBits", x, *stored, N=6, K=64, bits=bits, block_size=16)
    g.output(g.linear(g.declare(x, np.float32, 2, 5, 6), 2))
    prove(g.model(), [2 if zeros == "packed" and bits == 4 else 4, 6])


def test_a_packed_matrix_whose_columns_are_in_an_order_of_their_own_keeps_them() -> None:
    g = QuantizedGraph()
    x = g.linear(g.input(5, 3), 64)
    stored = [g.store(nibbles(g.rng, 6, 4, 8)), g.store(np.ones(24), np.float32), "", g.store(np.zeros(64), np.int32)]
    x = g.contrib("MatMulNBits", x, *stored, N=6, K=64, bits=4, block_size=16)
    g.output(g.linear(g.declare(x, np.float32, 5, 6), 2))
    assert "its columns are in an order of their own" in frozen_reasons(traced(g.model(), [6]))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("states", [False, True])
def test_dynamically_quantized_lstm(direction: str, states: bool) -> None:
    g = QuantizedGraph()
    directions = 2 if direction == "bidirectional" else 1
    x = g.linear(g.input(4, 2, 3), 5)
    w, w_scale, w_zero = g.integers(directions, 5, 24, axis=0, fan_in=5, symmetric=True)
    r, r_scale, r_zero = g.integers(directions, 6, 24, axis=0, fan_in=6, symmetric=True)
    initial = [g.weight(directions, 2, 6), g.weight(directions, 2, 6)] if states else ["", ""]
    b = g.weight(directions, 48)
    results = g.nodes_of(
        "DynamicQuantizeLSTM",
        [x, w, r, b, "", *initial, "", w_scale, w_zero, r_scale, r_zero],
        3,
        domain="com.microsoft",
        hidden_size=6,
        direction=direction,
        activations=["Sigmoid", "Tanh", "Tanh"] * directions,
    )
    for result, steps in zip(results, ((4,), (), ()), strict=True):
        g.output(g.linear(g.declare(result, np.float32, *steps, directions, 2, 6), 2))
    prove(g.model(), [5, 6])


def test_scales_along_more_than_one_axis_freeze_what_they_scale() -> None:
    g = QuantizedGraph()
    weight, zero = g.store(np.ones((2, 3, 6)), np.int8), g.store(np.zeros((2, 1, 6)), np.int8)
    scale = g.store(np.ones((2, 1, 6)), np.float32)
    x = g.add("QLinearMatMul", g.quantize(g.input(2, 5, 3)), *g.unit(), weight, scale, zero, *g.unit())
    g.output(g.linear(g.linear(g.dequantize(x), 4), 2))
    found = traced(g.model(), [4])
    assert any("more than one axis" in reason for axis in found.uses[4].axes for reason in reasons(axis))


def test_an_lstm_whose_masked_units_would_not_rest_keeps_them() -> None:
    g = QuantizedGraph()
    x = g.linear(g.input(4, 2, 3), 5)
    w, r = g.integers(1, 5, 24, axis=0, symmetric=True), g.integers(1, 6, 24, axis=0, symmetric=True)
    names = ["Sigmoid", "Sigmoid", "Tanh"]
    g.nodes_of(
        "DynamicQuantizeLSTM",
        [x, w[0], r[0], "", "", "", "", "", *w[1:], *r[1:]],
        1,
        domain="com.microsoft",
        hidden_size=6,
        activations=names,
    )
    g.output(g.linear(x, 2))
    traced(g.model(), [])
