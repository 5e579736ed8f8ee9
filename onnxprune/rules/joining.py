"""Operators that lay axes end to end or cut them: Concat, Split, Slice, Pad."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from onnxprune.axes import ONE, Expr, Fixed, Sum, concat, product, size
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size, position
from onnxprune.sizes import Content, Size

MOST_TERMS = 1 << 12
"""Parts that an axis may be joined of up to which they can shrink; Concat(x, x) of Concat(x, x) has twice as many."""


@rule("Concat")
def concatenate(site: Site) -> None:
    """The inputs laid end to end along `axis`; their other axes are the same."""
    inputs = [site.axes(slot) for slot in range(site.input_count)]
    rank = len(inputs[0])
    axis = position(site.attribute("axis", 1), rank)
    out = list(inputs[0])
    for place in range(rank):
        column = [axes[place] for axes in inputs]
        out[place] = _joined(site, column, place) if place == axis else _shared(site, column)
    site.out(out, content=_joined_content(site, axis))


def _joined(site: Site, parts: Sequence[Expr], place: int) -> Expr:
    if any(size(part) is None for part in parts):
        site.freeze(parts, "it is joined with an axis whose size is known only at run time")
        return site.fixed_axis(None, 0, place, "joined axes of unknown sizes")
    if sum(len(part.terms) if isinstance(part, Sum) else 1 for part in map(site.resolve, parts)) > MOST_TERMS:
        site.freeze(parts, f"it is joined with others to an axis of more than {MOST_TERMS:,} parts")
    return concat(*(site.resolve(part) for part in parts))


def _shared(site: Site, column: Sequence[Expr]) -> Expr:
    for other in column[1:]:
        site.unify(column[0], other)
    return next((axis for axis in map(site.resolve, column) if size(axis) is not None), column[0])


def _joined_content(site: Site, axis: int) -> Content | None:
    contents = [site.sourced(slot) for slot in range(site.input_count)]
    known = [content for content in contents if content is not None]
    if not known:
        return None
    if len(known) == len(contents):
        return np.concatenate(known, axis)
    lengths = [site.axes(slot) for slot in range(site.input_count)]
    if any(len(axes) != 1 or size(axes[0]) is None for axes in lengths):
        for content in known:
            site.freeze_content(content, "its size is mixed with numbers known only at run time")
        return None
    # A part computed in a way that is not followed: each of its numbers is a symbol of its own.
    filled = [_symbols(site, slot) if content is None else content for slot, content in enumerate(contents)]
    return np.concatenate(filled, axis)


def _symbols(site: Site, slot: int) -> Content:
    length = known_size(site.axes(slot)[0])
    content = np.empty(length, object)
    content[:] = [Size.symbol(f"{site.node.input[slot]}<{place}>") for place in range(length)]
    return content


@rule("Split")
def split(site: Site) -> None:
    """Cuts an axis into consecutive parts, of given or of equal sizes."""
    x = site.axes(0)
    axis = position(site.attribute("axis", 0), len(x))
    lengths = _split_lengths(site, known_size(x[axis]))
    parts = [site.dim(length) for length in lengths]
    site.unify(x[axis], concat(*parts))
    wanted = [Size.along(site.resolve(part)) for part in parts]
    if site.attribute("split") is not None:
        for place, length in enumerate(wanted):
            site.follow_attribute("split", length, place)
    elif site.has(1):
        site.follow_input(1, wanted)
    elif site.opset < 13:
        site.supply_attribute("split", wanted)
    else:
        site.supply_input(1, wanted, instead_of="num_outputs")
    content = site.content(0)
    cuts = np.cumsum(lengths)[:-1]
    contents = [None] * len(parts) if content is None else np.split(content, cuts, axis)
    for index, part in enumerate(parts):
        rest = site.axes(0)
        site.out([*rest[:axis], site.resolve(part), *rest[axis + 1 :]], index, contents[index])


def _split_lengths(site: Site, total: int) -> list[int]:
    if site.attribute("split") is not None:
        return list(site.attribute("split"))
    if site.has(1):
        content = site.content(1)
        lengths = [] if content is None else [entry.dense for entry in content.ravel()]
        if not lengths or None in lengths:
            raise UnknownError("the sizes of its parts are known only at run time")
        return [length for length in lengths if length is not None]
    parts = len(site.node.output)
    length = -(-total // parts)
    return [length] * (parts - 1) + [total - length * (parts - 1)]


@rule("Slice")
def slice_(site: Site) -> None:
    """Cuts a range out of some axes; the bounds are prefix sums of what stays before them."""
    x = list(site.axes(0))
    starts, ends, axes, steps = _slice_bounds(site, len(x))
    new_starts: list[Size | None] = [None] * len(axes)
    new_ends: list[Size | None] = [None] * len(axes)
    for place, axis in enumerate(axes):
        x[axis], new_starts[place], new_ends[place] = _cut(
            site, x[axis], axis, starts[place], ends[place], steps[place]
        )
    if site.opset < 10:
        _follow_slice_attributes(site, new_starts, new_ends)
    else:
        site.follow_input(1, new_starts)
        site.follow_input(2, new_ends)
    site.out(x, content=_sliced_content(site, starts, ends, axes, steps))


def _slice_bounds(site: Site, rank: int) -> tuple[list[int | None], list[int | None], list[int], list[int]]:
    if site.opset < 10:
        starts, ends = list(site.attribute("starts")), list(site.attribute("ends"))
        named = site.attribute("axes", range(len(starts)))
        return starts, ends, [position(axis, rank) for axis in named], [1] * len(starts)
    starts, ends = _dense(site, 1), _dense(site, 2)
    axes = [position(int(a), rank) for a in site.values(3).ravel()] if site.has(3) else list(range(len(starts)))
    steps = [int(step) for step in site.values(4).ravel()] if site.has(4) else [1] * len(starts)
    return starts, ends, axes, steps


def _dense(site: Site, slot: int) -> list[int | None]:
    content = site.content(slot)
    if content is not None:
        return [entry.dense for entry in content.ravel()]
    return [None] * known_size(site.axes(slot)[0])


def _cut(
    site: Site, expr: Expr, axis: int, start: int | None, end: int | None, step: int
) -> tuple[Expr, Size | None, Size | None]:
    """Return the axis that a range leaves, and what its bounds must be (None: what they are)."""
    total = size(expr)
    if start is None or end is None or total is None:
        site.freeze(expr, "it is cut at a place known only at run time")
        return _inferred(site, axis), None, None
    first, last, step = slice(start, end, step).indices(total)
    if (first, last, step) == (0, total, 1):
        return expr, None, Size.along(site.resolve(expr)) if end == total else None
    if step > 1 and first < step and total % step == 0 and len(range(first, last, step)) == total // step:
        picked = _strided(site, expr, first, total, step)
        new_total = Size.along(site.resolve(expr))
        # A start counted from the end moves with it.
        return picked, Size.of(first) - new_total if start < 0 else None, new_total if end == total else None
    if step != 1:
        site.freeze(expr, f"it is cut with a step of {step}")
        return _of_length(site, len(range(first, last, step))), None, None
    before, inside, after = site.dim(first), site.dim(max(last - first, 0)), site.dim(total - max(last, first))
    site.unify(expr, concat(before, inside, after))
    low = Size.along(site.resolve(before))
    return site.resolve(inside), low, low + Size.along(site.resolve(inside))


def _strided(site: Site, expr: Expr, first: int, total: int, step: int) -> Expr:
    """Every `step`-th position: one position of the inner factor of Product(total / step, step)."""
    outer = site.dim(total // step)
    site.unify(expr, product(outer, Fixed(step, f"{site.label}: one of every {step} positions is taken")))
    return site.resolve(outer)


def _of_length(site: Site, length: int) -> Expr:
    return ONE if length == 1 else Fixed(length, f"{site.label}: its positions are chosen")


def _inferred(site: Site, axis: int) -> Expr:
    shape = site.shape()
    return site.fixed_axis(shape[axis] if shape is not None else None, 0, axis, "it is cut at run time")


def _follow_slice_attributes(site: Site, starts: Sequence[Size | None], ends: Sequence[Size | None]) -> None:
    for name, bounds in (("starts", starts), ("ends", ends)):
        for place, bound in enumerate(bounds):
            if bound is not None:
                site.follow_attribute(name, bound, place)


def _sliced_content(
    site: Site, starts: Sequence[int | None], ends: Sequence[int | None], axes: Sequence[int], steps: Sequence[int]
) -> Content | None:
    content = site.content(0)
    if content is None or None in starts or None in ends:
        site.freeze_content(content, "its size is used as a value")
        return None
    index = [slice(None)] * content.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, end, step)
    return content[tuple(index)]


@rule("Pad")
def pad(site: Site) -> None:
    """Adds positions at both ends of axes: `Sum(new, axis, new)`; only constant padding keeps channels apart."""
    x = site.axes(0)
    pads = site.attribute("pads") or (site.attribute("paddings") if site.opset < 2 else None)
    if pads is None:
        pads = [int(length) for length in site.values(1).ravel()]
    axes = [position(int(a), len(x)) for a in site.values(3).ravel()] if site.has(3) else list(range(len(x)))
    if site.has(2):
        site.freeze_input(2, "it is the padding value")
    constant = site.attribute("mode", b"constant") == b"constant"
    out = list(x)
    for place, axis in enumerate(axes):
        out[axis] = _padded(site, x[axis], axis, pads[place], pads[place + len(axes)], constant)
    site.out(out)


def _padded(site: Site, expr: Expr, axis: int, before: int, after: int, constant: bool) -> Expr:
    if before == after == 0:
        return expr
    total = size(expr)
    if not constant or total is None or min(before, after) < 0:
        site.freeze(expr, "it is padded with copies of itself, cut, or of unknown size")
        return _inferred(site, axis)
    ends = [Fixed(length, f"{site.label}: padding") if length != 1 else ONE for length in (before, after)]
    return concat(ends[0], expr, ends[1])


def cumulative(sizes: Sequence[int]) -> list[int]:
    """Return the boundaries of consecutive parts, 0 first."""
    return [0, *itertools.accumulate(sizes)]
