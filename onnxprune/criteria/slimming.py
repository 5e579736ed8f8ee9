"""Network slimming: the factor by which a normalization scales each channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, spread
from onnxprune.criteria.magnitude import l2
from onnxprune.criteria.registry import Evidence, Saliency, criterion
from onnxprune.model import NodeKey
from onnxprune.record import Slot, Use
from onnxprune.tracing import Trace

SCALE = {"BatchNormalization": 1, "InstanceNormalization": 1}
"""The input that holds the scale, for normalizations that have one number for each channel."""


@criterion("bn-scale")
def bn_scale(evidence: Evidence) -> Saliency:
    """Return |gamma| of the normalization behind each unit; their mean where a unit passes several.

    Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", 2017, who prune by one threshold
    for the whole network: so gammas compare across dims as they are. Batch and instance normalization count, and layer
    and root mean square normalization where `--allow-norm` lets their width shrink. Where a dim has none (it was folded
    into the convolution), or its gammas are all the same (they were not trained), `l2` stands in, times the mean of all
    gammas that do count, so that such dims are neither spared nor preferred.
    """
    live = {dim: gammas for dim, gammas in _gammas(evidence.trace).items() if np.ptp(gammas) > 0}
    typical = float(np.mean(np.concatenate(list(live.values())))) if live else 1.0
    return {**{dim: typical * norms for dim, norms in l2(evidence).items()}, **live}


def _gammas(trace: Trace) -> dict[Dim, NDArray[Any]]:
    """Return the mean |gamma| of each unit, float64 [dim.size], of the dims that pass a normalization."""
    totals: dict[Dim, NDArray[Any]] = {}
    counts: dict[Dim, NDArray[Any]] = {}
    for use in _scales(trace):
        gamma = np.abs(trace.model.array(trace.model.constants[use.constant]).astype(np.float64))
        for sums, values in ((totals, gamma), (counts, np.ones_like(gamma))):
            for dim, by_unit in spread(use.axes[0], values).items():
                sums[dim] = sums.get(dim, 0) + by_unit
    return {dim: total / counts[dim] for dim, total in totals.items()}


def _scales(trace: Trace) -> Iterator[Use]:
    """Yield the stored scales of normalizations, also those that an Identity hands on: exporters merge equal ones."""
    uses = {use.slot: use for use in trace.uses}
    handed_on = {
        (use.slot[0].scope, node.output[0]): use
        for use in trace.uses
        if (node := trace.model.node(use.slot[0])).op_type == "Identity"
    }
    for key, place in _slots(trace):
        name = trace.model.node(key).input[place]
        use = uses.get((key, place)) or handed_on.get((key.scope, name))
        if use is not None and len(use.axes) == 1:
            yield use


def _slots(trace: Trace) -> Iterator[Slot]:
    for scope, graph in trace.model.graphs.items():
        for index, node in enumerate(graph.node):
            if node.op_type in SCALE:
                yield NodeKey(scope, index), SCALE[node.op_type]
    yield from ((norm.node, norm.scale) for norm in trace.record.norms)
