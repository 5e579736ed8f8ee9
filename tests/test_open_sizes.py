"""Sizes that tracing cannot follow are taken from a run, unless the run might never end."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from onnx import TensorProto, helper

from onnxprune import open_sizes
from onnxprune.cost import cost_of
from onnxprune.model import Model
from onnxprune.tracing import trace

SIDE, CHANNELS = 10, 4


def scaled_by_floats(loop: bool = False) -> onnx.ModelProto:
    """An image is scaled by 0.7 in floating point, as detectors do, before it reaches a convolution of 3x3."""
    g = Graph()
    x = g.input(1, 3, SIDE, SIDE)
    sides = g.add("Cast", g.add("Slice", g.add("Shape", x), g.ints(2), g.ints(4)), to=TensorProto.FLOAT)
    smaller = g.add("Floor", g.add("Mul", sides, g.store(np.float32(0.7))))
    sizes = g.add("Concat", g.ints(1, 3), g.add("Cast", smaller, to=TensorProto.INT64), axis=0)
    scaled = g.add("Resize", x, "", "", sizes, mode="nearest")
    g.output(g.conv(scaled, CHANNELS, kernel=3))
    proto = g.model()
    if loop:
        proto.graph.node.append(endless())
    return proto


def endless() -> onnx.NodeProto:
    """A Loop whose condition always holds."""
    again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["again"])],
        "body",
        [helper.make_tensor_value_info("trip", TensorProto.INT64, []),
         helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])],
        [again],
    )  # fmt: skip
    return helper.make_node("Loop", ["", ""], [], body=body)


def test_the_macs_behind_a_size_computed_in_floats_are_those_of_a_run() -> None:
    cost = cost_of(trace(Model(scaled_by_floats())))
    assert cost.uncounted == 0
    assert cost.macs({}) == 3 * CHANNELS * 9 * int(SIDE * 0.7) ** 2


def test_a_model_with_a_loop_is_not_run_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_sizes, "run", lambda *_: pytest.fail("it was run"))
    assert cost_of(trace(Model(scaled_by_floats(loop=True)))).uncounted == 1
