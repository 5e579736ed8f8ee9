"""Reductions and searches along axes: what they look at across positions cannot shrink."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onnxprune.axes import ONE, free_dims
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, position

ZERO_IS_NEUTRAL = ("ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2")
"""Reductions to which a unit that is zero contributes nothing."""


@rule(
    *(f"Reduce{kind}" for kind in "Mean Sum SumSquare Max Min Prod L1 L2 LogSum LogSumExp".split()),
)
def reduce(site: Site) -> None:
    """The reduced axes are frozen; they vanish, or become 1 with `keepdims`."""
    x = site.axes(0)
    reduced = {position(axis, len(x)) for axis in _axes(site, len(x))}
    if site.allow_norm and site.node.op_type in ZERO_IS_NEUTRAL:
        _sum_over(site, sorted(reduced))
    else:
        site.freeze([x[axis] for axis in reduced], "it reduces over this axis")
    site.freeze_content(site.content(0), "its size is used as a value")
    if site.attribute("keepdims", 1):
        site.out([ONE if axis in reduced else site.axes(0)[axis] for axis in range(len(x))])
    else:
        site.out([expr for axis, expr in enumerate(site.axes(0)) if axis not in reduced])


def _sum_over(site: Site, reduced: Sequence[int]) -> None:
    """Removed units count as zero; only a mean has to be told that it is taken over fewer."""
    free = [axis for axis in reduced if free_dims(site.axes(0)[axis])]
    for axis in free:
        site.contracts(0, axis)
    if free and site.node.op_type == "ReduceMean":
        site.averages([site.axes(0)[axis] for axis in free])


def _axes(site: Site, rank: int) -> Iterable[int]:
    axes: list[int] | None = site.attribute("axes")
    if axes is None and site.has(1):
        axes = [int(axis) for axis in site.values(1).ravel()]
    if not axes:
        return [] if site.attribute("noop_with_empty_axes", 0) else range(rank)
    return axes


@rule("ArgMax", "ArgMin")
def arg_reduce(site: Site) -> None:
    """Returns positions along `axis`."""
    x = site.axes(0)
    axis = position(site.attribute("axis", 0), len(x))
    site.freeze(x[axis], "it returns positions along this axis")
    kept = [ONE] if site.attribute("keepdims", 1) else []
    site.out([*x[:axis], *kept, *x[axis + 1 :]])


@rule("TopK")
def top_k(site: Site) -> None:
    """Selects along `axis`; both outputs have a fixed number of entries there."""
    x = site.axes(0)
    axis = position(site.attribute("axis", -1), len(x))
    site.freeze(x[axis], "it selects along this axis")
    if site.has(1):
        site.freeze_input(1, "it counts what is selected")
    for index in range(len(site.node.output)):
        selected = site.fixed("selected positions", index)[axis]
        site.out([*x[:axis], selected, *x[axis + 1 :]], index)


@rule("CumSum")
def cumulative_sum(site: Site) -> None:
    """Adds up along one axis."""
    x = site.axes(0)
    site.freeze(x[position(int(site.values(1)), len(x))], "it adds up along this axis")
    site.out(site.axes(0))
