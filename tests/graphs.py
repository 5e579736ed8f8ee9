"""Small ONNX graphs for tests: a builder whose methods add one node each and return the name of its output.

Weights are random float32 from a seeded generator, scaled so that values stay near 1 through a few layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

IR_VERSION = 8


class Graph:
    """One graph under construction."""

    def __init__(self, opset: int = 17, seed: int = 0) -> None:
        self.opset = opset
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.declared: list[onnx.ValueInfoProto] = []
        self.stored: list[onnx.TensorProto] = []
        self.domains: dict[str, int] = {"": opset}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._count = 0

    def _new(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    # What goes in

    def input(self, *shape: int | str, dtype: int = TensorProto.FLOAT) -> str:
        """A graph input."""
        name = self._new("input")
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def image(self, channels: int = 3, side: int = 6, batch: int = 2) -> str:
        """A graph input of shape [batch, channels, side, side]."""
        return self.input(batch, channels, side, side)

    def store(self, values: Any, dtype: Any = None) -> str:
        """An initializer that holds `values`."""
        name = self._new("stored")
        self.stored.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        """A one-dimensional int64 initializer."""
        return self.store(values, np.int64)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        """The output of a Constant node."""
        return self.add("Constant", value=numpy_helper.from_array(np.asarray(values, dtype)))

    def random(self, *shape: int, fan_in: int = 1) -> np.ndarray:
        """Random values, none of which is close to zero."""
        values = self.rng.uniform(0.4, 1.6, shape) * self.rng.choice([-1, 1], shape)
        return (values / math.sqrt(fan_in)).astype(np.float32)

    def weight(self, *shape: int, fan_in: int = 1) -> str:
        """A random initializer."""
        return self.store(self.random(*shape, fan_in=fan_in))

    def positive(self, *shape: int) -> str:
        """An initializer of values between 0.5 and 1.5."""
        return self.store(self.rng.uniform(0.5, 1.5, shape), np.float32)

    # Nodes

    def nodes_of(
        self, op_type: str, inputs: Sequence[str], count: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node with `count` outputs and return their names."""
        names = [self._new(op_type.lower()) for _ in range(count)]
        self.nodes.append(helper.make_node(op_type, inputs, names, name=names[0], domain=domain, **attributes))
        return names

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        return self.nodes_of(op_type, inputs, 1, **attributes)[0]

    def unknown(self, *inputs: str, shape: Sequence[int]) -> str:
        """Add a node of a custom domain that nobody knows; its output has `shape`."""
        self.domains["acme"] = 1
        name = self.add("Frobnicate", *inputs, domain="acme")
        self.declared.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def conv(self, x: str, channels: int, kernel: int = 1, group: int = 1, bias: bool = True, **attributes: Any) -> str:
        """A convolution to `channels` channels, padded to keep the positions unless `attributes` say otherwise."""
        given, *positions = self.shape(x)[1:]
        taps = [kernel] * len(positions)
        w = self.weight(channels, given // group, *taps, fan_in=given // group * math.prod(taps))
        attributes = {"pads": [kernel // 2] * 2 * len(positions), **attributes}
        if group > 1:
            attributes["group"] = group
        return self.add("Conv", x, w, *([self.weight(channels)] if bias else []), kernel_shape=taps, **attributes)

    def gemm(self, x: str, features: int, bias: bool = True) -> str:
        """A fully connected layer of a two-dimensional `x`."""
        given = self.shape(x)[1]
        w = self.weight(features, given, fan_in=given)
        return self.add("Gemm", x, w, *([self.weight(features)] if bias else []), transB=1)

    def linear(self, x: str, features: int) -> str:
        """A matrix product of the last axis of `x` with a weight."""
        given = self.shape(x)[-1]
        return self.add("MatMul", x, self.weight(given, features, fan_in=given))

    def batch_norm(self, x: str) -> str:
        """Batch normalization with random statistics."""
        c = self.shape(x)[1]
        parameters = [self.positive(c), self.weight(c), self.weight(c), self.positive(c)]
        return self.add("BatchNormalization", x, *parameters)

    def reshape(self, x: str, *shape: int) -> str:
        """A reshape to numbers."""
        return self.add("Reshape", x, self.ints(*shape))

    def transpose(self, x: str, *perm: int) -> str:
        """A transpose."""
        return self.add("Transpose", x, perm=perm)

    def split(self, x: str, *lengths: int, axis: int = 1) -> list[str]:
        """A split into parts of these lengths (from opset 13 on)."""
        return self.nodes_of("Split", [x, self.ints(*lengths)], len(lengths), axis=axis)

    def slice(self, x: str, start: int, end: int, axis: int = 1, step: int = 1) -> str:
        """A range of one axis (from opset 10 on)."""
        return self.add("Slice", x, self.ints(start), self.ints(end), self.ints(axis), self.ints(step))

    def squeeze_excite(self, x: str, hidden: int) -> str:
        """Scale the channels of `x` by a gate made of their means."""
        gate = self.conv(self.add("GlobalAveragePool", x), hidden)
        gate = self.conv(self.add("Relu", gate), self.shape(x)[1])
        return self.add("Mul", x, self.add("Sigmoid", gate))

    def size_of(self, x: str, axis: int) -> str:
        """The size of one axis as a vector of one number, computed in the graph."""
        return self.add("Gather", self.add("Shape", x), self.ints(axis))

    # What comes out

    def output(self, *names: str) -> None:
        """Declare graph outputs."""
        self.outputs.extend(onnx.ValueInfoProto(name=name) for name in names)

    def finish(self, x: str, hidden: int = 0) -> None:
        """Consume the channels (axis 1) of `x` with a last layer; with `hidden`, after one more layer of that width."""
        layer = self.gemm if len(self.shape(x)) == 2 else self.conv
        if hidden:
            x = self.add("Relu", layer(x, hidden))
        self.output(layer(x, 2))

    def shape(self, name: str) -> tuple[int, ...]:
        """The inferred shape of a tensor."""
        if name not in self._shapes:
            self._infer()
        if name not in self._shapes:
            self._declare_functions()
            self._infer()
        return self._shapes[name]

    def _infer(self) -> None:
        inferred = shape_inference.infer_shapes(self._proto([]), data_prop=True).graph
        for info in (*inferred.input, *inferred.value_info):
            if info.type.tensor_type.HasField("shape"):
                self._shapes[info.name] = tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
        self._shapes.update({tensor.name: tuple(tensor.dims) for tensor in self.stored})

    def _declare_functions(self) -> None:
        """Declare what onnx does not infer: normalizations that it knows only as functions keep the shape."""
        for node in self.nodes:
            if node.op_type in ("GroupNormalization", "MeanVarianceNormalization"):
                shape = self._shapes[node.input[0]]
                self.declared.append(helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, shape))

    def model(self) -> onnx.ModelProto:
        """The finished model, with the types and shapes of its outputs."""
        inferred = shape_inference.infer_shapes(self._proto(self.outputs), data_prop=True).graph.output
        return self._proto(list(inferred))

    def _proto(self, outputs: Sequence[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "small", self.inputs, outputs, initializer=self.stored, value_info=self.declared
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in self.domains.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION)
