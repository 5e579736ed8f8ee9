"""The conscience: random graphs, random masks, and the pruned model equals the masked dense one."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from random_graphs import grow, steps

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.cost import Cost
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.tracing import Trace, trace
from onnxprune.verify import verify

Drawn = list[tuple[int, int, int, int]]
SEEDS = st.integers(0, 1_000)
CALM = {"deadline": None, "derandomize": True, "suppress_health_check": list(HealthCheck)}


def random_masks(found: Trace, seed: int) -> dict[Dim, Mask]:
    """Masks that keep a random number of units of every dim, at least as many as it must."""
    rng = np.random.default_rng(seed)
    masks = {}
    for dim in found.dims:
        kept = int(rng.integers(found.axes.minimum(dim), dim.size + 1))
        masks[dim] = np.isin(np.arange(dim.size), rng.permutation(dim.size)[:kept])
    return masks


def prove(drawn: Drawn, seed: int, norms: bool = False) -> None:
    proto = grow(drawn, norms, seed)
    onnx.checker.check_model(proto, full_check=True)
    found = trace(Model(proto), allow_norm=norms)
    masks = random_masks(found, seed)
    pruned, _ = apply_masks(found, masks)
    onnx.checker.check_model(pruned.proto, full_check=True)
    assert [i.SerializeToString() for i in pruned.proto.graph.output] == [
        i.SerializeToString() for i in proto.graph.output
    ]
    result = verify(found, masks, pruned, random_feeds(found, concrete_inputs(found.model), seed))
    event(result.verdict)
    cost, counts = Cost(found, {}), {dim: int(mask.sum()) for dim, mask in masks.items()}
    after = Cost(trace(pruned), {})
    # Of a model on its own, a factor of one element does not count as a parameter: it is only a number.
    numbers = sum(pruned.array(tensor).size == 1 for tensor in pruned.tensors())
    assert abs(cost.params(counts) - after.params({})) <= numbers
    assert cost.macs(counts) == after.macs({})


@settings(max_examples=60, **CALM)
@given(steps, SEEDS)
def test_pruned_equals_masked_on_random_graphs(drawn: Drawn, seed: int) -> None:
    prove(drawn, seed)


@settings(max_examples=30, **CALM)
@given(steps, SEEDS)
def test_pruned_equals_masked_where_norms_may_shrink(drawn: Drawn, seed: int) -> None:
    prove(drawn, seed, norms=True)


@pytest.mark.slow
@settings(max_examples=1_500, **CALM)
@given(steps, SEEDS)
def test_pruned_equals_masked_on_many_random_graphs(drawn: Drawn, seed: int) -> None:
    prove(drawn, seed)


@pytest.mark.slow
@settings(max_examples=500, **CALM)
@given(steps, SEEDS)
def test_pruned_equals_masked_on_many_graphs_with_norms(drawn: Drawn, seed: int) -> None:
    prove(drawn, seed, norms=True)
