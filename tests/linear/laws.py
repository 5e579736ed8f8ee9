"""What holds for every linear layer, held against what onnxruntime computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from graphs import Graph

from onnxprune.linear import Layer, layers
from onnxprune.model import Model
from onnxprune.runtime import Session


def only_layer(graph: Graph) -> Layer:
    """The one linear layer of a graph."""
    [found] = layers(model_of(graph))
    return found


def model_of(graph: Graph) -> Model:
    """A graph as a model; its last node gives the output, whose shape is left open."""
    if not graph.outputs:
        graph.output(next(name for name in graph.nodes[-1].output if name))
    proto = graph.model()
    for info in proto.graph.output:
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
        info.type.tensor_type.ClearField("shape")
    return Model(proto)


def feeds_of(model: Model, **lengths: int) -> dict[str, Any]:
    """Random values for every input; `lengths` are those of its open axes."""
    rng = np.random.default_rng(0)
    infos = [(info.name, info.type.tensor_type.shape.dim) for info in model.proto.graph.input]
    shapes = {name: [dim.dim_value or lengths[dim.dim_param] for dim in dims] for name, dims in infos}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def values_of(layer: Layer, feeds: Mapping[str, Any]) -> tuple[Any, Any]:
    """What onnxruntime computes for the input and the output of a layer."""
    computed = [name for name in (layer.x, layer.y) if name not in feeds]
    values = (
        dict(feeds) | dict(zip(computed, Session(layer.model, computed).run(feeds), strict=True)) if computed else feeds
    )
    return values[layer.x], values[layer.y]


def stored(layer: Layer, key: Any) -> Any:
    """A constant of the layer's model."""
    return layer.model.array(layer.model.constants[key])


def check_equation(layer: Layer, feeds: Mapping[str, Any] | None = None) -> None:
    """inputs x matrix + bias = outputs, for all rows and for some; and a matrix goes back into the stored layout."""
    x, y = values_of(layer, feeds_of(layer.model) if feeds is None else feeds)
    weight = stored(layer, layer.weight)
    matrix = layer.matrix(weight)
    assert matrix.shape == layer.matrix_shape
    assert np.array_equal(layer.stored(matrix, weight), weight)
    bias = 0 if layer.bias is None else layer.biases(stored(layer, layer.bias))[:, None]
    count = layer.rows(y)
    assert count * matrix.shape[0] * matrix.shape[2] == y.size or layer.y == layer.x
    every, some = np.arange(count), np.arange(count)[1::3]
    inputs, outputs = layer.inputs(x, every), layer.outputs(y, every)
    assert inputs.shape == (matrix.shape[0], count, matrix.shape[1])
    np.testing.assert_allclose(inputs @ matrix + bias, outputs, rtol=1e-4, atol=1e-5)
    assert np.array_equal(layer.inputs(x, some), inputs[:, some])
    assert np.array_equal(layer.outputs(y, some), outputs[:, some])


def check_bias_change(layer: Layer) -> None:
    """A change of the bias changes the outputs by just that."""
    assert layer.bias is not None
    groups, _, outs = layer.matrix_shape
    change = np.random.default_rng(1).normal(size=(groups, outs)).astype(np.float32)
    bias = stored(layer, layer.bias)
    changed = layer.biased(bias, change)
    assert changed.shape == bias.shape and changed.dtype == bias.dtype
    np.testing.assert_allclose(layer.biases(changed), layer.biases(bias) + change, rtol=1e-5, atol=1e-6)
    assert not layer.biases(layer.no_bias()).any() and layer.no_bias().size == bias.size


def in_constant_nodes(model: Model) -> Model:
    """The same model with every initializer in a Constant node."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    nodes = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in proto.graph.initializer]
    nodes.extend(proto.graph.node)
    del proto.graph.node[:], proto.graph.initializer[:]
    proto.graph.node.extend(nodes)
    return Model(proto)
