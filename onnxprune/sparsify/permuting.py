"""Channels in another order, so that an N:M pattern costs less; the function of the model stays what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnxprune.apply.reorder import reorder
from onnxprune.axes import Dim
from onnxprune.feeds import usable_feeds
from onnxprune.granularity import Pattern
from onnxprune.plan import member_names
from onnxprune.plan_of_zeros import Order, PlanOrder, ZerosPlan
from onnxprune.run import Run
from onnxprune.runtime import is_large
from onnxprune.sparsify.choice import Chooser
from onnxprune.sparsify.permutation import Reader, find_orders, same_outputs
from onnxprune.tracing import Trace, trace
from onnxprune.verify import Verification

LOSS = "obs"
"""The criterion by which orders are compared: squares, since what a pattern costs is a sum of squares."""


@dataclass(frozen=True)
class Permuted:
    """The trace of a model whose channels may be in another order than they were, and those orders.

    `check` is what showed the outputs to be the same, where that was asked for.
    """

    trace: Trace
    orders: tuple[PlanOrder, ...] = ()
    check: Verification | None = None


def permute(run: Run, chooser: Chooser, pattern: Pattern, check: bool) -> Permuted:
    """Find the orders of channels in which a pattern costs least, and put the model's into them.

    With `check` the outputs are shown to be the same. A model too large to be held in memory stays as it is.
    """
    model = run.dense.model
    if is_large(model):
        run.warnings.append("the channels were not permuted: the model is too large to be reordered in memory")
        return Permuted(run.dense)
    found = trace(model, allow_norm=True)  # channels that a norm averages over may not go, but may be permuted
    uses = {use.slot: use for use in found.uses}
    readers = [
        Reader(uses[each.weight.use.slot], each.weight.inputs, each.of_stored)
        for each in chooser.scored_by(LOSS)
        if each.weight.inputs is not None
    ]
    orders = find_orders(found, readers, pattern.n, pattern.m, run.options.seed, run.phases.advance)
    return _reordered(run, found, orders, check)


def replay(run: Run, plan: ZerosPlan, check: bool) -> Permuted:
    """Put the channels of a model into the orders of a plan. Raises `PlanError` where it does not fit."""
    if not plan.orders:
        return Permuted(run.dense)
    found = trace(run.dense.model, allow_norm=True)
    return _reordered(run, found, plan.orders_of(found), check)


def _reordered(run: Run, found: Trace, orders: Mapping[Dim, Order], check: bool) -> Permuted:
    if not orders:
        return Permuted(run.dense)
    model, shown = reorder(found, orders), None
    if check:
        feeds = run.workshop.feeds
        shown = same_outputs(found, model, usable_feeds(found, run.options.seed) if feeds is None else feeds)
    planned = (PlanOrder(found.names[dim], order.tolist(), member_names(found, dim)) for dim, order in orders.items())
    return Permuted(trace(model, allow_norm=run.options.allow_norm), tuple(planned), shown)
