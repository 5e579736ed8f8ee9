"""Breaking the tool on purpose: one call of one function does something else, and the check has to see it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from onnxprune.apply import constants, norms, numbers, optional
from onnxprune.apply.draft import Draft
from onnxprune.axes import Product, Sum, concat, product, size
from onnxprune.rules import Site

Instead = Callable[..., Any]
"""What is called in the place of a function: the function itself comes first."""


@dataclass(frozen=True)
class Fault:
    """A function that can be broken, by its owner and name or its table and key, and what it does then."""

    owner: Any
    name: Any
    instead: Instead

    def __str__(self) -> str:
        return f"{self.name}: {self.instead.__name__}"


@dataclass
class Calls:
    """How often a function was called."""

    count: int = 0


@contextmanager
def broken(fault: Fault, nth: int | None = None) -> Iterator[Calls]:
    """Break every call of a function for a while, or only the `nth` (none at all where that is below 0)."""
    is_table = isinstance(fault.owner, dict)
    real, calls = fault.owner[fault.name] if is_table else getattr(fault.owner, fault.name), Calls()
    put = fault.owner.__setitem__ if is_table else partial(setattr, fault.owner)

    def called(*args: Any, **kwargs: Any) -> Any:
        calls.count += 1
        is_broken = nth is None or calls.count == nth + 1
        return fault.instead(real, *args, **kwargs) if is_broken else real(*args, **kwargs)

    put(fault.name, called)
    try:
        yield calls
    finally:
        put(fault.name, real)


# What rules say


def forgotten(real: Callable, *args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def axes_swapped(real: Callable, site: Site, axes: Any, index: int = 0, content: Any = None) -> None:
    """Swap the first two axes of one output that are equally long."""
    axes = None if axes is None else list(map(site.resolve, axes))
    for one, other in itertools.combinations(range(len(axes or ())), 2):
        if size(axes[one]) == size(axes[other]) and axes[one] != axes[other]:
            axes[one], axes[other] = axes[other], axes[one]
            break
    real(site, axes, index, content)


def axes_unrelated(real: Callable, site: Site, axes: Any, index: int = 0, content: Any = None) -> None:
    """Give an output axes of its own, which have nothing to do with any input."""
    lengths = [(axis, size(site.resolve(axis))) for axis in axes or ()]
    real(site, axes and [site.dim(n) if n and n > 1 else axis for axis, n in lengths], index, content)


def inner_and_outer_swapped(real: Callable, site: Site, axes: Any, index: int = 0, content: Any = None) -> None:
    """Read products of axes from the inside out, and sums from the back."""
    real(site, axes and [_reversed(site.resolve(axis)) for axis in axes], index, content)


def _reversed(axis: Any) -> Any:
    if isinstance(axis, Product):
        return product(*reversed(axis.factors))
    return concat(*reversed(axis.terms)) if isinstance(axis, Sum) else axis


def next_axis(real: Callable, site: Site, slot: int, axis: int, zero: int | None = None) -> None:
    """Say that another axis is summed over."""
    real(site, slot, (axis + 1) % len(site.axes(slot)), zero)


SAID_BY_RULES = (
    "averages bake_input contracts drop_input follow_attribute follow_input freeze indexes keep_plural normalizes "
    "pin_attribute supply_attribute supply_input unify"
).split()

RULE_FAULTS = [
    *(Fault(Site, name, forgotten) for name in SAID_BY_RULES),
    *(Fault(Site, "out", instead) for instead in (axes_swapped, axes_unrelated, inner_and_outer_swapped)),
    Fault(Site, "contracts", next_axis),
]
"""Everything that a rule can say, left out or said wrongly."""


# What slicing does


def mask_rolled(real: Callable, expr: Any, orders: Any) -> Any:
    """Keep the positions next to those that were meant."""
    mask = np.zeros(size(expr) or 0, bool)
    mask[real(expr, orders)] = True
    return np.flatnonzero(np.roll(mask, 1))


def order_rolled(real: Callable, expr: Any, orders: Any) -> Any:
    """Keep what was meant in another order."""
    return np.roll(real(expr, orders), 1)


def left_whole(real: Callable, expr: Any, orders: Any) -> Any:
    """Keep everything."""
    return np.arange(size(expr) or 0)


def one_more(real: Callable, *args: Any) -> Any:
    """Count one too many."""
    number = real(*args)
    return None if number is None else number + 1


def one_less(real: Callable, *args: Any) -> Any:
    """Count one too few."""
    number = real(*args)
    return None if number is None else number - 1


APPLY_FAULTS = [
    *(Fault(constants, "places", instead) for instead in (mask_rolled, order_rolled, left_whole)),
    *(Fault(Draft, "new_size", instead) for instead in (one_more, one_less)),
    Fault(constants, "_new_numbers", order_rolled),
    Fault(constants, "_rewire", forgotten),
    *(
        Fault(numbers, name, forgotten)
        for name in (
            "_give_attribute",
            "_pin_attributes",
            "_replace_computed_sizes",
            "_set_attribute",
            "_supply_inputs",
        )
    ),
    *(Fault(norms, name, forgotten) for name in ("_correct_means", "_correct_norms", "_scale_output")),
    Fault(optional, "drop_inputs", forgotten),
]
"""Every step of slicing, left out or done wrongly."""
