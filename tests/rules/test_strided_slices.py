"""Slices with a step along channels: one position of each group of `step`, wherever the bounds are counted from."""

from __future__ import annotations

import pytest
from graphs import Graph
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


def check(bounds: Bounds) -> None:
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


@pytest.mark.parametrize("bounds", WHOLE_GROUPS)
def test_one_position_of_every_group(bounds: Bounds) -> None:
    check(bounds)


@pytest.mark.parametrize("bounds", ENDS_EARLY)
def test_an_end_before_the_position_in_the_last_group(bounds: Bounds) -> None:
    check(bounds)


@pytest.mark.parametrize("bounds", STARTS_FROM_THE_BACK)
def test_a_start_counted_from_the_back(bounds: Bounds) -> None:
    check(bounds)
