"""Prune small graphs at random and hold them to the masked dense model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask, size
from onnxprune.errors import ModelError
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.tracing import Trace, trace
from onnxprune.verify import verify
from onnxprune.verify.compare import difference
from onnxprune.verify.twin import masked_twin

SEEDS = 3


def needs_onnxruntime_to_run(proto: onnx.ModelProto) -> None:
    """Skip a test of a graph that this version of onnxruntime cannot run even before it is pruned."""
    model = Model(proto)
    try:
        run(model, random_feeds(trace(model), concrete_inputs(model)))
    except ModelError as error:
        pytest.skip(f"this onnxruntime cannot run the dense graph: {error}")


def traced(proto: onnx.ModelProto, dims: Sequence[int]) -> Trace:
    """Trace a graph and compare the sizes of its prunable dims with `dims`, in any order."""
    found = trace(Model(proto))
    assert sorted(dim.size for dim in found.dims) == sorted(dims), found.names
    return found


def computed(found: Trace) -> list[str]:
    """The tensors that nodes of the main graph compute and whose axes are known."""
    outputs = [name for node in found.model.proto.graph.node if node.op_type != "Constant" for name in node.output]
    tensors = {name: found.tensor("", name) for name in outputs if name}
    return [name for name, tensor in tensors.items() if tensor is not None and tensor.axes is not None]


def check_shapes(found: Trace) -> None:
    """What tracing says of a tensor is its shape when the dense model runs, wherever it says a number."""
    names = computed(found)
    feeds = random_feeds(found, concrete_inputs(found.model))
    for name, values in zip(names, run(found.model, feeds, names, optimize=False), strict=True):
        tensor = found.tensor("", name)
        assert tensor is not None and tensor.axes is not None
        sizes = [size(axis) for axis in tensor.axes]
        assert len(sizes) == values.ndim, name
        assert all(length in (None, actual) for length, actual in zip(sizes, values.shape, strict=True)), name


def prove(proto: onnx.ModelProto, dims: Sequence[int], check: bool = True) -> list[onnx.ModelProto]:
    """Prune every dim of a graph at random, a few times: mask == slice in onnxruntime, with the power to see it."""
    needs_onnxruntime_to_run(proto)
    found = traced(proto, dims)
    check_shapes(found)
    pruned, verdicts = [], set()
    for seed in range(SEEDS):
        masks = random_masks(found, seed)
        model, _ = apply_masks(found, masks)
        if check:
            onnx.checker.check_model(model.proto, full_check=True)
        feeds = random_feeds(found, concrete_inputs(found.model), seed)
        verdicts.add(verify(found, masks, model, feeds).verdict)
        pruned.append(model.proto)
    # A draw that leaves single rows everywhere has no weight to damage.
    assert "proved" in verdicts
    return pruned


def prove_by_reference(proto: onnx.ModelProto, dims: Sequence[int]) -> None:
    """As `prove`, where onnxruntime has no kernel: outputs as onnx's own reference computes them."""
    found = traced(proto, dims)
    for seed in range(SEEDS):
        masks = random_masks(found, seed)
        model, _ = apply_masks(found, masks)
        onnx.checker.check_model(model.proto, full_check=True)
        feeds = random_feeds(found, concrete_inputs(found.model), seed)
        twin, _ = masked_twin(found, masks)
        expected, actual = (ReferenceEvaluator(m.proto).run(None, dict(feeds)) for m in (twin, model))
        for e, a in zip(expected, actual, strict=True):
            assert difference(e, a).relative < 1e-4


def random_masks(found: Trace, seed: int) -> Mapping[Dim, Mask]:
    """Drop one unit of every dim that can lose one, with seed 0; some, with another."""
    rng = np.random.default_rng(seed)
    masks = {}
    for dim in found.dims:
        least = found.axes.minimum(dim)
        if dim.size > least:
            mask = np.zeros(dim.size, bool)
            kept = rng.integers(least, dim.size) if seed else dim.size - 1
            mask[rng.permutation(dim.size)[:kept]] = True
            masks[dim] = mask
    return masks
