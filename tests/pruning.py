"""Random masks for all dims of a trace, and pruning by them with everything checked."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from older_versions import check_model
from proof import needs_onnxruntime_to_run

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.tracing import Trace
from onnxprune.verify import Verification, verify


def mask_of(dim: Dim, kept: int, rng: np.random.Generator) -> Mask:
    """A random mask that keeps `kept` units."""
    mask = np.zeros(dim.size, bool)
    mask[rng.choice(dim.size, kept, replace=False)] = True
    return mask


def random_masks(trace: Trace, seed: int) -> dict[Dim, Mask]:
    """Masks that keep a random number of units of every dim, and remove at least one where that is allowed."""
    rng = np.random.default_rng(seed)
    masks = {}
    for dim in trace.dims:
        least = trace.axes.minimum(dim)
        masks[dim] = mask_of(dim, int(rng.integers(least, max(dim.size, least + 1))), rng)
    return masks


def smallest_masks(trace: Trace, seed: int) -> dict[Dim, Mask]:
    """Masks that keep as few units of every dim as is allowed."""
    rng = np.random.default_rng(seed)
    return {dim: mask_of(dim, trace.axes.minimum(dim), rng) for dim in trace.dims}


def largest_masks(trace: Trace, seed: int) -> dict[Dim, Mask]:
    """Masks that remove one unit of every dim that may lose one."""
    rng = np.random.default_rng(seed)
    least = trace.axes.minimum
    return {dim: mask_of(dim, max(dim.size - 1, least(dim)), rng) for dim in trace.dims}


def prune_and_check(trace: Trace, masks: Mapping[Dim, Mask]) -> tuple[Model, Verification]:
    """As `prune_checked`, where this onnxruntime can run the dense model."""
    needs_onnxruntime_to_run(trace.model.proto)
    return prune_checked(trace, masks)


def prune_checked(trace: Trace, masks: Mapping[Dim, Mask], seed: int = 0) -> tuple[Model, Verification]:
    """Prune, and check that the result is valid, has the same interface, and computes what the masked model does."""
    before = trace.model.proto.SerializeToString(deterministic=True)
    pruned, _ = apply_masks(trace, masks)
    assert trace.model.proto.SerializeToString(deterministic=True) == before, "the traced model has changed"
    check_model(pruned.proto)
    assert interface(pruned) == interface(trace.model)
    return pruned, verify(trace, masks, pruned, random_feeds(trace, concrete_inputs(trace.model), seed))


def interface(model: Model) -> list[bytes]:
    """The inputs and outputs of a model that are not weights."""
    stored = {tensor.name for tensor in model.proto.graph.initializer}
    infos = [info for info in model.proto.graph.input if info.name not in stored] + list(model.proto.graph.output)
    return [info.SerializeToString(deterministic=True) for info in infos]


def frozen_reasons(trace: Trace) -> str:
    """Why anything in the weights and tensors of a trace is frozen, one reason a line."""
    from onnxprune.axes import reasons

    axes = [axis for use in trace.uses for axis in use.axes]
    axes += [axis for tensor in trace.tensors.values() for axis in tensor.axes or ()]
    return "\n".join(dict.fromkeys(reason for axis in axes for reason in reasons(axis)))
