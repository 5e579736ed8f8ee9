"""Settling: which numbers in the graph can follow the axes that shrink, and what freezes where they cannot."""

from __future__ import annotations

from onnxprune.axes import Axes, Dim
from onnxprune.record import Follow, Record
from onnxprune.sizes import Size, Source


def settle(record: Record, axes: Axes) -> None:
    """Freeze dims whose sizes cannot be rewritten, until nothing changes any more."""
    while _freeze_conflicts(record, axes):
        pass


def _freeze_conflicts(record: Record, axes: Axes) -> bool:
    demands: dict[Source, Size] = {}
    changed = False
    for follow in record.follows:
        for dim in _in_conflict(follow, axes, demands):
            axes.freeze(dim, follow.why)
            changed = True
    return changed


def _in_conflict(follow: Follow, axes: Axes, demands: dict[Source, Size]) -> list[Dim]:
    """Return the dims that must not shrink for this number to stay right.

    A number with a source can be rewritten there, as long as everybody who reads it wants the same of it; any
    other has to come out right by itself.
    """
    wanted = follow.wanted.resolve(axes)
    given = None if follow.given is None else follow.given.resolve(axes)
    dims = [*wanted.dims, *(given.dims if given is not None else ())]
    if given is not None and given.source is not None:
        number = wanted if given.source.scale is None else wanted.divided_by(given.source.scale)
        if number is not None:
            other = demands.setdefault(given.source, number)
            return [] if other == number else [*dims, *other.dims]
    return [] if given == wanted else dims
