"""Network slimming: the scale of the normalization behind each unit."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, branchy, edit, plain, shared_scale, traced, values

from onnxprune.criteria import score
from onnxprune.model import Model
from onnxprune.tracing import trace


def by_name(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    found = traced(proto)
    saliency = score(found, "bn-scale", 0)
    return {found.names[dim]: saliency[dim] for dim in found.dims}


def test_it_is_the_absolute_scale() -> None:
    gamma = np.array([1, -2, 3, -4, 5, -6, 7, -8], np.float32)
    assert by_name(edit(plain(), "bn1.scale", lambda s: gamma))["conv1.weight[0]"].tolist() == list(range(1, 9))


def test_a_scale_that_an_identity_hands_on_counts() -> None:
    """Exporters store equal constants once and refer to them so."""
    proto = plain()
    proto.graph.node.insert(0, onnx.helper.make_node("Identity", ["bn1.scale"], ["shared"]))
    norm = next(node for node in proto.graph.node if node.op_type == "BatchNormalization")
    norm.input[1] = "shared"
    np.testing.assert_allclose(by_name(proto)["conv1.weight[0]"], values(plain())["bn1.scale"])


def test_units_behind_two_normalizations_get_the_mean() -> None:
    net = Net()
    branches = [net.bn(f"bn{n}", net.conv(f"conv{n}", "x", 8)) for n in (1, 2)]
    proto = net.model(net.head(net.node("Add", branches, "sum")))
    expected = (values(proto)["bn1.scale"] + values(proto)["bn2.scale"]) / 2
    np.testing.assert_allclose(by_name(proto)["conv1.weight[0]"], expected, rtol=1e-6)


def test_a_normalization_of_concatenated_dims_counts_for_each() -> None:
    net = Net()
    both = net.node("Concat", [net.conv("conv1", "x", 3), net.conv("conv2", "x", 5)], "concat", 8, axis=1)
    proto = net.model(net.head(net.bn("bn", both)))
    gamma, found = values(proto)["bn.scale"], by_name(proto)
    np.testing.assert_allclose(found["conv1.weight[0]"], gamma[:3])
    np.testing.assert_allclose(found["conv2.weight[0]"], gamma[3:])


def test_a_dim_without_normalization_has_its_l2_times_the_mean_scale() -> None:
    found = traced(plain())
    first, second = found.dims
    saliency = score(found, "bn-scale", 0)
    np.testing.assert_allclose(saliency[second], score(found, "l2", 0)[second] * saliency[first].mean())


@pytest.mark.parametrize("proto", [shared_scale(), edit(branchy(), "bn1.scale", np.ones_like)])
def test_scales_that_are_all_the_same_say_nothing(proto: onnx.ModelProto) -> None:
    found = traced(proto)
    slimming, l2 = score(found, "bn-scale", 0), score(found, "l2", 0)
    assert all(np.array_equal(slimming[dim], l2[dim]) for dim in found.dims)


def test_instance_normalization_counts() -> None:
    g = Graph()
    gamma = g.positive(6)
    g.finish(g.add("InstanceNormalization", g.conv(g.image(), 6), gamma, g.weight(6)))
    np.testing.assert_allclose(next(iter(by_name(g.model()).values())), values(g.model())[gamma])


def test_layer_normalization_counts_where_its_width_may_shrink() -> None:
    g = Graph()
    gamma = g.positive(6)
    x = g.add("LayerNormalization", g.linear(g.input(2, 5, 3), 6), gamma, g.weight(6), axis=-1)
    g.output(g.linear(x, 2))
    found = trace(Model(g.model()), allow_norm=True)
    np.testing.assert_allclose(score(found, "bn-scale", 0)[found.dims[0]], values(g.model())[gamma])
