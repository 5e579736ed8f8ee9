"""Numbers that say a size in a way of their own, -1 or the largest integer: left alone where the size is."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from onnx import numpy_helper
from pruning import prune_checked

from onnxprune.apply import apply_masks
from onnxprune.model import Model
from onnxprune.tracing import trace

LAST = 2**63 - 1
"""The end of a range that goes to the end of the axis, as exporters write it."""


def ending_at(end: int) -> onnx.ModelProto:
    """A first layer of 8 channels, of which those from 2 on to `end` go on to a second one of 6, and a last one."""
    g = Graph()
    x = g.conv(g.image(), 8)
    x = g.add("Relu", g.conv(g.slice(x, 2, end), 6))
    g.output(g.conv(x, 2))
    return g.model()


def ends(proto: onnx.ModelProto) -> list[int]:
    """The ends of the slice."""
    name = next(node.input[2] for node in proto.graph.node if node.op_type == "Slice")
    return numpy_helper.to_array(next(t for t in proto.graph.initializer if t.name == name)).tolist()


def test_the_end_of_an_axis_that_does_not_shrink_is_left_alone() -> None:
    found = trace(Model(ending_at(LAST)))
    behind = [node.input[1] for node in found.model.proto.graph.node if node.op_type == "Conv"][1]
    dim = next(dim for dim, name in found.names.items() if name == f"{behind}[0]")
    model, changes = apply_masks(found, {dim: np.arange(dim.size) > 0})
    assert ends(model.proto) == [LAST] and not changes.sizes and behind in changes.keep


@pytest.mark.parametrize("end", [LAST, 100, -1, 7])
def test_an_end_that_moves_comes_out_right(end: int) -> None:
    found = trace(Model(ending_at(end)))
    masks = {dim: np.arange(dim.size) > 0 for dim in found.dims if dim.size > found.axes.minimum(dim)}
    pruned, verification = prune_checked(found, masks)
    assert verification.verdict == "proved" and pruned.proto != found.model.proto


@pytest.mark.parametrize("end", [LAST, 100, -1])
def test_nothing_is_written_anew_where_nothing_shrinks(end: int) -> None:
    model, changes = apply_masks(trace(Model(ending_at(end))), {})
    assert model.proto == ending_at(end) and not changes.sizes
