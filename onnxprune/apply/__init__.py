"""Applying masks: a new model with every weight sliced and every number that was a size rewritten.

Each module here does one kind of change to the draft of the new model; `apply_masks` is their order.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxprune.apply import constants, declarations, norms, numbers, optional
from onnxprune.apply.draft import Changes, Draft
from onnxprune.axes import Dim, Mask
from onnxprune.model import Model
from onnxprune.tracing import Trace

__all__ = ["Changes", "apply_masks"]


def apply_masks(trace: Trace, masks: Mapping[Dim, Mask]) -> tuple[Model, Changes]:
    """Return a new model in which the units that `masks` drop are gone, and what was changed.

    The traced model is left as it is; what does not depend on a shrunk dim is copied unchanged.
    """
    draft = Draft(trace, masks)
    constants.rewrite(draft, {dim: np.flatnonzero(mask) for dim, mask in draft.masks.items()})
    numbers.rewrite(draft)
    norms.correct(draft)
    declarations.rewrite(draft)
    # These two move nodes: from here on a NodeKey of the trace no longer says where a node is.
    draft.insert_nodes()
    optional.drop_inputs(draft)
    declarations.declare_initializers(draft)
    return Model(draft.proto, trace.model.path), draft.changes
