"""Selection where the saliency is a loss: what counts is the loss for each part of the budget that a unit saves."""

from __future__ import annotations

import numpy as np
import pytest
from graphs import Graph

from onnxprune.axes import Dim
from onnxprune.cost import Cost, cost_of
from onnxprune.criteria import CRITERIA, is_loss
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.select import Losses, select
from onnxprune.tracing import Trace, trace


def wide_and_narrow() -> tuple[Trace, Cost, Dim, Dim]:
    """Two hidden dims of 16 units: one between wide layers, whose units cost much, one between narrow layers."""
    g = Graph()
    x = g.input(1, 3, 4, 4)
    wide = g.conv(g.add("Relu", g.conv(x, 16, kernel=3)), 64, kernel=3)
    narrow = g.conv(g.add("Relu", g.conv(x, 16, kernel=1)), 4, kernel=1)
    g.output(wide, narrow)
    found = trace(Model(g.model()))
    costly, cheap = found.dims
    assert costly.size == cheap.size == 16
    return found, cost_of(found), costly, cheap


def kept(amount: float, loss: bool) -> tuple[int, int]:
    found, cost, costly, cheap = wide_and_narrow()
    saliency = {costly: np.linspace(2.0, 2.5, 16), cheap: np.linspace(0.9, 1.4, 16)}
    options = Options(amount=amount, max_layer_amount=1.0, round_to="none")
    masks = select(found, Losses(saliency, loss), cost, options, options.limits()).masks
    left, right = (int(masks[dim].sum()) if dim in masks else dim.size for dim in (costly, cheap))
    return left, right


def test_at_equal_loss_units_that_save_more_go_first() -> None:
    costly, cheap = kept(0.3, loss=True)
    assert cheap == 16 and costly < 16


def test_without_losses_the_ranking_alone_decides() -> None:
    costly, cheap = kept(0.01, loss=False)
    assert costly == 16 and cheap < 16
    assert kept(0.01, loss=True) == (15, 16)


@pytest.mark.parametrize("budget", ["params", "macs"])
def test_the_budget_is_met_either_way(budget: str) -> None:
    found, cost, costly, cheap = wide_and_narrow()
    saliency = {dim: np.arange(1.0, 17.0) for dim in (costly, cheap)}
    options = Options(amount=0.5, budget=budget)
    selection = select(found, Losses(saliency, is_loss=True), cost, options, options.limits())
    # One unit of the costly dim is a sixteenth of almost everything.
    assert abs(selection.hardest.removed - 0.5) <= 0.06


def test_only_losses_that_add_up_are_weighed() -> None:
    assert {name for name in CRITERIA if is_loss(name)} == {"obs"}
