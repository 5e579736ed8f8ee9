"""Operators that pick or place elements by index."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from onnxprune.axes import ONE, Expr, Fixed, concat, free_dims, product, size
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, position
from onnxprune.sizes import Content, Size

MAX_FILLED = 64
"""A constant of integers is followed up to this many elements."""

MAX_RUNS = 64
"""A constant list of indices is followed as runs of consecutive positions up to this many."""


@rule("Gather")
def gather(site: Site) -> None:
    """data[..., indices, ...]: the axes of the indices take the place of `axis`."""
    data, indices = site.axes(0), site.axes(1)
    axis = position(site.attribute("axis", 0), len(data))
    picked: list[Expr] = list(indices)
    if free_dims(data[axis]) and not _pick_one(site, data[axis]):
        many = _pick_many(site, data[axis])
        if many is not None:
            picked = [many]
        else:
            site.freeze(data[axis], "it is indexed by data")
    site.out([*data[:axis], *picked, *data[axis + 1 :]], content=_gathered(site, axis))


def _pick_many(site: Site, expr: Expr) -> Expr | None:
    """Follow a constant list of indices; the axis that it picks, or None where it has no structure to follow."""
    indices, total = site.stored_values(1), size(expr)
    if indices is None or indices.ndim != 1 or total is None or indices.size < 2:
        return None
    indices = np.where(indices < 0, indices + total, indices)
    picked = _transposed(site, expr, indices, total)
    if picked is None:
        picked = _runs(site, expr, indices, total)
    if picked is not None:
        picked = site.resolve(picked)
        site.indexes(1, [picked], expr)
    return picked


def _transposed(site: Site, expr: Expr, indices: NDArray[Any], total: int) -> Expr | None:
    """Follow a channel shuffle: the positions of a grid, read column by column."""
    step = int(indices[1] - indices[0])
    if step < 2 or total % step or not np.array_equal(indices, np.arange(total).reshape(-1, step).T.ravel()):
        return None
    outer, inner = site.dim(total // step), site.dim(step)
    site.unify(expr, product(outer, inner))
    return product(site.resolve(inner), site.resolve(outer))


def _runs(site: Site, expr: Expr, indices: NDArray[Any], total: int) -> Expr | None:
    """Follow a few runs of consecutive positions: the axis is cut wherever one of them begins or ends."""
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    runs = [(int(run[0]), int(run[-1]) + 1) for run in np.split(indices, breaks)]
    if len(runs) > MAX_RUNS:
        return None
    cuts = sorted({0, total, *(cut for run in runs for cut in run)})
    parts = {start: site.dim(stop - start) for start, stop in itertools.pairwise(cuts)}
    site.unify(expr, concat(*parts.values()))
    return concat(*(site.resolve(parts[cut]) for start, stop in runs for cut in cuts if start <= cut < stop))


def _pick_one(site: Site, expr: Expr) -> bool:
    """Follow a single constant index: `expr` is what lies before it, the position itself, and the rest."""
    content = site.content(1)
    total = size(expr)
    if content is None or content.size != 1 or total is None:
        return False
    index = content.ravel()[0].dense
    if index is None:
        return False
    index = index % total
    before, after = site.dim(index), site.dim(total - index - 1)
    site.unify(expr, concat(before, ONE, after))
    site.follow_input(1, [Size.along(site.resolve(before))])
    return True


def _gathered(site: Site, axis: int) -> Content | None:
    content = site.content(0)
    if content is None:
        return None
    try:
        return np.asarray(content.take(site.values(1), axis), object)
    except UnknownError:
        site.freeze_content(content, "its size is used as a value")
        return None


@rule("GatherElements")
def gather_elements(site: Site) -> None:
    """Picks along `axis`; the other axes of data and indices go together where they are equally long."""
    data, indices = site.axes(0), site.axes(1)
    site.freeze((*data, *indices), "it is indexed by data")
    site.out(site.axes(1))


@rule("GatherND")
def gather_nd(site: Site) -> None:
    """Picks slices by index tuples of a fixed length; trailing axes of the data go along whole."""
    data, indices = site.axes(0), site.axes(1)
    batch, length = site.attribute("batch_dims", 0), size(indices[-1])
    if length is None:
        raise UnknownError("the length of its index tuples is known only at run time")
    site.freeze((*data[: batch + length], *indices), "it is indexed by data")
    site.out([*site.axes(1)[:-1], *data[batch + length :]])


@rule("ScatterND")
def scatter_nd(site: Site) -> None:
    """Writes slices at index tuples; trailing axes of data and updates are the same."""
    data, indices, updates = site.axes(0), site.axes(1), site.axes(2)
    length = size(indices[-1])
    if length is None:
        raise UnknownError("the length of its index tuples is known only at run time")
    site.freeze((*data[:length], *indices, *updates[: len(indices) - 1]), "it is indexed by data")
    for mine, new in zip(data[length:], updates[len(indices) - 1 :], strict=True):
        site.unify(mine, new)
    site.out(site.axes(0))


@rule("ScatterElements")
def scatter_elements(site: Site) -> None:
    """Writes single elements."""
    for slot in range(3):
        site.freeze_input(slot, "it is indexed by data")
    site.out(site.axes(0))


@rule("OneHot", "NonZero", "Range", "RandomNormal", "RandomUniform", "EyeLike")
def generated(site: Site) -> None:
    """New values whose axes come from numbers: all fixed."""
    for slot in range(site.input_count):
        if site.has(slot):
            site.freeze_input(slot, "its size is used as a value")
    site.out(site.fixed("generated values"))


@rule("ConstantOfShape")
def constant_of_shape(site: Site) -> None:
    """A constant of a computed shape: each axis as long as its number says."""
    target = site.content(0)
    if target is None:
        site.freeze_input(0, "its shape is known only at run time")
        site.out(site.fixed("its shape is known only at run time"))
        return
    axes: list[Expr] = []
    wanted: list[Size | None] = []
    for entry in target.ravel():
        dense = entry.dense
        if dense is None or dense <= 1:
            axes.append(ONE if dense == 1 else Fixed(dense, "", "" if dense is not None else str(entry.terms)))
            wanted.append(None)
            continue
        axis = entry.dims[0] if entry.dims and entry == Size.along(entry.dims[0]) else site.dim(dense)
        if entry.dims and axis != entry.dims[0]:
            site.freeze(entry.dims, "a constant is as long as this size")
        axes.append(axis)
        wanted.append(Size.along(axis))
    site.follow_input(0, wanted)
    site.out(axes, content=_filled(site, target))


def _filled(site: Site, target: Content) -> Content | None:
    """Return the integers of a small constant of known shape, as in the idiom that computes Expand's target."""
    value = site.attribute("value")
    shape = [entry.dense for entry in target.ravel()]
    if value is None or value.data_type != TensorProto.INT64 or None in shape or any(e.dims for e in target.ravel()):
        return None
    lengths = [length for length in shape if length is not None]
    if math.prod(lengths) > MAX_FILLED:
        return None
    content = np.empty(lengths, object)
    content[...] = Size.of(int(numpy_helper.to_array(value).ravel()[0]))
    return content


@rule("Shape")
def shape(site: Site) -> None:
    """The sizes of the input's axes, as numbers that follow them."""
    site.ignore_content(0)
    x = site.axes(0)
    start, end = site.attribute("start", 0), site.attribute("end", len(x))
    sizes = [Size.along(axis) for axis in x][start:end]
    content = np.empty(len(sizes), object)
    content[:] = sizes
    axis = ONE if len(sizes) == 1 else Fixed(len(sizes), "the number of axes")
    site.out([axis], content=content)


@rule("Size")
def element_count(site: Site) -> None:
    """The product of all sizes."""
    site.ignore_content(0)
    total = Size.of(1)
    for axis in site.axes(0):
        total = total * Size.along(axis)
    content = np.empty((), object)
    content[()] = total
    site.out([], content=content)
