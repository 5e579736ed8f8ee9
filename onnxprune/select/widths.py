"""Width rules: how many units a dim may keep so that every axis of a weight that is multiplied with has a fast width.

A rule of 16 asks that what lies in memory be a multiple of 16. A dim that is an axis by itself keeps a multiple of 16
units then; heads of 64 channels each may go one by one, since any number of them is a multiple of 16 channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Expr, Fixed, Product, Sum, free_dims
from onnxprune.targets import Target
from onnxprune.tracing import Trace

WITHOUT_BLOCKS = 8
"""The width rule where onnxruntime has no blocked layout: NEON kernels work on 4 to 16 channels at a time."""


def width_for(target: Target) -> int:
    """Return how many channels the kernels of a target take at a time."""
    return width_of_this_machine() if target.width is None else target.width


@cache
def width_of_this_machine() -> int:
    """Return how many channels the kernels of onnxruntime take at a time here: 16 with AVX-512, 8 with AVX2 and NEON.

    onnxruntime is asked: the weight of a small convolution that it optimizes is padded to that many.
    """
    from onnxprune.runtime import blocked_channels

    blocked = blocked_channels()
    return WITHOUT_BLOCKS if blocked == 1 else blocked


def steps(trace: Trace, width: int) -> dict[Dim, int]:
    """Return, for each dim, the step in which it may shrink so that its axes stay multiples of `width`.

    What counts are the weights of nodes that multiply, for they are what takes the time: that a bias of attention has
    heads on an axis of their own slows nothing down. Dims that no such weight has go by the others.
    """
    multiplying = {work.node for work in trace.work}
    found: dict[Dim, int] = {}
    for is_multiplied in (True, False):
        uses = (use for use in trace.uses if (use.slot[0] in multiplying) == is_multiplied)
        found = _common_steps({axis for use in uses for axis in use.axes if free_dims(axis)}, width) | found
    return found


def _common_steps(axes: Iterable[Expr], width: int) -> dict[Dim, int]:
    found: dict[Dim, int] = {}
    for axis in axes:
        for dim, step in _steps(axis, width):
            found[dim] = math.lcm(found.get(dim, 1), step)
    return found


def _steps(axis: Expr, width: int) -> Iterator[tuple[Dim, int]]:
    if isinstance(axis, Sum):
        for part in axis.terms:
            yield from _steps(part, width)
    elif isinstance(axis, Product):
        yield from _steps_of_factors(axis.factors, width)
    elif isinstance(axis, Dim):
        yield axis, width


def _steps_of_factors(factors: tuple[Expr, ...], width: int) -> Iterator[tuple[Dim, int]]:
    """Ask of the innermost dim what the fixed factors leave to ask for, and of the others what its own size leaves."""
    fixed = math.prod(factor.size or 1 for factor in factors if isinstance(factor, Fixed))
    needed = width // math.gcd(width, fixed)
    for factor in reversed(factors):
        yield from _steps(factor, needed)
        if isinstance(factor, Dim):
            needed //= math.gcd(needed, factor.size)


def admissible(dim: Dim, step: int, floor: int) -> NDArray[np.int64]:
    """Return the widths that a dim may have, from the smallest up: multiples of the step from `floor` on, and its own.

    A dim that is no wider than one step keeps what it has.
    """
    first = max(-(-floor // step), 1) * step
    return np.append(np.arange(first, dim.size, step), dim.size).astype(np.int64)


def off_width(trace: Trace, counts: Mapping[Dim, int], width: int) -> list[Dim]:
    """Return the dims that were narrowed to widths that a rule does not allow."""
    rule = steps(trace, width)
    return [dim for dim, kept in counts.items() if kept % rule[dim] and kept < dim.size]
