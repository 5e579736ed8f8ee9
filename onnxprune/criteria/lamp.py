"""Layer-adaptive magnitude: what a unit weighs beside the units that would outlive it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.criteria.magnitude import squares_of
from onnxprune.criteria.registry import Evidence, Saliency, criterion


@criterion("lamp")
def lamp(evidence: Evidence) -> Saliency:
    """Return w_u^2 / sum w_v^2 over the units v of the dim with |w_v| >= |w_u|, where w_u is the unit's `l2` norm.

    Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", 2021, with units for weights. The
    scores are made to be compared across dims as they are: the heaviest unit of each dim has 1, and a wide dim, whose
    light units are outlived by many, has lower ones.
    """
    return {dim: _beside_survivors(squares) for dim, squares in squares_of(evidence.trace).items()}


def _beside_survivors(squares: NDArray[Any]) -> NDArray[Any]:
    ascending = np.sort(squares)
    at_least = np.cumsum(ascending[::-1])[::-1]
    survivors = at_least[np.searchsorted(ascending, squares)]
    return np.asarray(squares / np.maximum(survivors, np.finfo(np.float64).tiny))
