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
    site.freeze(x[2:], SPATIAL)
    if len(site.node.output) > 1 and site.node.output[1]:
        site.freeze(x, "the indices that it returns count positions across channels")
        site.out(site.fixed(SPATIAL, 1), 1)
    spatial: list[Expr]
    if site.node.op_type.startswith("Global"):
        spatial = [ONE] * (len(x) - 2)
    elif site.shape() is not None:
        spatial = site.fixed(SPATIAL)[2:]
    else:
        spatial = [site.fixed_axis(None, 0, place, SPATIAL) for place in range(2, len(x))]
    site.out([*site.axes(0)[:2], *spatial])
