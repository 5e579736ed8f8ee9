"""Norms and means whose units may be removed: what they give stays what it was with those units zero."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from onnx import TensorProto, numpy_helper
from pruning import prune_and_check, random_masks

from onnxprune.apply import Changes, apply_masks
from onnxprune.model import Model
from onnxprune.tracing import Trace, trace

EPSILON = 0.5
"""So large that a wrong one is seen."""


def normalized(g: Graph, x: str, scale: str, **attributes: float) -> str:
    return g.add("RMSNormalization", x, scale, **attributes)


def one_norm(**attributes: float) -> onnx.ModelProto:
    """x W -> RMS norm -> a last layer."""
    g = Graph(opset=23)
    x = normalized(g, g.linear(g.input(4, 3), 6), g.positive(6), **attributes)
    g.output(g.linear(x, 2))
    return g.model()


def two_norms_of_one_scale() -> onnx.ModelProto:
    g = Graph(opset=23)
    scale = g.positive(6)
    x = normalized(g, g.linear(g.input(4, 3), 6), scale, epsilon=EPSILON)
    x = normalized(g, g.add("Relu", x), scale, epsilon=EPSILON)
    g.output(g.linear(x, 2))
    return g.model()


def computed_scale() -> onnx.ModelProto:
    g = Graph(opset=23)
    scale = g.add("Abs", g.weight(6))
    x = normalized(g, g.linear(g.input(4, 3), 6), scale, epsilon=EPSILON)
    g.output(g.linear(x, 2))
    return g.model()


def mean_of_channels(*axes: int) -> onnx.ModelProto:
    """Channels times a gate of their mean."""
    g = Graph(opset=13)
    x = g.conv(g.image(), 6)
    g.finish(g.add("Mul", x, g.add("Sigmoid", g.add("ReduceMean", x, axes=axes))))
    return g.model()


def mean_of_doubles() -> onnx.ModelProto:
    g = Graph(opset=13)
    x = g.add("Cast", g.conv(g.image(), 6), to=TensorProto.DOUBLE)
    mean = g.add("Cast", g.add("ReduceMean", x, axes=[1]), to=TensorProto.FLOAT)
    g.output(g.add("Relu", mean))
    return g.model()


def norm_behind_others() -> onnx.ModelProto:
    """A norm that is no RMS norm and one whose width stays come first."""
    g = Graph(opset=23)
    x = normalized(g, g.input(4, 3), g.positive(3), epsilon=EPSILON)
    y = g.add("LayerNormalization", g.linear(x, 5), g.positive(5), g.weight(5), epsilon=EPSILON)
    z = normalized(g, g.linear(g.add("Relu", y), 6), g.positive(6), epsilon=EPSILON)
    g.output(g.linear(z, 2))
    return g.model()


def traced(proto: onnx.ModelProto) -> Trace:
    return trace(Model(proto), allow_norm=True)


def pruned(proto: onnx.ModelProto, seed: int = 0) -> tuple[onnx.ModelProto, Changes]:
    found = traced(proto)
    model, changes = apply_masks(found, random_masks(found, seed))
    return model.proto, changes


MODELS = {
    "epsilon given": one_norm(epsilon=EPSILON),
    "epsilon by default": one_norm(),
    "one scale for two": two_norms_of_one_scale(),
    "computed scale": computed_scale(),
    "mean of channels": mean_of_channels(1),
    "mean of channels and positions": mean_of_channels(1, 2, 3),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_the_result_is_that_of_the_model_with_the_removed_units_zero(name: str, seed: int) -> None:
    found = traced(MODELS[name])
    assert [dim.size for dim in found.dims] == [6]
    _, result = prune_and_check(found, random_masks(found, seed))
    assert result.verdict == "proved"


@pytest.mark.parametrize("name", MODELS)
def test_without_permission_the_units_stay(name: str) -> None:
    assert trace(Model(MODELS[name])).dims == ()


def test_the_scale_of_one_norm_takes_the_factor_and_nothing_is_added() -> None:
    dense = MODELS["epsilon given"]
    found = traced(dense)
    (dim,) = found.dims
    model, changes = apply_masks(found, {dim: np.arange(6) < 3})
    (norm,) = [node for node in model.proto.graph.node if node.op_type == "RMSNormalization"]
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    before = numpy_helper.to_array(next(t for t in dense.graph.initializer if t.name == norm.input[1]))
    np.testing.assert_allclose(scales[norm.input[1]], before[:3] * np.sqrt(2), rtol=1e-6)
    assert {a.name: a.f for a in norm.attribute} == {"epsilon": pytest.approx(2 * EPSILON)}
    assert (changes.recovered, changes.added) == ([norm.input[1]], [])
    assert [node.op_type for node in model.proto.graph.node] == [node.op_type for node in dense.graph.node]


def test_an_absent_epsilon_is_given() -> None:
    proto, _ = pruned(MODELS["epsilon by default"])
    (norm,) = [node for node in proto.graph.node if node.op_type == "RMSNormalization"]
    (epsilon,) = norm.attribute
    assert epsilon.name == "epsilon" and epsilon.f > 1e-5


@pytest.mark.parametrize(
    ("name", "factors"), [("one scale for two", 2), ("computed scale", 1), ("mean of channels", 1)]
)
def test_what_cannot_take_the_factor_is_multiplied(name: str, factors: int) -> None:
    proto, changes = pruned(MODELS[name])
    added = [node.name for node in proto.graph.node if node.name in changes.added]
    assert len(added) == factors and changes.recovered == []


def test_the_factor_has_the_type_of_what_it_multiplies() -> None:
    proto, changes = pruned(mean_of_doubles())
    onnx.checker.check_model(proto, full_check=True)
    assert len(changes.added) == 1


def test_norms_before_one_that_shrinks_do_not_hide_it() -> None:
    found = traced(norm_behind_others())
    dim = next(dim for dim in found.dims if dim.size == 6)
    _, result = prune_and_check(found, {dim: np.arange(6) < 2})
    assert result.verdict == "proved"


def test_a_norm_over_more_than_one_axis_keeps_them_all() -> None:
    g = Graph(opset=23)
    x = g.linear(g.input(4, 3, 3), 6)
    g.output(g.add("LayerNormalization", x, g.positive(3, 6), g.weight(3, 6), axis=-2))
    g.finish(g.image(), hidden=5)
    assert [dim.size for dim in traced(g.model()).dims] == [5]
