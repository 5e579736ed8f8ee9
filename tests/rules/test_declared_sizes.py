"""Sizes that nobody can infer and that the model declares."""

from __future__ import annotations

import numpy as np
from graphs import Graph
from proof import prove, traced
from pruning import frozen_reasons
from rule_cases.open_sizes import declare, hidden, not_followed

from onnxprune.apply import apply_masks
from onnxprune.axes import reasons, size


def test_a_split_into_computed_lengths_freezes_what_it_takes_apart() -> None:
    g = Graph()
    parts = g.nodes_of("Split", [hidden(g), not_followed(g, 2, 4)], 2, axis=1)
    g.finish(declare(g, parts[0], [2, 2, 4, 4]), hidden=5)
    g.finish(declare(g, parts[1], [2, 4, 4, 4]), hidden=7)
    prove(g.model(), [5, 7])
    assert "the sizes of its parts are known only at run time" in frozen_reasons(traced(g.model(), [5, 7]))


def test_channels_that_are_declared_to_be_as_many_as_before_pass_a_resize_by_computed_scales() -> None:
    g = Graph()
    scales = g.add("Div", g.store([3, 3, 6, 6], np.float32), g.store([3, 3, 3, 3], np.float32))
    g.finish(declare(g, g.add("Resize", hidden(g), "", scales, mode="nearest"), [2, 6, 8, 8]))
    prove(g.model(), [6])


def test_channels_that_are_declared_to_be_more_do_not() -> None:
    g = Graph()
    scales = g.add("Div", g.store([3, 6, 6, 6], np.float32), g.store([3, 3, 3, 3], np.float32))
    g.finish(declare(g, g.add("Resize", hidden(g), "", scales, mode="nearest"), [2, 12, 8, 8]), hidden=5)
    prove(g.model(), [5])


def test_a_reshape_of_old_says_its_shape_in_an_attribute() -> None:
    g = Graph(opset=4)
    x = g.add("Conv", g.image(side=4), g.weight(6, 3, 1, 1), kernel_shape=[1, 1])
    flat = declare(g, g.add("Reshape", x, shape=[2, 6, 16]), [2, 6, 16])
    x = declare(g, g.add("Reshape", g.add("Relu", flat), shape=[0, -1, 4, 4]), [2, 6, 4, 4])
    g.output(g.add("Conv", x, g.weight(2, 6, 1, 1), kernel_shape=[1, 1]))
    found = traced(g.model(), [6])
    pruned, _ = apply_masks(found, {found.dims[0]: np.arange(6) < 4})
    shapes = [list(a.ints) for node in pruned.proto.graph.node for a in node.attribute if a.name == "shape"]
    assert shapes == [[2, 4, 16], [0, -1, 4, 4]]


def test_a_sum_with_an_open_axis_is_as_long_as_the_known_one() -> None:
    """The open one can only be of that length, or one."""
    g = Graph()
    both = g.add("Add", g.conv(g.input(1, 3, 16), 6), g.add("Reshape", g.input(1, 16), not_followed(g, 1, 1, 16)))
    g.output(declare(g, g.add("Conv", both, g.weight(5, 6, 1), kernel_shape=[1]), [1, 5, 16]))
    found = traced(g.model(), [])
    tensor = found.tensor("", both)
    assert tensor is not None and tensor.axes is not None
    assert [size(axis) for axis in tensor.axes] == [None, 6, 16]


def test_a_declared_size_is_known_where_the_rule_does_not_know_it() -> None:
    g = Graph()
    cut = declare(g, g.add("Slice", hidden(g), g.ints(0), not_followed(g, 3), g.ints(2)), [2, 6, 3, 4])
    g.finish(cut)
    tensor = traced(g.model(), [6]).tensor("", cut)
    assert tensor is not None and tensor.axes is not None
    assert [size(axis) for axis in tensor.axes] == [2, 6, 3, 4]


def test_a_resize_of_unknown_effect_leaves_the_positions_open() -> None:
    g = Graph()
    scales = g.add("Div", g.store([3, 3, 6, 6], np.float32), g.store([3, 3, 3, 3], np.float32))
    larger = g.add("Resize", hidden(g), "", scales, mode="nearest")
    g.output(declare(g, g.add("Conv", larger, g.weight(5, 6, 1, 1)), [2, 5, 8, 8]))
    found = traced(g.model(), [])
    tensor = found.tensor("", larger)
    assert tensor is not None and tensor.axes is not None
    assert [size(axis) for axis in tensor.axes] == [None] * 4
    assert any("it is resized" in reason for axis in tensor.axes for reason in reasons(axis))
