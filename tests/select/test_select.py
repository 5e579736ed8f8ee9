"""Selection: budgets are met with the fewest units, scopes and limits hold, and failure says how far it got."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, branchy, plain, random_net, shared_scale, traced, unprunable

from onnxprune.axes import Dim
from onnxprune.cost import Cost, cost_of
from onnxprune.criteria import Saliency, score
from onnxprune.errors import BudgetError
from onnxprune.options import Options
from onnxprune.select import Losses, Selection, select
from onnxprune.tracing import Trace

networks = st.builds(
    random_net,
    seed=st.integers(0, 9),
    widths=st.lists(st.integers(2, 12), min_size=2, max_size=4),
    residual=st.booleans(),
    group=st.sampled_from([1, 2]),
)


def selected(proto: onnx.ModelProto, amount: float = 0.4, **options: Any) -> tuple[Trace, Cost, Selection]:
    found = traced(proto)
    chosen = Options(**{"amount": amount, "criterion": "l2", "round_to": "none", **options})
    cost = cost_of(found)
    return found, cost, chosen_by(found, score(found, chosen.criterion, chosen.seed), cost, chosen)


def chosen_by(found: Trace, saliency: Saliency, cost: Cost, options: Options) -> Selection:
    return select(found, Losses(saliency), cost, options, options.limits())


def kept(found: Trace, selection: Selection) -> dict[str, int]:
    return {
        found.names[dim]: int(selection.masks[dim].sum()) if dim in selection.masks else dim.size for dim in found.dims
    }


def reached(cost: Cost, budget: str, counts: dict[Dim, int]) -> float:
    measure = cost.measures[budget]
    return 1 - measure.at(counts) / measure.dense


@settings(deadline=None, max_examples=60)
@given(
    networks, st.floats(0, 0.9), st.sampled_from(["params", "macs", "channels"]), st.sampled_from(["global", "layer"])
)
def test_the_amount_is_met_and_one_unit_less_would_not_meet_it(
    proto: onnx.ModelProto, amount: float, budget: str, scope: str
) -> None:
    found, cost, selection = selected(proto, amount, budget=budget, scope=scope, best_effort=True)
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    assert selection.hardest.removed == pytest.approx(reached(cost, budget, counts))
    if selection.hardest.removed >= amount - 1e-9:
        less = [reached(cost, budget, {**counts, dim: counts[dim] + 1}) for dim in counts]
        assert not counts or min(less) < amount
    else:
        assert all(counts.get(dim, dim.size) == found.axes.minimum(dim) for dim in found.dims)


@settings(deadline=None, max_examples=25)
@given(networks, st.floats(0.05, 0.6), st.sampled_from([1, 2, 4]), st.integers(1, 3))
def test_widths_are_multiples_and_never_below_the_minimum(
    proto: onnx.ModelProto, amount: float, round_to: int, minimum: int
) -> None:
    found, _, selection = selected(proto, amount, round_to=round_to, min_channels=minimum, best_effort=True)
    for dim, mask in selection.masks.items():
        assert mask.sum() % round_to == 0
        assert mask.sum() >= min(dim.size, max(minimum, found.axes.minimum(dim)))
        assert mask.shape == (dim.size,) and not mask.all()


@settings(deadline=None, max_examples=25)
@given(networks, st.floats(0.05, 0.7))
def test_the_least_salient_units_of_each_dim_go_first(proto: onnx.ModelProto, amount: float) -> None:
    found, _, selection = selected(proto, amount, best_effort=True)
    saliency = score(found, "l2", 0)
    for dim, mask in selection.masks.items():
        assert saliency[dim][~mask].max() <= saliency[dim][mask].min()


def test_global_scope_ranks_all_units_together() -> None:
    found = traced(plain())
    first, second = found.dims
    low: Saliency = {first: np.full(first.size, 0.1), second: np.ones(second.size)}
    selection = chosen_by(found, low, cost_of(found), Options(round_to="none", amount=0.3, scope="global"))
    assert set(selection.masks) == {first}


def test_layer_scope_removes_evenly() -> None:
    found = traced(plain())
    uneven: Saliency = {dim: np.arange(dim.size) * 10.0**place for place, dim in enumerate(found.dims)}
    selection = chosen_by(found, uneven, cost_of(found), Options(round_to="none", amount=0.4, scope="layer"))
    shares = [selection.masks[dim].sum() / dim.size for dim in found.dims]
    assert max(shares) - min(shares) <= 1 / min(dim.size for dim in found.dims)


def test_the_channel_budget_counts_units_of_every_dim() -> None:
    found, _, selection = selected(branchy(), 0.5, budget="channels")
    widths = kept(found, selection)
    assert sum(widths.values()) == sum(dim.size for dim in found.dims) / 2
    assert all(abs(widths[found.names[dim]] - dim.size / 2) <= 1 for dim in found.dims)


@pytest.mark.parametrize("budget", ["params", "macs", "channels"])
def test_each_budget_is_met_in_its_own_unit(budget: str) -> None:
    _, cost, selection = selected(branchy(), 0.4, budget=budget)
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    assert reached(cost, budget, counts) >= 0.4


def test_a_dim_narrower_than_the_rounding_keeps_what_it_has() -> None:
    found, _, selection = selected(plain(), 0.05, round_to=10)
    assert kept(found, selection) == {"conv1.weight[0]": 8, "conv2.weight[0]": 10}


def test_no_dim_loses_more_than_max_layer_amount() -> None:
    found, _, selection = selected(plain(), 0.9, max_layer_amount=0.25, best_effort=True)
    assert kept(found, selection) == {"conv1.weight[0]": 6, "conv2.weight[0]": 9}


def test_no_dim_goes_below_min_channels() -> None:
    found, _, selection = selected(plain(), 0.9, min_channels=5, best_effort=True)
    assert kept(found, selection) == {"conv1.weight[0]": 5, "conv2.weight[0]": 5}


@pytest.mark.parametrize("glob", ["conv1.weight", "conv1.weight[[]0]", "conv1", "conv1*", "bn1", "bn1.var", "*.mean"])
def test_exclude_takes_globs_on_dims_tensors_and_nodes(glob: str) -> None:
    found, _, selection = selected(plain(), 0.2, exclude=(glob,))
    assert {found.names[dim] for dim in selection.masks} == {"conv2.weight[0]"}
    assert list(selection.protected.values()) == [f"--exclude {glob}"]


@pytest.mark.parametrize("glob", ["conv1.bias", "bn1", "bn*", "conv1.weight"])
def test_include_takes_globs_on_dims_tensors_and_nodes(glob: str) -> None:
    found, _, selection = selected(plain(), 0.2, include=(glob,))
    assert {found.names[dim] for dim in selection.masks} == {"conv1.weight[0]"}
    assert list(selection.protected.values()) == ["not named by --include"]


def test_exclude_wins_over_include() -> None:
    found, _, selection = selected(plain(), 0.2, include=("*",), exclude=("conv1.bias",))
    assert {found.names[dim] for dim in selection.masks} == {"conv2.weight[0]"}


def test_a_budget_that_cannot_be_met_says_how_far_it_got_and_what_stopped_it() -> None:
    with pytest.raises(BudgetError) as failure:
        selected(plain(), 0.9, exclude=("conv1*",), min_channels=4)
    most = selected(plain(), 0.9, exclude=("conv1*",), min_channels=4, best_effort=True)[2].hardest.removed
    for part in ("90%", "params", f"{most:.1%}", "1 protected", "--exclude", "--min-channels", "--best-effort"):
        assert part in str(failure.value)
    assert "\n" not in str(failure.value)


def test_nothing_to_prune_is_an_error_or_with_best_effort_an_empty_selection() -> None:
    with pytest.raises(BudgetError, match="0 prunable dims"):
        selected(unprunable(), 0.1)
    assert selected(unprunable(), 0.1, best_effort=True)[2].masks == {}


def test_an_amount_missed_by_less_than_a_hundredth_is_met() -> None:
    most = selected(plain(), 0.99, best_effort=True)[2].hardest.removed
    assert selected(plain(), most + 0.005)[2].hardest.removed == most
    with pytest.raises(BudgetError):
        selected(plain(), most + 0.02)


@pytest.mark.parametrize("network", [plain, branchy, shared_scale, unprunable])
def test_amount_0_removes_nothing(network: Any) -> None:
    assert selected(network(), 0)[2].masks == {}


def test_amount_0_removes_nothing_where_a_first_removal_would_cost_a_copy() -> None:
    net = Net(channels=1)
    net.store("scale", np.ones((64, 1, 1), np.float32))
    branches = []
    for n in range(3):
        scaled = net.node("Mul", [net.conv(f"up{n}", "x", 64, bias=False), "scale"], f"scaled{n}")
        branches.append(net.conv(f"down{n}", scaled, 1, bias=False))
    proto = net.model(net.node("Sum", branches, "y"), [2, 1, 5, 5])
    assert selected(proto, 0)[2].masks == {}


def test_ties_are_broken_the_same_way_each_time() -> None:
    found = traced(branchy())
    flat: Saliency = {dim: np.ones(dim.size) for dim in found.dims}
    first, second = (chosen_by(found, flat, cost_of(found), Options(round_to="none", amount=0.3)) for _ in range(2))
    assert first.masks.keys() == second.masks.keys()
    assert all(np.array_equal(mask, second.masks[dim]) for dim, mask in first.masks.items())


def test_the_same_seed_chooses_the_same_and_another_seed_something_else() -> None:
    chosen = [selected(branchy(), 0.4, criterion="random", seed=seed)[2].masks for seed in (1, 1, 2)]
    texts = [{dim.id: mask.tolist() for dim, mask in masks.items()} for masks in chosen]
    assert texts[0] == texts[1] != texts[2]
