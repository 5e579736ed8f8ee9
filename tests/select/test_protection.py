"""Which dims stay whole, and what the others keep at least."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, branchy, plain, traced

from onnxprune.cost import cost_of
from onnxprune.criteria import Saliency
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.select import Losses, Selection, select
from onnxprune.select.protection import first_dims, floors, protected
from onnxprune.tracing import Trace, trace


def names(found: Trace, dims: set[object]) -> set[str]:
    return {found.names[dim] for dim in found.dims if dim in dims}


def first(found: Trace) -> set[str]:
    return names(found, set(first_dims(found)))


def chosen(found: Trace, saliency: Saliency, amount: float, **options: object) -> Selection:
    asked = Options(**{"amount": amount, "round_to": "none", **options})  # type: ignore[arg-type]
    return select(found, Losses(saliency), cost_of(found), asked, asked.limits())


def kept(found: Trace, selection: Selection) -> dict[str, int]:
    masks = selection.masks
    return {found.names[dim]: int(masks[dim].sum()) if dim in masks else dim.size for dim in found.dims}


# First layers


def test_the_first_layer_is_the_one_with_none_before_it() -> None:
    assert first(traced(plain())) == {"conv1.weight[0]"}
    assert first(traced(branchy())) == {"conv1.weight[0]"}


def test_layers_side_by_side_on_the_input_are_all_first() -> None:
    net = Net()
    both = net.node("Concat", [net.conv("left", "x", 4), net.conv("right", "x", 6)], "both", 10, axis=1)
    found = traced(net.model(net.head(net.conv("next", both, 8))))
    assert first(found) == {"left.weight[0]", "right.weight[0]"}


def test_what_stands_before_the_first_layer_and_multiplies_nothing_does_not_count() -> None:
    net = Net()
    x = net.node("Mul", ["x", net.weight("scale", 3, 1, 1)], "scaled")
    found = traced(net.model(net.head(net.conv("conv", net.relu(x), 8))))
    assert first(found) == {"conv.weight[0]"}


def test_a_table_of_embeddings_is_no_layer() -> None:
    g = Graph()
    table = g.add("Gather", g.weight(9, 6), g.input(2, 5, dtype=onnx.TensorProto.INT64))
    g.output(g.linear(g.add("Relu", g.linear(table, 12)), 3))
    found = trace(Model(g.model()))
    assert sorted(dim.size for dim in first_dims(found)) == [12]


def test_a_model_without_layers_has_no_first_ones() -> None:
    g = Graph()
    g.output(g.add("Relu", g.image()))
    assert first_dims(trace(Model(g.model()))) == set()


# Floors


def test_first_layers_keep_half_and_others_what_may_not_go() -> None:
    found = traced(plain())
    lowest = {found.names[dim]: floor for dim, floor in floors(found, Options(), 0.9).items()}
    assert lowest == {"conv1.weight[0]": 4, "conv2.weight[0]": 2}


def test_where_all_may_go_one_unit_stays() -> None:
    found = traced(plain())
    assert set(floors(found, Options(), 1.0).values()) == {1}


def test_the_share_of_ones_own_counts_for_first_layers_too() -> None:
    found = traced(plain())
    options = Options(max_layer_amount=0.75)
    lowest = {found.names[dim]: floor for dim, floor in floors(found, options, 0.75).items()}
    assert lowest == {"conv1.weight[0]": 2, "conv2.weight[0]": 3}


@pytest.mark.parametrize(("size", "floor"), [(10, 1), (11, 2), (20, 2), (30, 3), (3, 1)])
def test_a_share_is_rounded_up_to_whole_units_and_not_by_rounding_of_floats(size: int, floor: int) -> None:
    net = Net()
    found = traced(net.model(net.head(net.conv("second", net.conv("first", "x", 4), size))))
    assert floors(found, Options(), 0.9)[found.dims[1]] == floor


def test_no_floor_is_above_what_a_dim_has() -> None:
    found = traced(plain())
    assert {dim: dim.size for dim in found.dims} == floors(found, Options(min_channels=100), 0.9)


def test_the_first_layer_keeps_half_of_worthless_units_while_the_budget_can_be_met() -> None:
    found = traced(plain())
    head, other = found.dims
    saliency: Saliency = {head: np.full(head.size, 1e-9), other: np.ones(other.size)}
    assert kept(found, chosen(found, saliency, 0.4))["conv1.weight[0]"] == 4


def test_the_first_layer_gives_up_more_where_the_budget_cannot_be_met_otherwise() -> None:
    found = traced(plain())
    saliency: Saliency = {dim: np.ones(dim.size) for dim in found.dims}
    selection = chosen(found, saliency, 0.9)
    assert selection.is_met
    assert kept(found, selection)["conv1.weight[0]"] < 4


# Protected


def reasons(found: Trace, **options: object) -> dict[str, str]:
    return {found.names[dim]: reason for dim, reason in protected(found, Options(**options)).items()}  # type: ignore[arg-type]


def test_nothing_is_protected_unless_asked() -> None:
    assert reasons(traced(plain())) == {}


def test_the_glob_that_excluded_a_dim_is_named() -> None:
    assert reasons(traced(plain()), exclude=("nothing", "bn?")) == {"conv1.weight[0]": "--exclude bn?"}


def test_globs_tell_capitals_from_small_letters() -> None:
    assert reasons(traced(plain()), exclude=("CONV1*",)) == {}


def test_include_protects_what_it_does_not_name() -> None:
    assert reasons(traced(plain()), include=("conv1.bias",)) == {"conv2.weight[0]": "not named by --include"}


def fourier() -> Trace:
    """A product with a Fourier basis, which was never trained, before a layer that was."""
    g = Graph()
    places = np.arange(32)
    basis = np.cos(2 * np.pi * np.outer(places, places) / 32).astype(np.float32)
    x = g.add("MatMul", g.input(2, 32), g.store(basis))
    g.output(g.gemm(g.add("Relu", g.gemm(g.add("Relu", x), 12)), 3))
    return trace(Model(g.model()))


def test_fixed_mathematics_is_protected_unless_it_is_named() -> None:
    found = fourier()
    ((name, reason),) = reasons(found).items()
    assert found.names[next(dim for dim in found.dims if dim.size == 32)] == name
    assert "stored" in reason and "--include" in reason
    assert reasons(found, include=("*",)) == {}


def test_protected_dims_are_not_pruned_and_are_told_of() -> None:
    found = fourier()
    saliency: Saliency = {dim: np.ones(dim.size) for dim in found.dims}
    selection = chosen(found, saliency, 0.3, best_effort=True)
    assert {dim.size for dim in selection.masks} == {12}
    assert {dim.size for dim in selection.protected} == {32}


def test_where_losses_were_measured_the_dims_that_were_not_stay_whole() -> None:
    found = traced(plain())
    measured = {found.dims[0]: np.linspace(0, 1, found.dims[0].size + 1)}
    saliency: Saliency = {dim: np.ones(dim.size) for dim in found.dims}
    asked = Options(amount=0.3, round_to="none", best_effort=True)
    selection = select(found, Losses(saliency, measured=measured), cost_of(found), asked, asked.limits())
    assert set(selection.masks) == {found.dims[0]}
    assert set(selection.protected) == {found.dims[1]}
