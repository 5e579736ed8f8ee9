"""Integer arithmetic on sizes: what shape computations in a graph come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from onnxprune.axes import Dim
from onnxprune.sizes import Content, Floor, Size

Operation: TypeAlias = "Callable[..., Size | None]"


@dataclass
class Outcome:
    """The computed sizes, and the dims whose sizes decided a comparison and therefore may not change."""

    content: Content
    decided: list[Dim] = field(default_factory=list)


def arithmetic(op_type: str, operands: Sequence[Content], name: str) -> Outcome | None:
    """Return what an elementwise operator computes from sizes, or None where the operator is not followed.

    An element whose value only the running model knows becomes a symbol named after the output `name`.
    """
    operation = OPERATIONS.get(op_type)
    if operation is None:
        return None
    arrays = np.broadcast_arrays(*operands)
    outcome = Outcome(np.empty(arrays[0].shape, object))
    for place in np.ndindex(arrays[0].shape):
        sizes = [array[place] for array in arrays]
        outcome.content[place] = _element(operation, sizes, f"{name}<{place}>", outcome.decided)
    return outcome


def _element(operation: Operation, sizes: Sequence[Size], name: str, decided: list[Dim]) -> Size:
    result = operation(*sizes)
    if result is not None:
        return result
    decided.extend(dim for size in sizes for dim in size.dims)
    numbers = [size.dense for size in sizes]
    if None not in numbers:
        result = operation(*(Size.of(number) for number in numbers if number is not None))
    return result if result is not None else Size.symbol(name)


def _divide(a: Size, b: Size) -> Size | None:
    exact = a.divided_by(b)
    if exact is not None:
        return exact
    if b.dims or not b.dense or b.dense < 0:
        return None
    if not a.dims and a.dense is not None:
        return Size.of(int(a.dense / b.dense))  # ONNX truncates
    if a.dims and not _is_never_negative(a):
        return None  # rounded down would not be truncated
    return a.floor_divided_by(b.dense)


def _mod(a: Size, b: Size) -> Size | None:
    return Size.of(a_ % b_) if (a_ := _number(a)) is not None and (b_ := _number(b)) else None


def _equal(a: Size, b: Size) -> Size | None:
    difference = a - b
    number = _number(difference)
    if number is not None:
        return Size.of(number == 0)
    for size, other in ((a, b), (b, a)):
        if _is_size(size) and (n := _number(other)) is not None and n < 0:
            return Size.of(False)  # a size is never negative, whatever it is
    return None


def _less(a: Size, b: Size) -> Size | None:
    number = _number(a - b)
    return None if number is None else Size.of(number < 0)


def _where(condition: Size, a: Size, b: Size) -> Size | None:
    number = _number(condition)
    if number is None:
        return a if a == b else None
    return a if number else b


def _minimum(a: Size, b: Size) -> Size | None:
    number = _number(a - b)
    return None if number is None else (a if number <= 0 else b)


def _maximum(a: Size, b: Size) -> Size | None:
    number = _number(a - b)
    return None if number is None else (a if number >= 0 else b)


def _not(a: Size) -> Size | None:
    number = _number(a)
    return None if number is None else Size.of(not number)


def _and(a: Size, b: Size) -> Size | None:
    numbers = _number(a), _number(b)
    return Size.of(0) if 0 in numbers else None if None in numbers else Size.of(1)


def _number(size: Size) -> int | None:
    """Return the value of a size that can never change."""
    return None if size.dims else size.dense


def _is_size(size: Size) -> bool:
    """Whether a value is certainly not negative: a sum of products of sizes."""
    return all(
        coefficient >= 0 and all(isinstance(variable, Dim | Floor) or "<" not in variable for variable in variables)
        for variables, coefficient in size.terms
    )


def _is_never_negative(size: Size) -> bool:
    """Whether a value stays at 0 or above however many units its dims keep, one at least."""
    rises = all(coefficient >= 0 for variables, coefficient in size.terms if variables)
    least = size.under(dict.fromkeys(size.dims, 1)) if rises else None
    return _is_size(size) or (least is not None and least >= 0)


OPERATIONS: dict[str, Operation] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Neg": lambda a: -a,
    "Div": _divide,
    "Mod": _mod,
    "Equal": _equal,
    "Less": _less,
    "Greater": lambda a, b: _less(b, a),
    "Where": _where,
    "Min": _minimum,
    "Max": _maximum,
    "Not": _not,
    "And": _and,
}
