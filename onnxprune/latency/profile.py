"""Measuring what the table lacks of a model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from onnxprune.apply import apply_masks
from onnxprune.latency.designs import designs, masks_of
from onnxprune.latency.kernels import time_of, times_of
from onnxprune.latency.nodes import Node
from onnxprune.latency.table import Table
from onnxprune.runtime import Feeds
from onnxprune.select.widths import width_of_this_machine
from onnxprune.tracing import Trace

SECONDS = 0.6
"""How long each variant of a model is run, at least."""


def profile(
    trace: Trace,
    nodes: Sequence[Node],
    feeds: Feeds,
    table: Table,
    off_width: bool = False,
    on_progress: Callable[[float], None] = lambda share: None,
) -> bool:
    """Measure variants of a model, and add what each node took to the table; return whether that was needed.

    `off_width`: see `designs`. Raises `ModelError` where the model cannot run.
    """
    if whole(nodes, off_width) in table.rows:
        return False
    variants = list(designs(trace, width_of_this_machine(), off_width))
    for done, counts in enumerate(variants):
        model, _ = apply_masks(trace, masks_of(counts))
        times = times_of(model, feeds, table.threads, SECONDS)
        for node in nodes:
            widths = [counts.get(dim, dim.size) for dim in node.dims]
            table.add(node.signature, node.operator, widths, times.get(node.output, 0.0))
        if not counts:
            around = time_of(model, feeds, table.threads, SECONDS) - sum(times.values())
        on_progress((done + 1) / len(variants))
    for known in {False, off_width}:
        table.add(whole(nodes, known), "", [], around)
    return True


def whole(nodes: Sequence[Node], off_width: bool) -> str:
    """Return the signature of a whole model: of what a run takes around its nodes."""
    text = "|".join((*(node.signature for node in nodes), *["off"] * off_width))
    return hashlib.sha1(text.encode()).hexdigest()[:16]
