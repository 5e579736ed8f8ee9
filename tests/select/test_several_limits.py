"""Limits on several measures, relative and absolute: all of them hold, and the hardest is the one that is told of."""

from __future__ import annotations

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, branchy, plain, random_net, traced, unprunable

from onnxprune.cost import Cost, cost_of
from onnxprune.criteria import score
from onnxprune.errors import BudgetError
from onnxprune.limits import Limit
from onnxprune.options import Options
from onnxprune.select import Losses, Selection, select

MEASURES = ("params", "macs", "size", "channels")


def chosen(
    proto: onnx.ModelProto, limits: list[Limit], is_loss: bool = True, **options: object
) -> tuple[Cost, Selection]:
    found = traced(proto)
    cost = cost_of(found)
    asked = Options(**{"round_to": "none", "best_effort": True, **options})  # type: ignore[arg-type]
    return cost, select(found, Losses(score(found, "lamp", 0), is_loss), cost, asked, limits)


def left(cost: Cost, selection: Selection, measure: str) -> float:
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    return float(cost.measures[measure].at(counts))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 9),
    st.lists(st.integers(4, 12), min_size=2, max_size=4),
    st.dictionaries(st.sampled_from(MEASURES), st.floats(0.5, 1.2), min_size=1),
    st.booleans(),
)
def test_all_limits_hold_where_they_are_said_to(
    seed: int, widths: list[int], shares: dict[str, float], is_loss: bool
) -> None:
    limits = [Limit(measure, share, is_relative=True) for measure, share in shares.items()]
    cost, selection = chosen(random_net(seed, widths), limits, is_loss)
    assert {reached.measure for reached in selection.limits} == shares.keys()
    for reached in selection.limits:
        dense = cost.measures[reached.measure].dense
        assert reached.removed == pytest.approx(1 - left(cost, selection, reached.measure) / dense)
        assert reached.requested == pytest.approx(1 - shares[reached.measure])
    if selection.overshoot >= 0:
        assert all(
            left(cost, selection, measure) <= share * cost.measures[measure].dense * (1 + 1e-6)
            for measure, share in shares.items()
        )


@pytest.mark.parametrize("is_loss", [True, False])
def test_params_macs_and_size_hold_together(is_loss: bool) -> None:
    limits = [Limit("params", 0.7, is_relative=True), Limit("macs", 0.4, is_relative=True), Limit("size", 3500)]
    cost, selection = chosen(branchy(), limits, is_loss)
    assert selection.is_met and selection.overshoot >= 0
    assert left(cost, selection, "size") <= 3500
    assert left(cost, selection, "macs") <= 0.4 * cost.measures["macs"].dense


def test_of_two_limits_on_one_measure_the_tighter_counts() -> None:
    dense = cost_of(traced(plain())).params({})
    for limits in (
        [Limit("params", 0.8, is_relative=True), Limit("params", 0.5 * dense)],
        [Limit("params", 0.5 * dense), Limit("params", 0.8, is_relative=True)],
    ):
        cost, selection = chosen(plain(), limits)
        (reached,) = selection.limits
        assert reached.requested == pytest.approx(0.5)
        assert left(cost, selection, "params") <= 0.5 * dense


def test_an_absolute_limit_is_kept_in_its_own_unit() -> None:
    cost, selection = chosen(plain(), [Limit("params", 300)])
    assert 280 <= left(cost, selection, "params") <= 300


def test_a_limit_that_the_dense_model_keeps_removes_nothing() -> None:
    _, selection = chosen(plain(), [Limit("params", 1e9), Limit("macs", 1.0, is_relative=True)])
    assert selection.masks == {} and selection.is_met


def test_a_limit_that_is_kept_does_not_hide_one_that_is_not() -> None:
    _, selection = chosen(plain(), [Limit("params", 1e9), Limit("macs", 0.5, is_relative=True)])
    assert selection.masks
    assert selection.hardest.measure == "macs"


def test_the_error_names_the_limit_that_cannot_be_kept() -> None:
    limits = [Limit("params", 0.9, is_relative=True), Limit("size", 10)]
    with pytest.raises(BudgetError, match="of the size cannot be removed"):
        chosen(plain(), limits, best_effort=False)


def test_a_model_without_products_has_no_macs_to_limit() -> None:
    net = Net()
    proto = net.model(net.relu(net.bn("bn", "x")), [2, 3, 5, 5])
    _, selection = chosen(proto, [Limit("macs", 0.5, is_relative=True)])
    assert selection.masks == {}


@pytest.mark.parametrize("measure", MEASURES)
def test_what_cannot_shrink_is_an_error_for_any_measure(measure: str) -> None:
    with pytest.raises(BudgetError):
        chosen(unprunable(), [Limit(measure, 0.5, is_relative=True)], best_effort=False)
