"""Nodes: which are alike, also across models, and what their time is made of at any widths."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, branchy, plain, random_net
from onnx import TensorProto, helper, numpy_helper
from random_graphs import NORMS, STEPS, drawn, grow, openings

from onnxprune.axes import Dim
from onnxprune.cost import cost_of
from onnxprune.latency.nodes import Node, nodes_of
from onnxprune.model import Model
from onnxprune.tracing import trace

networks = st.builds(
    random_net, st.integers(0, 9), st.lists(st.integers(2, 12), min_size=2, max_size=4), st.booleans()
) | st.sampled_from([plain(), branchy()])
graphs = st.builds(grow, openings, drawn([*STEPS, *NORMS]))


def nodes(proto: onnx.ModelProto, **shapes: tuple[int, ...]) -> list[Node]:
    found = trace(Model(proto))
    return list(nodes_of(found, cost_of(found, shapes or None).symbols))


def signatures(proto: onnx.ModelProto, **shapes: tuple[int, ...]) -> dict[str, str]:
    return {node.output: node.signature for node in nodes(proto, **shapes)}


def chain(*widths: int, side: int = 5, batch: int = 2, kernel: int = 3, **attributes: Any) -> onnx.ModelProto:
    """Layers `conv0`, `conv1` .. with a rectifier between, and a head; the convolutions have more attributes."""
    net = Net(side=side, batch=batch)
    x = "x"
    for n, width in enumerate(widths):
        x = net.relu(net.conv(f"conv{n}", x, width, kernel))
        net.nodes[-2].attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return net.model(net.head(x))


# Alike


def test_layers_of_the_same_shapes_are_alike() -> None:
    found = signatures(chain(8, 8, 8, 8))
    assert found["conv1"] == found["conv2"]
    assert found["conv1.relu"] == found["conv2.relu"]
    assert len({found[name] for name in ("conv0", "conv1", "conv1.relu", "fc")}) == 4


def test_nodes_are_alike_in_another_model_with_other_names_and_weights() -> None:
    first, second = signatures(chain(8, 8, 8)), chain(8, 8, 8, 8)
    for node in second.graph.node:
        for values in (node.input, node.output):
            values[:] = [f"other.{name}" if name.startswith("conv") else name for name in values]
    for tensor in second.graph.initializer:
        if tensor.name.startswith("conv"):
            tensor.CopyFrom(numpy_helper.from_array(2 * numpy_helper.to_array(tensor), f"other.{tensor.name}"))
    assert signatures(second)["other.conv1"] == first["conv1"]


@pytest.mark.parametrize(
    "other",
    [
        chain(8, 12, 8),
        chain(12, 8, 8),
        chain(8, 8, 8, side=7),
        chain(8, 8, 8, batch=1),
        chain(8, 8, 8, dilations=[1, 1]),
        chain(8, 8, 8, kernel=1),
    ],
    ids=["outputs", "inputs", "positions", "batch", "an attribute", "the kernel"],
)
def test_other_shapes_or_attributes_make_another_node(other: onnx.ModelProto) -> None:
    assert signatures(other)["conv1"] != signatures(chain(8, 8, 8))["conv1"]


def of_type(dtype: int) -> onnx.ModelProto:
    g = Graph()
    x = g.add("Cast", g.input(2, 8), to=dtype)
    for features in (8, 8):
        weight = numpy_helper.from_array(np.ones((8, features), helper.tensor_dtype_to_np_dtype(dtype)), g.weight(1))
        g.stored[-1].CopyFrom(weight)
        x = g.add("MatMul", x, weight.name)
    g.output(x)
    return g.model()


def test_the_type_of_numbers_makes_another_node() -> None:
    def products(dtype: int) -> set[str]:
        return {node.signature for node in nodes(of_type(dtype)) if node.operator == "MatMul"}

    assert not products(TensorProto.FLOAT) & products(TensorProto.DOUBLE)


def test_a_stored_operand_makes_another_node_than_a_computed_one() -> None:
    g = Graph()
    x, y = g.input(4, 4), g.input(4, 4)
    g.output(g.add("Relu", g.add("MatMul", x, y)), g.add("Relu", g.add("MatMul", x, g.weight(4, 4))))
    computed, stored = (node for node in nodes(g.model()) if node.operator == "MatMul")
    assert computed.signature != stored.signature


def test_what_reads_a_result_makes_another_node_since_it_may_be_fused() -> None:
    g = Graph()
    x = g.input(2, 8)
    first = g.linear(x, 8)
    second = g.add("Relu", g.linear(x, 8))
    g.output(first, second)
    found = [node.signature for node in nodes(g.model()) if node.operator == "MatMul"]
    assert found[0] != found[1]


def test_dims_at_other_places_make_another_node() -> None:
    """Two sums of the same shapes: in one of them the operands share their dim."""
    g = Graph()
    x = g.conv(g.image(), 8)
    shared = g.add("Add", g.add("Relu", x), g.add("Abs", x))
    g.finish(shared)
    one = [node for node in nodes(g.model()) if node.operator == "Add"]
    g = Graph()
    image = g.image(channels=8)
    g.finish(g.add("Add", g.add("Relu", image), g.add("Abs", image)))
    other = [node for node in nodes(g.model()) if node.operator == "Add"]
    assert one[0].signature != other[0].signature
    assert (len(one[0].dims), len(other[0].dims)) == (1, 0)


def branches(then: str) -> onnx.ModelProto:
    """An If whose branches do something to what is around it."""
    g = Graph()
    x = g.conv(g.image(), 4)
    bodies = {}
    for name, op in (("then_branch", then), ("else_branch", "Neg")):
        out = helper.make_tensor_value_info(name, TensorProto.FLOAT, g.shape(x))
        bodies[name] = helper.make_graph([helper.make_node(op, [x], [name])], name, [], [out])
    chosen = g.add("If", g.input(dtype=TensorProto.BOOL), **bodies)
    g.declared.append(helper.make_tensor_value_info(chosen, TensorProto.FLOAT, g.shape(x)))
    g.output(chosen)
    return g.model()


def test_other_bodies_make_another_node() -> None:
    def of(proto: onnx.ModelProto) -> str:
        return next(node.signature for node in nodes(proto) if node.operator == "If")

    assert of(branches("Relu")) == of(branches("Relu")) != of(branches("Exp"))


# Open sizes


def open_batch(channels: int = 8) -> onnx.ModelProto:
    net = Net(batch="N")
    return net.model(net.head(net.relu(net.conv("conv", "x", channels, 3))))


def test_open_sizes_are_what_the_inputs_are_given() -> None:
    one, four = (signatures(open_batch(), x=(n, 3, 5, 5)) for n in (1, 4))
    assert all(one[name] != four[name] for name in one)


def test_a_node_of_a_size_that_nobody_knows_is_alike_only_at_the_same_inputs() -> None:
    """What is behind NonZero depends on values; but more inputs give more of it."""
    g = Graph()
    x = g.input("N", 8)
    g.output(g.add("Abs", g.add("Cast", g.add("NonZero", x), to=TensorProto.FLOAT)))
    g.output(g.linear(x, 4))
    proto = g.model()
    name = proto.graph.input[0].name
    few, many = (signatures(proto, **{name: (n, 8)}) for n in (1, 64))
    assert few == signatures(proto, **{name: (1, 8)})
    assert all(few[output] != many[output] for output in few)


# What the time is made of


def features(node: Node, widths: Any, block: int) -> np.ndarray:
    return node.features(node.lengths(widths), block)


@settings(deadline=None, max_examples=25)
@given(networks | graphs, st.integers(0, 999), st.sampled_from([1, 8, 16]))
def test_features_of_many_widths_at_once_are_those_of_each(proto: onnx.ModelProto, seed: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    for node in nodes(proto):
        many = {dim: rng.integers(1, dim.size + 1, 5) for dim in node.dims}
        lengths = node.lengths(many)
        rows = np.broadcast_to(node.features(lengths, block), (5, features(node, {}, block).shape[-1]))
        aside = np.broadcast_to(node.is_unaligned(lengths), 5)
        for place in range(5):
            one = {dim: int(widths[place]) for dim, widths in many.items()}
            assert rows[place].tolist() == features(node, one, block).tolist()
            assert bool(aside[place]) == bool(node.is_unaligned(node.lengths(one)))


def conv1() -> Node:
    return next(node for node in nodes(chain(16, 24)) if node.output == "conv1")


def test_features_by_hand() -> None:
    node, positions = conv1(), 2 * 5 * 5
    ins, outs = node.dims
    assert (ins.size, outs.size) == (16, 24)
    products, values = positions * 24 * 16 * 9, positions * (16 + 24)
    assert features(node, {}, 8).tolist() == [1, products, values, products, values]


def test_features_round_axes_up_to_whole_blocks_and_have_the_exact_ones_too() -> None:
    node, positions = conv1(), 2 * 5 * 5
    ins, outs = node.dims
    constant, products, _, exact, _ = features(node, {ins: 9, outs: 17}, 8)
    assert constant == 1
    assert products == positions * 24 * 16 * 9
    assert exact == positions * 17 * 9 * 9


@pytest.mark.parametrize(("kept", "unaligned"), [((16, 24), False), ((12, 20), False), ((16, 23), True)])
def test_widths_that_are_no_multiple_of_four_are_unaligned(kept: tuple[int, int], unaligned: bool) -> None:
    node = conv1()
    assert bool(node.is_unaligned(node.lengths(dict(zip(node.dims, kept, strict=True))))) == unaligned


def test_a_node_without_dims_is_never_unaligned() -> None:
    g = Graph()
    g.output(g.add("Relu", g.image(channels=3)))
    (node,) = nodes(g.model())
    assert node.dims == () and not node.is_unaligned(node.lengths({}))


@settings(deadline=None, max_examples=20)
@given(networks | graphs)
def test_every_node_of_the_main_graph_but_constants_is_listed_by_its_output(proto: onnx.ModelProto) -> None:
    expected = [node.output[0] for node in proto.graph.node if node.op_type != "Constant"]
    assert [node.output for node in nodes(proto)] == expected


@settings(deadline=None, max_examples=20)
@given(networks | graphs)
def test_alike_nodes_have_as_many_dims_of_the_same_sizes(proto: onnx.ModelProto) -> None:
    seen: dict[str, list[int]] = {}
    for node in nodes(proto):
        sizes = [dim.size for dim in node.dims]
        assert seen.setdefault(node.signature, sizes) == sizes


def test_dims_that_a_node_does_not_have_do_not_matter_to_it() -> None:
    node, other = conv1(), Dim(99_999, 7)
    assert features(node, {other: 3}, 8).tolist() == features(node, {}, 8).tolist()
