"""Quantized recurrent layers: onnxruntime's LSTM with integer weights."""

from __future__ import annotations

from onnxprune.axes import ONE, Expr, product
from onnxprune.rules.quantized import MICROSOFT, neutral_when_masked
from onnxprune.rules.recurrent import gates_of, tie_state
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size
from onnxprune.sizes import Size

X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P, W_SCALE, W_ZERO, R_SCALE, R_ZERO = range(12)
ZERO_AT_ZERO = ("tanh", "relu", "softsign")
"""Activations that map 0 to 0."""


@rule("DynamicQuantizeLSTM", domain=MICROSOFT)
def quantized_lstm(site: Site) -> None:
    """X [steps, batch, I], W [dirs, I, 4*H] and R [dirs, H, 4*H] in integers, B [dirs, 8*H].

    X and, at each step, the hidden state are quantized over their own range and zero. A mask over R alone would
    leave the range as it was; a unit whose every gate is masked stays at 0, and so out of the range.
    """
    if site.has(P) or any(name.decode().lower() not in ZERO_AT_ZERO for name in _outer_activations(site)):
        raise UnknownError("a masked unit would not stay at 0")
    directions, given, _ = site.axes(W)
    steps, batch, _ = site.axes(X)
    hidden = site.dim(known_size(site.axes(R)[1]))
    site.freeze((directions, site.axes(R)[0]), "both directions stay")
    site.freeze(steps, "steps of a sequence are not pruned")
    site.unify(site.axes(X)[2], given)
    site.unify(site.axes(R)[1], hidden)
    for slot, scale, zero in ((W, W_SCALE, W_ZERO), (R, R_SCALE, R_ZERO)):
        _tie_weight(site, slot, scale, zero, hidden)
    if site.has(B):
        site.freeze(site.axes(B)[0], "both directions stay")
        site.unify(site.axes(B)[1], product(gates_of(site, 8), hidden))
        site.contracts(B, 1)
    if site.has(LENGTHS):
        site.unify(site.axes(LENGTHS)[0], batch)
    for slot in (INITIAL_H, INITIAL_C):
        tie_state(site, slot, batch, hidden)
        if site.has(slot) and not site.is_zero(slot):
            site.contracts(slot, 2)
    neutral_when_masked(site, X)
    site.follow_attribute("hidden_size", Size.along(site.resolve(hidden)))
    _finish(site, directions, site.resolve(hidden))


def _outer_activations(site: Site) -> list[bytes]:
    """Return the activations that make the candidate and the output: all but the first of every three."""
    return [name for place, name in enumerate(site.attribute("activations", [])) if place % 3]


def _tie_weight(site: Site, slot: int, scale: int, zero: int, hidden: Expr) -> None:
    """Tie the columns of a weight to four gates of hidden units, and its scales where there is one per column."""
    columns = product(gates_of(site, 4), hidden)
    site.unify(site.axes(slot)[2], columns)
    for numbers in (scale, zero):
        axes = site.axes(numbers)
        site.freeze(axes[:1], "both directions stay")
        if len(axes) > 1 and axes[1] != ONE:
            site.unify(axes[1], columns)
    site.quantized(slot, [scale], zero, axis=0 if len(site.axes(scale)) == 1 else 2)
    site.contracts(slot, 2, _zero_point(site, zero))


def _zero_point(site: Site, slot: int) -> int | None:
    values = site.stored_values(slot)
    if values is None:
        raise UnknownError("its zero points are known only at run time")
    if values.any() and values.size > 1:
        raise UnknownError("its zero points are not one number")
    return slot if values.any() else None


def _finish(site: Site, directions: Expr, hidden: Expr) -> None:
    steps, batch, given = site.axes(X)
    rows = product(gates_of(site, 4), hidden)
    site.work(steps, batch, directions, rows, given)
    site.work(steps, batch, directions, rows, hidden)
    for index, axes in enumerate(([steps, directions, batch, hidden], [directions, batch, hidden])):
        site.out(axes, index)
    site.out([directions, batch, hidden], 2)
