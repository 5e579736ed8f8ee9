"""The conscience: random graphs, random masks, and the pruned model equals the masked dense one."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from pruning import mask_of, prune_checked, random_masks
from random_graphs import NORMS, STEPS, Drawn, Opening, drawn, grow, openings

from onnxprune.axes import Dim, Mask, keep
from onnxprune.cost import Cost
from onnxprune.model import Model
from onnxprune.parameters import parameter_uses
from onnxprune.tracing import Trace, trace

SEEDS = st.integers(0, 1_000)

EVERY_STEP = [*STEPS, *NORMS]
MOSTLY_NORMS = [*STEPS, *list(NORMS) * 10]

ENOUGH = 0.9
"""Of all runs, this part at least must have had a damaged weight seen: a draw may leave nothing to damage."""


def some_masks(found: Trace, seed: int) -> dict[Dim, Mask]:
    """Random masks, of which up to half are left out again: those dims stay whole.

    The largest dim keeps half of its units: a weight that is left with a single row cannot show damage.
    """
    masks, rng = random_masks(found, seed), np.random.default_rng(seed)
    dims = sorted(masks, key=lambda dim: dim.size)
    others, largest = dims[:-1], dims[-1:]
    for dim in largest:
        masks[dim] = mask_of(dim, max(found.axes.minimum(dim), dim.size // 2), rng)
    for place in rng.permutation(len(others))[: rng.integers(len(dims) // 2 + 1)]:
        del masks[others[place]]
    return masks


def prove(proto: onnx.ModelProto, seed: int, allow_norm: bool = False) -> bool:
    """Prune a graph at random, check the result in every way, and return whether damage would have been seen."""
    onnx.checker.check_model(proto, full_check=True)
    found = trace(Model(proto), allow_norm=allow_norm)
    masks = some_masks(found, seed)
    pruned, result = prune_checked(found, masks, seed)
    assert result.not_compared == ()
    check_cost(found, masks, pruned)
    return result.verdict == "proved" and result.power > 0


def text_of(proto: onnx.ModelProto) -> str:
    """The graph as text, without its weights."""
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    del bare.graph.initializer[:], bare.graph.value_info[:]
    return onnx.printer.to_text(bare)


def check_cost(found: Trace, masks: dict[Dim, Mask], pruned: Model) -> None:
    """What the kept counts are said to cost is what the pruned model costs on its own."""
    cost, counts = Cost(found, {}), {dim: int(mask.sum()) for dim, mask in masks.items()}
    after = Cost(trace(pruned), {})
    assert cost.macs(counts) == after.macs({})
    # Of a model on its own, a factor of one element does not count as a parameter: it is only a number.
    numbers = sum(pruned.array(tensor).size == 1 for tensor in pruned.tensors())
    assert 0 <= cost.params(counts) - shared_after_all(found, masks) - after.params({}) <= numbers


def shared_after_all(found: Trace, masks: dict[Dim, Mask]) -> int:
    """Elements of copies that counts alone take to be needed: of uses that could shrink apart, and keep the same."""
    ways = {(use.constant, use.axes) for use in parameter_uses(found)}
    copies = Counter((key, tuple(tuple(np.flatnonzero(keep(axis, masks))) for axis in axes)) for key, axes in ways)
    sizes = {(key, kept): math.prod(map(len, kept)) for key, kept in copies}
    dense = {key: math.prod(found.model.constants[key].dims) for key, _ in copies}
    return sum((n - 1) * sizes[key, kept] for (key, kept), n in copies.items() if sizes[key, kept] < dense[key])


def prove_many(names: list[str], examples: int, allow_norm: bool = False) -> None:
    """Prove as many random graphs, and that damage would have been seen in almost all of them."""
    seen: list[bool] = []

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(openings, drawn(names), SEEDS)
    def run(opening: Opening, steps: Drawn, seed: int) -> None:
        proto = grow(opening, steps, seed)
        note(text_of(proto))
        seen.append(prove(proto, seed, allow_norm))

    run()
    assert np.mean(seen) >= ENOUGH


def test_pruned_equals_masked_on_random_graphs() -> None:
    prove_many(EVERY_STEP, 60)


def test_pruned_equals_masked_where_norms_may_shrink() -> None:
    prove_many(MOSTLY_NORMS, 30, allow_norm=True)


@pytest.mark.slow
def test_pruned_equals_masked_on_many_random_graphs() -> None:
    prove_many(EVERY_STEP, 1_500)


@pytest.mark.slow
def test_pruned_equals_masked_on_many_graphs_with_norms() -> None:
    prove_many(MOSTLY_NORMS, 500, allow_norm=True)


@pytest.mark.parametrize("name", EVERY_STEP)
def test_every_kind_of_step_can_be_proved_alone(name: str) -> None:
    assert any(prove(grow(Opening(), [(name, 0, 5, 4)]), seed) for seed in range(2))
