"""Pooling: every channel by itself; the positions are fixed."""

from __future__ import annotations

from onnxprune.axes import ONE, Expr
from onnxprune.rules.contraction import SPATIAL
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site


@rule("MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
def pool(site: Site) -> None:
    """X [N, C, d..] -> Y [N, C, d'..]; MaxPool's second output numbers positions across channels."""
    x = site.axes(0)
    if len(site.node.output) > 1 and site.node.output[1]:
        site.freeze(x, "the indices that it returns count positions across channels")
        site.out(site.fixed(SPATIAL, 1), 1)
    site.out(pooled(site, channel=1, everywhere=site.node.op_type.startswith("Global")))


def pooled(site: Site, channel: int, everywhere: bool) -> list[Expr]:
    """Return the axes of input 0 after pooling all but the batch and the axis `channel`, which are kept."""
    x = site.axes(0)
    places = [place for place in range(1, len(x)) if place != channel % len(x)]
    site.freeze([x[place] for place in places], SPATIAL)
    inferred = site.fixed(SPATIAL) if site.shape() is not None and not everywhere else None
    out = list(site.axes(0))
    for place in places:
        if everywhere:
            out[place] = ONE
        else:
            out[place] = site.fixed_axis(None, 0, place, SPATIAL) if inferred is None else inferred[place]
    return out
