"""What units were worth: how the scores of those that stay and those that go are distributed, dim by dim."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask
from onnxprune.report.data import SaliencyReport
from onnxprune.tracing import Trace

BINS = 24


def saliency_of(
    trace: Trace, scores: Mapping[Dim, NDArray[Any]], masks: Mapping[Dim, Mask]
) -> Iterator[SaliencyReport]:
    """Yield the distributions of all dims that have scores."""
    for dim in trace.dims:
        if dim in scores:
            mask = masks.get(dim, np.ones(dim.size, bool))
            yield _histogram(trace.names[dim], np.asarray(scores[dim], np.float64), mask)


def _histogram(name: str, scores: NDArray[np.float64], mask: Mask) -> SaliencyReport:
    scores = np.nan_to_num(scores, posinf=np.finfo(np.float64).max)
    positive = scores[scores > 0]
    low, high = (positive.min(), positive.max()) if positive.size else (0.5, 1.0)
    edges = np.geomspace(low, high if high > low else 2 * low, BINS + 1)
    lifted = np.clip(scores, edges[0], edges[-1])
    kept, removed = (np.histogram(lifted[which], edges)[0].tolist() for which in (mask, ~mask))
    threshold = float(scores[~mask].max()) if not mask.all() else None
    return SaliencyReport(name, [float(f"{edge:.6g}") for edge in edges], kept, removed, threshold)
