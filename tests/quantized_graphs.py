"""Small quantized graphs for tests: the builder of `graphs`, with quantized weights and activations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
from graphs import Graph
from numpy.typing import NDArray
from onnx import helper, numpy_helper

MICROSOFT = "com.microsoft"
SCALE = 1 / 32
"""The scale of every activation: values near 1 use a good part of 8 bits."""


class QuantizedGraph(Graph):
    """A graph under construction with integer weights."""

    def __init__(self, opset: int = 17, dtype: Any = np.uint8, seed: int = 0) -> None:
        super().__init__(opset, seed)
        self.domains[MICROSOFT] = 1
        self.dtype = np.dtype(dtype)
        self.zero_point = 120 if self.dtype == np.uint8 else 3

    def contrib(self, op_type: str, *given: str, **attributes: Any) -> str:
        """A node of one of onnxruntime's own operators."""
        return self.nodes_of(op_type, given, 1, domain=MICROSOFT, **attributes)[0]

    def unit(self, scale: float = SCALE) -> tuple[str, str]:
        """The scale and zero point of an activation."""
        return self.store(scale, np.float32), self.store(self.zero_point, self.dtype)

    def quantize(self, x: str) -> str:
        """An activation as integers."""
        return self.add("QuantizeLinear", x, *self.unit())

    def dequantize(self, x: str) -> str:
        """An integer activation as real numbers."""
        return self.add("DequantizeLinear", x, *self.unit())

    def rounded(self, x: str) -> str:
        """An activation through a pair of QuantizeLinear and DequantizeLinear that share their unit."""
        unit = self.unit()
        return self.add("DequantizeLinear", self.add("QuantizeLinear", x, *unit), *unit)

    def integers(
        self, *shape: int, axis: int | None = None, fan_in: int = 1, symmetric: bool = False
    ) -> tuple[str, str, str]:
        """A random weight in int8, its scale and its zero point: one for all, or one per position of `axis`."""
        real = self.random(*shape, fan_in=fan_in)
        others = None if axis is None else tuple(place for place in range(len(shape)) if place != axis)
        largest = np.abs(real).max(axis=others, keepdims=True)
        zero = np.zeros(largest.shape) if symmetric else self.rng.integers(-9, 10, largest.shape)
        values = np.clip(np.round(real / largest * 110) + zero, -128, 127)
        flat = () if axis is None else (-1,)
        scale, zero = (largest / 110).reshape(flat), zero.reshape(flat)
        return self.store(values, np.int8), self.store(scale, np.float32), self.store(zero, np.int8)

    def dequantized(self, *shape: int, axis: int | None = None, fan_in: int = 1) -> str:
        """A random weight behind a DequantizeLinear."""
        attributes = {} if axis is None else {"axis": axis}
        return self.add("DequantizeLinear", *self.integers(*shape, axis=axis, fan_in=fan_in), **attributes)

    def bias(self, size: int) -> str:
        """A random bias in int32, in units of 1 / 4096."""
        return self.store(self.random(size) * 1024, np.int32)

    def dequantized_bias(self, size: int) -> str:
        """A random bias in int32 behind a DequantizeLinear with a scale per channel."""
        return self.add("DequantizeLinear", self.bias(size), self.store(np.full(size, 1 / 4096), np.float32), axis=0)

    def qdq_conv(self, x: str, channels: int, kernel: int = 1, group: int = 1, axis: int | None = 0) -> str:
        """A rounded convolution, whose weight and bias are integers, of a rounded activation."""
        given = self.shape(x)[1] // group
        weight = self.dequantized(channels, given, kernel, kernel, axis=axis, fan_in=given * kernel**2)
        pads = [kernel // 2] * 4
        return self.rounded(self.add("Conv", x, weight, self.dequantized_bias(channels), pads=pads, group=group))

    def qlinear_conv(self, x: str, given: int, channels: int, kernel: int = 1, group: int = 1) -> str:
        """A convolution of integers to integers."""
        fan_in = given // group * kernel**2
        weight = self.integers(channels, given // group, kernel, kernel, axis=0, fan_in=fan_in, symmetric=True)
        # onnxruntime takes a single zero point of W.
        weight = (*weight[:2], self.store(0, np.int8))
        pads = [kernel // 2] * 4
        inputs = (x, *self.unit(), *weight, *self.unit(), self.bias(channels))
        return self.add("QLinearConv", *inputs, pads=pads, group=group)

    def declare(self, name: str, dtype: Any, *shape: int) -> str:
        """Say what a tensor is that onnx cannot infer."""
        elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.declared.append(helper.make_tensor_value_info(name, elem_type, shape))
        return name


def packed(values: NDArray[Any], data_type: int, name: str) -> onnx.TensorProto:
    """A stored tensor of a type that packs several values into a byte."""
    return helper.make_tensor(name, data_type, values.shape, values.ravel().tolist())


def stored(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """The initializers of a model by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def nibbles(rng: np.random.Generator, *shape: int) -> NDArray[Any]:
    """Bytes of two random numbers of 4 bits each."""
    return rng.integers(0, 256, shape).astype(np.uint8)


def halves(size: int) -> int:
    """How many bytes that many numbers of 4 bits take."""
    return math.ceil(size / 2)
