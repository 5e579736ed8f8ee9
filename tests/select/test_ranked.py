"""What a dim loses at each width: by saliency itself, by rank within the dim or its kind, or as it was measured."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, plain, traced

from onnxprune.criteria import Saliency
from onnxprune.model import Model
from onnxprune.select.losses import LARGEST, kind_of, ranked
from onnxprune.tracing import Trace, trace

SCOPES = ("global", "layer", "kind")


def saliency_of(found: Trace, seed: int = 0) -> Saliency:
    rng = np.random.default_rng(seed)
    return {dim: rng.lognormal(0, 2, dim.size) for dim in found.dims}


def blocks(count: int) -> Trace:
    """Residual blocks that are alike: a 1x1 layer into a hidden width, a depthwise one, and a 1x1 layer out of it."""
    net = Net()
    x = net.conv("stem", "x", 8, 3)
    for n in range(count):
        hidden = net.relu(net.conv(f"in{n}", x, 12 + 4 * n))
        hidden = net.relu(net.conv(f"depthwise{n}", hidden, 12 + 4 * n, 3, group=12 + 4 * n))
        x = net.node("Add", [x, net.conv(f"out{n}", hidden, 8)], f"sum{n}")
    return traced(net.model(net.head(x)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.sampled_from(SCOPES))
def test_nothing_is_lost_at_the_full_width_and_never_less_with_more_units_gone(seed: int, scope: str) -> None:
    found = blocks(2)
    for dim, units in ranked(found, found.dims, saliency_of(found, seed), scope, {}).items():
        assert units.loss.shape == (dim.size + 1,)
        assert units.loss[0] == 0 and np.all(np.diff(units.loss) >= 0)


@pytest.mark.parametrize("scope", SCOPES)
def test_the_least_salient_units_go_first_in_any_scope(scope: str) -> None:
    found = blocks(2)
    saliency = saliency_of(found)
    for dim, units in ranked(found, found.dims, saliency, scope, {}).items():
        for kept in range(dim.size + 1):
            mask = units.mask(kept)
            assert mask.sum() == kept
            assert not kept or kept == dim.size or saliency[dim][~mask].max() <= saliency[dim][mask].min()


def test_global_losses_are_sums_of_saliency() -> None:
    found = traced(plain())
    saliency = saliency_of(found)
    for dim, units in ranked(found, found.dims, saliency, "global", {}).items():
        assert units.loss[-1] == pytest.approx(saliency[dim].sum())
        assert units.loss[1] == saliency[dim].min()


def test_layer_losses_are_the_same_for_the_same_share_of_any_dim() -> None:
    found = traced(plain())
    units = ranked(found, found.dims, saliency_of(found), "layer", {})
    for dim, own in units.items():
        assert np.diff(own.loss) == pytest.approx(np.arange(1, dim.size + 1) / dim.size)


def test_kind_losses_are_ranks_among_all_units_of_the_kind() -> None:
    found = blocks(2)
    hidden = [dim for dim in found.dims if found.names[dim].startswith("in")]
    saliency = saliency_of(found)
    saliency[hidden[0]] = np.linspace(1, 2, hidden[0].size)
    saliency[hidden[1]] = np.linspace(10, 20, hidden[1].size)
    units = ranked(found, found.dims, saliency, "kind", {})
    whole = sum(dim.size for dim in hidden)
    assert np.diff(units[hidden[0]].loss) == pytest.approx(np.arange(1, hidden[0].size + 1) / whole)
    assert np.diff(units[hidden[1]].loss)[-1] == pytest.approx(1.0)


def test_the_scale_of_a_kind_does_not_matter_to_the_others() -> None:
    found = blocks(2)
    saliency = saliency_of(found)
    stem = found.dims[0]
    before = ranked(found, found.dims, saliency, "kind", {})
    after = ranked(found, found.dims, {**saliency, stem: 1e6 * saliency[stem]}, "kind", {})
    assert all(np.array_equal(before[dim].loss, after[dim].loss) for dim in found.dims)


def test_measured_losses_stand_as_they_are() -> None:
    found = traced(plain())
    first, second = found.dims
    measured = {first: np.linspace(0, 1, first.size + 1) ** 2}
    saliency = saliency_of(found)
    units = ranked(found, found.dims, saliency, "global", measured)
    assert np.array_equal(units[first].loss, measured[first])
    assert units[second].loss[-1] == pytest.approx(saliency[second].sum())
    assert np.array_equal(units[first].order, np.argsort(saliency[first]))


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_units_without_a_number_are_worth_most(odd: float) -> None:
    found = traced(plain())
    saliency = saliency_of(found)
    dim = found.dims[0]
    saliency[dim][3] = odd
    units = ranked(found, found.dims, saliency, "global", {})[dim]
    assert units.order[-1] == 3
    assert np.isfinite(units.loss).all() and units.loss[-1] == pytest.approx(LARGEST)
    assert units.loss[-2] < 1e9


@pytest.mark.parametrize("odd", [np.inf, np.nan])
def test_a_width_that_was_measured_to_break_the_model_is_worth_most(odd: float) -> None:
    found = traced(plain())
    dim = found.dims[0]
    measured = {dim: np.append(np.arange(dim.size) / 100, odd)}
    assert ranked(found, found.dims, saliency_of(found), "global", measured)[dim].loss[-1] == LARGEST


def test_a_dim_that_is_left_out_gets_no_losses() -> None:
    found = traced(plain())
    assert set(ranked(found, found.dims[:1], saliency_of(found), "kind", {})) == {found.dims[0]}


# Kinds


def test_the_same_place_of_repeated_blocks_is_one_kind() -> None:
    found = blocks(3)
    hidden = [dim for dim in found.dims if found.names[dim].startswith("in")]
    assert len(hidden) == 3 and len({kind_of(found, dim) for dim in hidden}) == 1


def test_different_places_are_different_kinds() -> None:
    found = blocks(1)
    assert len({kind_of(found, dim) for dim in found.dims}) == len(found.dims) == 2


def test_a_residual_width_is_one_kind_however_many_blocks_it_runs_through() -> None:
    kinds = [{kind_of(found, found.dims[0])} for found in (blocks(1), blocks(4))]
    assert kinds[0] == kinds[1]


def test_queries_and_hidden_units_of_a_transformer_are_different_kinds() -> None:
    g = Graph()
    x = g.input(2, 5, 8)
    q, k, v = (g.linear(x, 8) for _ in range(3))
    scores = g.add("Softmax", g.add("MatMul", q, g.transpose(k, 0, 2, 1)), axis=-1)
    attended = g.linear(g.add("MatMul", scores, v), 8)
    g.output(g.linear(g.add("Relu", g.add("Add", g.linear(attended, 16), g.weight(16))), 8))
    found = trace(Model(g.model()))
    kinds = {dim: kind_of(found, dim) for dim in found.dims}
    # Queries with keys are written twice and never read; hidden units have a bias.
    assert len(set(kinds.values())) == len(found.dims) - 1
