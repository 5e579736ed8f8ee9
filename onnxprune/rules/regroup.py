"""Laying one list of axes over another of the same elements: the heart of Reshape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from onnxprune.axes import ONE, Expr, product, size
from onnxprune.rules.site import Site
from onnxprune.sizes import Size


def regroup(
    site: Site, axes: Sequence[Expr], target: Sequence[Size | None], copied: Sequence[Expr | None]
) -> list[Expr]:
    """Return the axes that `axes` become when reshaped to `target`.

    `target` holds the dense size of each new axis (None: whatever is left), `copied` the input axis where the
    size was taken over by position. Groups of axes with equal products are matched from the front and, beyond
    the first size that is not known, from the back; what cannot be matched is frozen.
    """
    sizes = [Size.along(axis).unpruned for axis in axes]
    wanted = [Size.along(c).unpruned if c is not None else t for c, t in zip(copied, target, strict=True)]
    _fill_open(sizes, wanted)
    result: list[Expr | None] = [None] * len(wanted)
    sources, targets = list(range(len(axes))), list(range(len(wanted)))
    _match(site, sources, targets, axes, sizes, wanted, result)
    sources.reverse()
    targets.reverse()
    _match(site, sources, targets, axes, sizes, wanted, result)
    return _freeze_rest(site, sources, targets, axes, wanted, result)


def _fill_open(sizes: Sequence[Size], wanted: list[Size | None]) -> None:
    """Work out the size of the one open axis (-1), also where symbols cancel."""
    if wanted.count(None) != 1:
        return
    total = math.prod(sizes, start=Size.of(1))
    rest = math.prod((length for length in wanted if length is not None), start=Size.of(1))
    wanted[wanted.index(None)] = total.divided_by(rest) if rest.terms else None


def _match(
    site: Site,
    sources: list[int],
    targets: list[int],
    axes: Sequence[Expr],
    sizes: Sequence[Size],
    wanted: Sequence[Size | None],
    result: list[Expr | None],
) -> None:
    """Match groups in the given order, and take them off both lists, until a size is not comparable."""
    while sources and targets:
        group = _next_group(sources, targets, sizes, wanted)
        if group is None:
            break
        taken, given = group
        _tie(site, sorted(sources[:taken]), sorted(targets[:given]), axes, wanted, result)
        del sources[:taken], targets[:given]
    while targets and wanted[targets[0]] == Size.of(1):
        result[targets.pop(0)] = ONE
    while sources and sizes[sources[0]] == Size.of(1):
        sources.pop(0)


def _next_group(
    sources: Sequence[int], targets: Sequence[int], sizes: Sequence[Size], wanted: Sequence[Size | None]
) -> tuple[int, int] | None:
    """Return how many axes of each side make the smallest groups of equal size, or None where that is not known."""
    taken, given = 1, 1
    first = wanted[targets[0]]
    if first is None:
        return None
    left, right = sizes[sources[0]], first
    while left != right:
        smaller = _smaller(left, right)
        if smaller is left and taken < len(sources):
            left = left * sizes[sources[taken]]
            taken += 1
        elif smaller is right and given < len(targets):
            following = wanted[targets[given]]
            if following is None:
                return None
            right = right * following
            given += 1
        else:
            return None
    return taken, given


def _smaller(left: Size, right: Size) -> Size | None:
    """Return which of two different sizes must take in another axis to reach the other; None if not known."""
    a, b = left.dense, right.dense
    if a == 0 or b == 0:
        return None
    if a is not None and b is not None:
        return left if a < b else right
    if a is None and b is None:
        if right.divided_by(left) is not None:
            return left
        return right if left.divided_by(right) is not None else None
    return right if a is None else left


def _tie(
    site: Site,
    sources: Sequence[int],
    targets: Sequence[int],
    axes: Sequence[Expr],
    wanted: Sequence[Size | None],
    result: list[Expr | None],
) -> None:
    whole = product(*(axes[place] for place in sources))
    if len(targets) == 1:
        result[targets[0]] = whole
        return
    ends_open = size(axes[sources[-1]]) is None
    parts = [_new_axis(site, wanted[place], place, ends_open) for place in targets]
    site.unify(whole, product(*parts))
    for place, part in zip(targets, parts, strict=True):
        result[place] = site.resolve(part)


def _new_axis(site: Site, length: Size | None, place: int, ends_open: bool) -> Expr:
    """Return an axis of a wanted size; the units in a partly open one lie where the open sizes leave them."""
    why = "its size is known only at run time"
    dense = length.dense if length is not None else None
    if dense is not None:
        return site.dim(dense)
    if length is None or len(length.terms) != 1:
        return site.fixed_axis(None, 0, place, why)
    variables, coefficient = length.terms[0]
    symbols = [site.fixed_axis(v if isinstance(v, str) else None, 0, place, why) for v in variables]
    # channels * positions, or batch * heads
    return product(site.dim(coefficient), *symbols) if ends_open else product(*symbols, site.dim(coefficient))


def _freeze_rest(
    site: Site,
    sources: Sequence[int],
    targets: Sequence[int],
    axes: Sequence[Expr],
    wanted: Sequence[Size | None],
    result: list[Expr | None],
) -> list[Expr]:
    why = "it is reshaped together with sizes known only at run time"
    site.freeze([axes[place] for place in sources], why)
    shape = site.shape()
    for place in targets:
        length = wanted[place]
        dense = length.dense if length is not None else None
        inferred = shape[place] if shape is not None else None
        result[place] = site.fixed_axis(dense if dense is not None else inferred, 0, place, why)
    return [axis if axis is not None else ONE for axis in result]
