"""Parts of a model: which nodes they hold, what has to be fed, and that they compute the same."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import onnx
import pytest
from graphs import Graph
from onnx import TensorProto, helper
from stage_graphs import control_flow, feeds_of, typed

from onnxprune.calibrate.parts import Parts
from onnxprune.runtime import Session, run


def parts_of(proto: onnx.ModelProto, **options: Any) -> Parts:
    return Parts(*typed(proto), **options)


def names(parts: Parts, nodes: list[int]) -> list[str]:
    return [parts.model.proto.graph.node[index].output[0] for index in nodes]


def test_the_fewest_nodes_are_taken() -> None:
    parts = parts_of(networks.branchy())
    assert names(parts, parts.between({"x"}, ["conv2"])) == ["conv1", "bn1", "bn1.relu", "conv2"]
    assert names(parts, parts.between({"bn1.relu", "x"}, ["sum"])) == ["conv2", "sum"]
    assert names(parts, parts.between({"sum", "mix.relu"}, ["depthwise", "from_right"])) == [
        "depthwise",
        "left",
        "from_right",
    ]
    assert parts.between({"sum"}, ["sum"]) == []


def test_what_is_known_hides_what_made_it() -> None:
    parts = parts_of(networks.plain())
    assert names(parts, parts.between({"conv1", "x"}, ["conv2"])) == ["bn1", "bn1.relu", "conv2"]


def test_a_part_holds_no_more_than_it_needs() -> None:
    parts = parts_of(networks.branchy())
    part, inputs = parts.part(parts.between({"bn1.relu"}, ["sum"]), ["sum"])
    assert inputs == ["bn1.relu"] and [info.name for info in part.proto.graph.input] == inputs
    assert [tensor.name for tensor in part.proto.graph.initializer] == ["conv2.weight", "conv2.bias"]
    assert [info.name for info in part.proto.graph.output] == ["sum"]


def test_parts_one_after_the_other_compute_the_same() -> None:
    parts = parts_of(networks.branchy())
    feeds = feeds_of(parts.model)
    known = ["bn1.relu", "concat"]
    first, _ = parts.part(parts.between(feeds, known), known)
    middle = dict(zip(known, run(first, feeds), strict=True))
    second, inputs = parts.part(parts.between(known, ["fc", "conv2"]), ["fc", "conv2"])
    assert set(inputs) == set(known)
    whole = run(parts.model, feeds, ["fc", "conv2"])
    for found, expected in zip(Session(second).run(middle), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_bodies_are_fed_what_they_read_from_outside() -> None:
    parts = parts_of(control_flow())
    [index] = [index for index, node in enumerate(parts.model.proto.graph.node) if node.op_type == "If"]
    part, inputs = parts.part([index], [parts.model.proto.graph.node[index].output[0]])
    assert inputs == ["condition", "left", "right"]
    assert [tensor.name for tensor in part.proto.graph.initializer] == ["scale"]


def test_inputs_have_the_types_that_are_known() -> None:
    g = Graph()
    x = g.input(2, 3, dtype=TensorProto.INT64)
    same = g.add("Identity", x)
    g.output(g.add("Gather", g.weight(9, 4), same))
    parts = parts_of(g.model())
    part, _ = parts.part([1], [g.nodes[1].output[0]])
    assert part.proto.graph.input[0].type.tensor_type.elem_type == TensorProto.INT64


def test_before_ir_4_initializers_are_inputs_too() -> None:
    parts = parts_of(networks.shared_scale(ir=3))
    part, inputs = parts.part(parts.between({"x"}, ["conv1"]), ["conv1"])
    assert inputs == ["x"]
    assert [info.name for info in part.proto.graph.input] == ["x", "conv1.weight", "conv1.bias"]
    assert run(part, feeds_of(parts.model))[0].shape == (2, 8, 5, 5)


@pytest.mark.parametrize("fed", [(), ("weight",)])
def test_an_initializer_that_is_fed_is_an_input(fed: tuple[str, ...]) -> None:
    g = Graph()
    y = g.add("MatMul", g.input(2, 5), "weight")
    g.stored.append(helper.make_tensor("weight", TensorProto.FLOAT, [5, 4], np.ones(20)))
    g.inputs.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [5, 4]))
    g.output(y)
    parts = parts_of(g.model(), fed=fed)
    part, inputs = parts.part([0], [y])
    assert inputs == ["input_1", *fed] and len(part.proto.graph.initializer) == 1 - len(fed)


def test_constants_are_what_follows_from_stored_numbers() -> None:
    g = Graph()
    product = g.add("Mul", g.constant(2.0), g.add("Identity", g.weight(3)))
    chance = g.add("RandomNormal", shape=[3])
    x, both = g.input(3), g.add("Mul", product, g.add("Add", product, chance))
    g.output(g.add("Add", x, both))
    parts = parts_of(g.model())
    assert parts.constant == {*g.nodes[0].output, *g.nodes[1].output, product}
    assert parts.cut({x}, range(3)) == [x]
    assert parts.cut({x}, range(4)) == sorted([x, chance])
    assert parts.cut({x}, range(len(g.nodes) - 1)) == sorted([x, both])


def test_the_cut_is_what_is_still_read() -> None:
    parts = parts_of(networks.branchy())
    done = parts.between({"x"}, ["conv2"])
    assert parts.cut({"x"}, done) == ["bn1.relu", "conv2"]
    assert parts.cut({"x"}, []) == ["x"]
