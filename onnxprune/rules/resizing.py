"""Interpolation: what is resized is fixed; channels pass through."""

from __future__ import annotations

from collections.abc import Sequence

from onnxprune.axes import Expr, size
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, position
from onnxprune.sizes import Size


@rule("Resize", "Upsample")
def resize(site: Site) -> None:
    """Axes whose size is kept pass through; the others, with `scales`, `sizes` and `roi`, are fixed."""
    x = site.axes(0)
    rank = len(x)
    axes = [position(axis, rank) for axis in site.attribute("axes", range(rank))]
    passing = _passing(site, x, axes)
    resized = [axis for axis in range(rank) if axis not in passing]
    site.freeze([x[axis] for axis in resized], "it is resized")
    sizes = _sizes_slot(site)
    for slot in range(1, site.input_count):
        if site.has(slot) and slot != sizes:
            site.freeze_input(slot, "it says how to resize")
    if sizes is not None:
        site.follow_input(sizes, [Size.along(site.resolve(x[axis])) if axis in passing else None for axis in axes])
    inferred = site.fixed("it is resized") if site.shape() is not None else None
    site.out([axis if place in passing else _resized(site, inferred, place) for place, axis in enumerate(site.axes(0))])


def _sizes_slot(site: Site) -> int | None:
    return 3 if site.has(3) and site.node.op_type == "Resize" else None


def _passing(site: Site, x: Sequence[Expr], axes: Sequence[int]) -> set[int]:
    """Return the axes that are certain to keep their size."""
    untouched = set(range(len(x))) - set(axes)
    sizes = _sizes_slot(site)
    if sizes is not None:
        content = site.content(sizes)
        if content is None:
            return untouched | _passing_by_shape(site, x)
        given = dict(zip(axes, content.ravel(), strict=True))
        return untouched | {axis for axis in axes if given[axis].unpruned == Size.along(x[axis]).unpruned}
    scales = site.stored_values(1 if site.node.op_type == "Upsample" or site.opset < 11 else 2)
    if site.attribute("scales") is not None:
        scales = site.attribute("scales")
    if scales is None or len(scales) == 0:
        return untouched | _passing_by_shape(site, x)
    return untouched | {axis for axis, scale in zip(axes, scales, strict=True) if scale == 1}


def _passing_by_shape(site: Site, x: Sequence[Expr]) -> set[int]:
    """Scales are computed: batch and channels keep their size if inference says so."""
    shape = site.shape()
    if shape is None:
        return set()
    return {axis for axis in range(min(2, len(x))) if size(x[axis]) is not None and size(x[axis]) == shape[axis]}


def _resized(site: Site, inferred: Sequence[Expr] | None, place: int) -> Expr:
    return inferred[place] if inferred is not None else site.fixed_axis(None, 0, place, "it is resized")
