"""How the values of stored tensors differ, read some at a time: neither tensor has to fit into memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.tensors import REAL

Array = NDArray[Any]

BLOCK = 1 << 18
"""Elements that are compared at a time."""


@dataclass(frozen=True)
class Apart:
    """How far two tensors of one shape are apart."""

    elements: int
    relative: float | None
    """The norm of the change, of the norm of what was before; infinite if that was 0, None for what has no size."""


@dataclass
class _Sums:
    """What is added up while two tensors are read side by side."""

    zeros: tuple[int, int] = (0, 0)
    different: int = 0
    change: float = 0.0
    before: float = 0.0

    def take(self, old: Array, new: Array) -> None:
        """Add a block of both. What is NaN on both sides is the same, and so are 0 and -0."""
        self.zeros = self.zeros[0] + _zeros_in(old), self.zeros[1] + _zeros_in(new)
        if old.dtype.kind == "O":
            self.different += int(np.count_nonzero(old != new))
            return
        old_reals, new_reals = _wide(old), _wide(new)
        one, two = (old, new) if old.dtype == new.dtype else (old_reals, new_reals)
        other = (one != two) & ~((one != one) & (two != two))
        self.different += int(np.count_nonzero(other))
        with np.errstate(invalid="ignore", over="ignore"):
            self.change += float(np.square(np.abs(new_reals[other] - old_reals[other])).sum())
            self.before += float(np.square(np.abs(old_reals[np.isfinite(old_reals)])).sum())

    def relative(self) -> float:
        """Return the norm of the change, of the norm of what was before."""
        if not self.different:
            return 0.0
        found = math.sqrt(self.change / self.before) if self.before else math.inf
        return math.inf if math.isnan(found) else found


@dataclass(frozen=True)
class Side:
    """A stored tensor and the model that it is in."""

    model: Model
    tensor: onnx.TensorProto

    def blocks(self) -> Iterator[Array]:
        """Yield the values in their order, some at a time. Raises `ModelError` where they cannot be read."""
        try:
            for part in self.model.parts(self.tensor):
                flat = part.reshape(-1)
                yield from (flat[start : start + BLOCK] for start in range(0, len(flat), BLOCK))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(
                f"tensor '{self.tensor.name}' of {self.model.path}: its values cannot be read ({error})"
            ) from error


@dataclass(frozen=True)
class Measured:
    """The zeros of a tensor before and after, None for text and where it is not there, and how far it moved."""

    zeros: tuple[int | None, int | None]
    apart: Apart | None


def measured(before: Side | None, after: Side | None) -> Measured:
    """Read what there is once, both side by side where they are comparable."""
    if before is None or after is None or not comparable(before.tensor, after.tensor):
        return Measured((_zeros(before), _zeros(after)), None)
    sums = _Sums()
    for old, new in _side_by_side(before.blocks(), after.blocks()):
        sums.take(old, new)
    if before.tensor.data_type == onnx.TensorProto.STRING:
        return Measured((None, None), Apart(sums.different, None))
    return Measured(sums.zeros, Apart(sums.different, sums.relative()))


def comparable(before: onnx.TensorProto, after: onnx.TensorProto) -> bool:
    """Whether values can be compared one by one: of the same shape, and of one type or both real numbers."""
    same = before.data_type == after.data_type or {before.data_type, after.data_type} <= REAL
    return same and tuple(before.dims) == tuple(after.dims)


def _zeros(side: Side | None) -> int | None:
    if side is None or side.tensor.data_type == onnx.TensorProto.STRING:
        return None
    return sum(_zeros_in(block) for block in side.blocks())


def _zeros_in(block: Array) -> int:
    return int(np.count_nonzero(block == 0))


def _side_by_side(before: Iterator[Array], after: Iterator[Array]) -> Iterator[tuple[Array, Array]]:
    """Yield equally long pieces of two streams that are cut at different places."""
    nothing = np.empty(0)
    old, new = next(before, nothing), next(after, nothing)
    while len(old) and len(new):
        size = min(len(old), len(new))
        yield old[:size], new[:size]
        old = old[size:] if size < len(old) else next(before, nothing)
        new = new[size:] if size < len(new) else next(after, nothing)


def _wide(values: Array) -> Array:
    return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)
