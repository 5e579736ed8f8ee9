"""The guard: a model whose channels were reordered computes what it did before."""

from __future__ import annotations

from dataclasses import replace

from onnxprune.axes import free_dims
from onnxprune.errors import VerificationError
from onnxprune.model import Model, NodeKey
from onnxprune.runtime import Feeds
from onnxprune.tracing import Trace
from onnxprune.verify import Verification, verify


def same_outputs(trace: Trace, reordered: Model, feeds: Feeds) -> Verification:
    """Run the traced model and a reordered one on the same inputs and compare them, as `verify` does.

    Compared are the outputs, and what the last layers give whose channels cannot be reordered: those stand in front of
    choices (the best of many boxes), behind which rounding can tip the balance. Raises `VerificationError` where
    anything is off by more than rounding allows, `ModelError` where a model cannot be run.
    """
    in_place = replace(trace, work=tuple(work for work in trace.work if _stays(trace, work.node)))
    try:
        found = verify(in_place, {}, reordered, feeds)
    except VerificationError as error:
        raise VerificationError(
            "with its channels in another order the model does not compute what it did; this is a mistake of "
            "onnxprune's. Nothing was written; please report it. --no-permute leaves the channels where they are",
            error.after_a_choice,
        ) from error
    return replace(found, nothing_shrank=False)  # nothing did, and yet there was something to show


def _stays(trace: Trace, key: NodeKey) -> bool:
    """Whether what a node computes stands in the same order in every model."""
    tensor = trace.tensor(key.scope, trace.model.node(key).output[0])
    return tensor is not None and tensor.axes is not None and not any(map(free_dims, tensor.axes))
