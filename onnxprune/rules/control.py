"""Control flow: the bodies are traced like any graph, and what enters, leaves and is carried is tied together."""

from __future__ import annotations

from collections.abc import Sequence

from onnxprune.axes import EMPTY, ONE, Expr, Fixed, size
from onnxprune.record import Tensor
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, position
from onnxprune.sizes import Size

SCALAR = Tensor(())
TRIPS = "one for each time that the body runs"
UNBOUNDED = 2**31
"""A trip count from here on is written for loops that run while their condition holds."""


@rule("If")
def if_(site: Site) -> None:
    """Both branches give the same outputs; they read the rest of the graph by name."""
    taken = _decided(site)
    runs = {name: ONE if taken in (None, name) else EMPTY for name in ("then_branch", "else_branch")}
    branches = {"then_branch": site.body("then_branch", [], runs["then_branch"])}
    branches["else_branch"] = site.body("else_branch", [], runs["else_branch"], instead_of="then_branch")
    for index, (yes, no) in enumerate(zip(*branches.values(), strict=True)):
        # A branch that is never taken has to stay valid, but need not give what the other gives.
        chosen = branches[taken][index] if taken is not None else None
        for tensor in (yes, no):
            site.freeze_content(tensor.content, "its size leaves a body")
        site.out(chosen.axes if chosen is not None else _tied(site, yes, no), index)


def _decided(site: Site) -> str | None:
    """Return the branch that is taken whatever the input, or None where the input decides."""
    content = site.content(0)
    site.freeze_input(0, "it is a condition")
    if content is None or content.size != 1 or content.ravel()[0].is_symbolic:
        return None
    return "then_branch" if content.ravel()[0].dense else "else_branch"


@rule("Loop")
def loop(site: Site) -> None:
    """Inputs: trip count, condition, carried values; what else the body gives is stacked along a new first axis."""
    for slot in (0, 1):
        if site.has(slot):
            site.freeze_input(slot, "it says how often the loop runs")
    carried = [site.tensor(slot) for slot in range(2, site.input_count)]
    _, *outputs = site.body("body", [SCALAR, SCALAR, *carried], _trips(site))
    for index, before in enumerate(carried):
        site.out(_tied(site, before, outputs[index]), index)
    for index in range(len(carried), len(outputs)):
        _stack(site, outputs[index], index, 0)


def _trips(site: Site) -> Expr:
    """Return an axis as long as the trip count: so often a loop runs at most. Without one, its size is not known."""
    content = site.content(0) if site.has(0) else None
    count = content.ravel()[0] if content is not None and content.size == 1 else None
    if count is None or (count.dense or 0) >= UNBOUNDED:
        return Fixed(None, TRIPS, site.label)
    if count.dense is not None:
        return Fixed(count.dense, TRIPS)
    symbol = "*".join(name for variables, _ in count.terms for name in variables if isinstance(name, str))
    is_named = count == Size.along(Fixed(None, TRIPS, symbol))
    return Fixed(None, TRIPS, symbol if is_named else site.label)


@rule("Scan")
def scan(site: Site) -> None:
    """The last `num_scan_inputs` inputs are taken apart along an axis each; the others are carried."""
    scanned = site.attribute("num_scan_inputs")
    states = site.input_count - scanned
    carried = [site.tensor(slot) for slot in range(states)]
    axes = site.attribute("scan_input_axes", [0] * scanned)
    slices = [_slice(site, states + place, axis) for place, axis in enumerate(axes)]
    first = site.axes(states)
    outputs = site.body("body", [*carried, *slices], first[position(axes[0], len(first))])
    for index, before in enumerate(carried):
        site.out(_tied(site, before, outputs[index]), index)
    stacked = site.attribute("scan_output_axes", [0] * (len(outputs) - states))
    for place, axis in enumerate(stacked):
        _stack(site, outputs[states + place], states + place, axis)


def _slice(site: Site, slot: int, axis: int) -> Tensor:
    whole = list(site.axes(slot))
    site.freeze_content(site.content(slot), "its size is handed to a body")
    site.freeze(whole.pop(position(axis, len(whole))), "the body runs along this axis")
    return Tensor(tuple(whole))


def _stack(site: Site, part: Tensor, index: int, axis: int) -> None:
    site.freeze_content(part.content, "its size leaves a body")
    if part.axes is None:
        return
    rank = len(part.axes) + 1
    place = position(axis, rank)
    steps = site.fixed_axis(None, index, place, TRIPS)
    site.out([*part.axes[:place], steps, *part.axes[place:]], index)


def _tied(site: Site, first: Tensor, second: Tensor) -> Sequence[Expr] | None:
    """Return the axes of two values of which one takes the place of the other; what differs is frozen."""
    site.freeze_content(first.content, "its size is carried or chosen")
    site.freeze_content(second.content, "its size is carried or chosen")
    if first.axes is None or second.axes is None or len(first.axes) != len(second.axes):
        site.freeze((*(first.axes or ()), *(second.axes or ())), "its rank is not the same each time")
        return None
    return [_tied_axis(site, a, b, place) for place, (a, b) in enumerate(zip(first.axes, second.axes, strict=True))]


def _tied_axis(site: Site, a: Expr, b: Expr, place: int) -> Expr:
    a, b = site.resolve(a), site.resolve(b)
    if a == b:
        return a
    if size(a) is None or size(a) != size(b):
        site.freeze((a, b), "its size is not the same each time")
        return site.fixed_axis(None, 0, place, "its size is not the same each time")
    site.unify(a, b)
    return site.resolve(a)
