"""Slices with a step along channels: one position of each group of `step`, wherever the bounds are counted from."""

from __future__ import annotations

import pytest
from graphs import Graph
from onnx import numpy_helper
from proof import prove
from pruning import prune_and_check, random_masks

from onnxprune.axes import size
from onnxprune.model import Model
from onnxprune.tracing import trace

CHANNELS = 8
FAR = 2**62

Bounds = tuple[int, int, int]

WHOLE_GROUPS = [(0, 8, 2), (1, 8, 2), (0, 7, 2), (0, -1, 2), (-8, FAR, 2), (3, 8, 4), (1, -2, 4), (-99, 99, 4)]
ENDS_EARLY = [(1, 7, 2), (1, -1, 2), (3, 5, 4), (2, -2, 4), (2, 5, 4)]
STARTS_FROM_THE_BACK = [(-7, 8, 2), (-7, FAR, 2), (-5, 8, 4), (-6, -1, 4)]


def prunable(bounds: Bounds) -> list[int]:
    """Prove that what is prunable beside a slice is so, and return the sizes."""
    g = Graph()
    start, end, step = bounds
    y = g.slice(g.conv(g.image(side=3), CHANNELS), start, end, step=step)
    g.finish(y, hidden=5)
    found = trace(Model(g.model()))
    axes = found.tensors[y].axes
    assert axes is not None
    assert size(axes[1]) == len(range(*slice(start, end, step).indices(CHANNELS)))
    for seed in range(3):
        prune_and_check(found, random_masks(found, seed))
    return sorted(dim.size for dim in found.dims)


@pytest.mark.parametrize("bounds", WHOLE_GROUPS)
def test_one_position_of_every_group(bounds: Bounds) -> None:
    assert prunable(bounds) == sorted([CHANNELS // bounds[2], 5])


@pytest.mark.parametrize("bounds", ENDS_EARLY)
def test_an_end_before_the_position_in_the_last_group(bounds: Bounds) -> None:
    assert prunable(bounds) == [5]


@pytest.mark.parametrize("bounds", STARTS_FROM_THE_BACK)
def test_a_start_counted_from_the_back(bounds: Bounds) -> None:
    assert prunable(bounds) == sorted([CHANNELS // bounds[2], 5])


@pytest.mark.parametrize("step", [1, 2])
def test_an_end_beyond_all_positions_is_left_as_it_is_written(step: int) -> None:
    g = Graph()
    g.finish(g.slice(g.conv(g.image(), 8), 0, FAR, step=step))
    for pruned in prove(g.model(), [8 // step]):
        node = next(node for node in pruned.graph.node if node.op_type == "Slice")
        stored = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in pruned.graph.initializer}
        assert [stored[name] for name in node.input[1:]] == [[0], [FAR], [1], [step]]
