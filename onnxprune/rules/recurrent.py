"""Recurrent layers: LSTM, GRU and RNN in either layout and in one or both directions.

The hidden units are one dim, shared by both directions since the node has a single `hidden_size`. Gates stay
whole, so their order does not matter. A hidden unit that goes is no longer fed back: that is a contraction over
the last axis of R inside the node.
"""

from __future__ import annotations

from onnxprune.axes import ONE, Expr, Fixed, product
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, known_size
from onnxprune.sizes import Size

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P = range(8)
Y, Y_H, Y_C = range(3)


@rule("LSTM", "GRU", "RNN")
def recurrent(site: Site) -> None:
    """W [dirs, gates*H, I], R [dirs, gates*H, H], B [dirs, 2*gates*H], P [dirs, 3*H]; X is [steps, batch, I]."""
    gates, hidden = GATES[site.node.op_type], site.dim(known_size(site.axes(R)[2]))
    directions, steps, batch = site.axes(W)[0], *_steps_and_batch(site)
    site.freeze((directions, site.axes(R)[0]), "both directions stay")
    site.freeze(steps, "steps of a sequence are not pruned")
    site.unify(site.axes(X)[2], site.axes(W)[2])
    site.unify(site.axes(R)[2], hidden)
    _tie_rows(site, W, gates, hidden)
    _tie_rows(site, R, gates, hidden)
    _tie_rows(site, B, 2 * gates, hidden)
    _tie_rows(site, P, 3, hidden)
    if site.has(LENGTHS):
        site.unify(site.axes(LENGTHS)[0], batch)
    for slot in (INITIAL_H, INITIAL_C):
        tie_state(site, slot, batch, hidden)
    if site.attribute("hidden_size") is not None:
        site.follow_attribute("hidden_size", Size.along(site.resolve(hidden)))
    _finish(site, gates, site.resolve(hidden))


def _steps_and_batch(site: Site) -> tuple[Expr, Expr]:
    first, second, _ = site.axes(X)
    return (second, first) if site.attribute("layout", 0) else (first, second)


def _tie_rows(site: Site, slot: int, blocks: int, hidden: Expr) -> None:
    """Say that axis 1 of a weight holds `blocks` rows of hidden units for each direction."""
    if site.has(slot):
        weight = site.axes(slot)
        site.freeze(weight[0], "both directions stay")
        site.unify(weight[1], product(gates_of(site, blocks), hidden))


def gates_of(site: Site, count: int) -> Expr:
    """Return the factor of an axis that counts gates, all of which stay."""
    return ONE if count == 1 else Fixed(count, f"{site.label}: every gate stays")


def tie_state(site: Site, slot: int, batch: Expr, hidden: Expr) -> None:
    """Tie an initial state to the hidden units; zeros, which often serve several layers, are left out instead."""
    if not site.has(slot):
        return
    if site.is_zero(slot):
        site.drop_input(slot, Size.along(site.resolve(hidden)))
        return
    state = site.axes(slot)
    directions, rows = (state[1], state[0]) if site.attribute("layout", 0) else (state[0], state[1])
    site.freeze(directions, "both directions stay")
    site.unify(rows, batch)
    site.unify(state[2], hidden)


def _finish(site: Site, gates: int, hidden: Expr) -> None:
    directions, (steps, batch) = site.axes(W)[0], _steps_and_batch(site)
    site.contracts(X, 2)
    site.contracts(R, 2)
    rows = product(gates_of(site, gates), hidden)
    site.work(steps, batch, directions, rows, site.axes(X)[2])
    site.work(steps, batch, directions, rows, hidden)
    if site.attribute("layout", 0):
        site.out([batch, steps, directions, hidden], Y)
        last = [batch, directions, hidden]
    else:
        site.out([steps, directions, batch, hidden], Y)
        last = [directions, batch, hidden]
    for index in (Y_H, Y_C):
        site.out(last, index)
