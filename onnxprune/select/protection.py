"""Which dims stay whole, and how narrow the others may become."""

from __future__ import annotations

from collections.abc import Container, Mapping
from fnmatch import fnmatchcase

import numpy as np

from onnxprune.axes import Dim, free_dims
from onnxprune.fixed_mathematics import fixed_mathematics
from onnxprune.options import Options
from onnxprune.tracing import Trace, display_name

FIRST_LAYERS = 0.5
"""What the first layers may lose, unless a budget cannot be met otherwise: all that follows lives on what they see."""


def protected(trace: Trace, options: Options, measured: Container[Dim] | None = None) -> dict[Dim, str]:
    """Return the dims that must stay whole, with the reason.

    By `--include` or `--exclude`, as fixed mathematics, or as none of those that were `measured` where that counts.
    """
    reasons: dict[Dim, str] = {}
    suspected = fixed_mathematics(trace)
    for dim in trace.dims:
        names = _names(trace, dim)
        excluded = next((glob for glob in options.exclude if any(fnmatchcase(name, glob) for name in names)), None)
        if excluded is not None:
            reasons[dim] = f"--exclude {excluded}"
        elif options.include and not any(fnmatchcase(name, glob) for name in names for glob in options.include):
            reasons[dim] = "not named by --include"
        elif dim in suspected and not options.include:
            reasons[dim] = suspected[dim]
        elif measured is not None and dim not in measured:
            reasons[dim] = "not measured in the file of --sensitivity"
    return reasons


def _names(trace: Trace, dim: Dim) -> set[str]:
    """Return every name that a glob may hit: the dim's, its weights' and the names of the nodes that use them."""
    names = {trace.names[dim]}
    for use, _ in trace.members[dim]:
        names.add(display_name(use.constant))
        names.add(trace.model.node(use.slot[0]).name)
    return names


def floors(trace: Trace, options: Options, most: float) -> dict[Dim, int]:
    """Return how many units each dim keeps at least where it may lose the share `most`."""
    shares: Mapping[Dim, float] = {}
    if most < 1 and options.max_layer_amount is None:
        shares = dict.fromkeys(first_dims(trace), FIRST_LAYERS)
    return {dim: _floor(trace, dim, options.min_channels, min(most, shares.get(dim, 1.0))) for dim in trace.dims}


def _floor(trace: Trace, dim: Dim, min_channels: int, most: float) -> int:
    by_share = int(np.ceil(round(dim.size * (1 - most), 9)))
    return min(dim.size, max(trace.axes.minimum(dim), min_channels, by_share))


def first_dims(trace: Trace) -> set[Dim]:
    """Return the dims that the first layers write: those of convolutions and products with none before them."""
    graph = trace.model.proto.graph
    working = {work.node.index for work in trace.work if not work.node.scope}
    behind_work: set[str] = set()
    found: set[Dim] = set()
    for index, node in enumerate(graph.node):
        is_behind = not behind_work.isdisjoint(node.input)
        if index in working and not is_behind:
            written = trace.tensors.get(node.output[0])
            found.update(dim for axis in (written.axes if written else None) or () for dim in free_dims(axis))
        if is_behind or index in working:
            behind_work.update(node.output)
    return found
