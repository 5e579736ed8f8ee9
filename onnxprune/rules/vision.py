"""Sampling, regions and detection: channels pass where each is treated alike, positions and choices are fixed."""

from __future__ import annotations

import math

from onnxprune.axes import Expr, Fixed, product
from onnxprune.rules.contraction import SPATIAL
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, known_size, position

CHOSEN = "its positions are chosen by data"


@rule("GridSample")
def grid_sample(site: Site) -> None:
    """X [N, C, d..] is sampled at the places that a grid [N, d'.., rank] names."""
    x, grid = site.axes(0), site.axes(1)
    site.freeze((*x[2:], *grid[1:]), SPATIAL)
    site.unify(x[0], grid[0])
    site.out([*site.axes(0)[:2], *grid[1:-1]])


@rule("RoiAlign", "MaxRoiPool")
def region_pool(site: Site) -> None:
    """X [N, C, H, W] is pooled within regions [R, ..]; each region names its image."""
    x, regions = site.axes(0), site.axes(1)
    site.freeze((x[0], *x[2:], *regions), CHOSEN)
    if site.has(2):
        site.freeze_input(2, CHOSEN)
    site.out([site.axes(1)[0], x[1], *site.fixed(SPATIAL)[2:]])


@rule("NonMaxSuppression", "Unique")
def select(site: Site) -> None:
    """What it returns depends on all positions of all inputs."""
    for slot in range(site.input_count):
        if site.has(slot):
            site.freeze_input(slot, CHOSEN)
    for index in range(len(site.node.output)):
        site.out(site.fixed(CHOSEN, index), index)


@rule("Compress")
def compress(site: Site) -> None:
    """Picks positions along `axis` by a condition, or out of the flattened input."""
    x, axis = site.axes(0), site.attribute("axis")
    site.freeze_input(1, CHOSEN)
    if axis is None:
        site.freeze(x, CHOSEN)
        site.out([site.fixed_axis(None, 0, 0, CHOSEN)])
        return
    axis = position(axis, len(x))
    site.freeze(x[axis], CHOSEN)
    site.out([*x[:axis], site.fixed_axis(None, 0, axis, CHOSEN), *x[axis + 1 :]])


@rule("ReverseSequence")
def reverse_sequence(site: Site) -> None:
    """Turns the first positions of `time_axis` around, as many as each element of `batch_axis` says."""
    x = site.axes(0)
    site.freeze(x[position(site.attribute("time_axis", 0), len(x))], "its positions are turned around")
    site.unify(x[position(site.attribute("batch_axis", 1), len(x))], site.axes(1)[0])
    site.out(site.axes(0))


@rule("Col2Im")
def columns_to_image(site: Site) -> None:
    """X [N, C*block, L] is laid out as an image [N, C, d..]: blocks become positions."""
    x = site.axes(0)
    block = math.prod(int(length) for length in site.values(2).ravel())
    channels: Expr = site.dim(known_size(x[1]) // block)
    site.freeze_input(1, "it is the size of the image")
    site.unify(x[1], product(channels, Fixed(block, f"{site.label}: blocks become positions")))
    site.freeze(x[2], SPATIAL)
    site.out([x[0], site.resolve(channels), *site.fixed(SPATIAL)[2:]])
