"""Putting zeros into the weights of a model."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.apply.draft import copy_without_weights
from onnxprune.apply.values import refilled
from onnxprune.external import Place, fits, place_of
from onnxprune.model import ConstantKey, Model
from onnxprune.runtime import in_one_piece
from onnxprune.sparsify.weights import Weight

Array = NDArray[Any]
Mask = NDArray[np.bool_]


Marks = Callable[[Iterator[Array]], Iterator[tuple[Array, Mask]]]
"""Parts of a weight as it is stored -> each part, and which of its numbers become zero."""


@dataclass
class Tally:
    """How many of `size` numbers were zero before, and are now."""

    size: int = 0
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class Zeroing:
    """Which numbers of a weight become zero, `zeros` of them at least: some may have been zero before.

    `rows` of the first axis are marked at once, or a multiple of it; 0 for all. What was done last is in `tally`.
    """

    weight: Weight
    rows: int
    marks: Marks
    zeros: int
    tally: Tally = field(default_factory=Tally, compare=False)

    def over(self, parts: Iterator[Array]) -> Iterator[Array]:
        """Put the zeros into parts of the weight, in their order and in place, and yield each."""
        self.tally.size = self.tally.before = self.tally.after = 0
        for part, goes in self.marks(parts):
            zero = self.weight.zero.astype(part.dtype)
            self.tally.before += int(np.count_nonzero(part == zero))
            put(zero, part, goes)
            self.tally.after += int(np.count_nonzero(part == zero))
            self.tally.size += part.size
            yield part

    def of(self, model: Model) -> Array:
        """Return the values of the weight with the zeros in them."""
        values = np.array(model.array(model.constants[self.weight.key]))
        deque(self.over(iter([values])), maxlen=0)
        return values


def put(zero: Array, values: Array, goes: Mask) -> None:
    """Put a zero where a mask says so; where its bits are all zero, as of real numbers, by a far faster product."""
    if zero.any():
        np.copyto(values, zero, where=goes)
        return
    bits = values.view(f"u{values.dtype.itemsize}")
    np.multiply(bits, ~goes, out=bits)


def with_zeros(model: Model, zeroings: Iterable[Zeroing], inline: bool = False) -> Model:
    """Return a model with zeros in its weights; everything else is shared with the model or copied as it is.

    Weights in external data are left there, and the zeros put in when they are read, unless all is to be `inline`.
    """
    if inline and model.has_external_data():
        model = Model(in_one_piece(model), model.path)
    proto = copy_without_weights(model.proto)
    found = Model(proto, model.path, model.edits)
    outside, inside = _by_place(model, zeroings)
    found.edits.update(outside)
    for tensor in model.proto.graph.initializer:
        zeroing = inside.pop(("", tensor.name), None)
        proto.graph.initializer.append(tensor if zeroing is None else refilled(tensor, zeroing.of(model)))
    for key, zeroing in inside.items():  # what is left is stored in nodes and in bodies
        found.constants[key].CopyFrom(refilled(model.constants[key], zeroing.of(model)))
    return found


def _by_place(model: Model, zeroings: Iterable[Zeroing]) -> tuple[dict[Place, Zeroing], dict[ConstantKey, Zeroing]]:
    """Return what is to be changed while it is read from outside, and what is changed in the message."""
    places = Counter(place_of(tensor) for tensor in model.tensors())
    outside: dict[Place, Zeroing] = {}
    inside: dict[ConstantKey, Zeroing] = {}
    for zeroing in (each for each in zeroings if each.zeros):
        tensor = model.constants[zeroing.weight.key]
        place = place_of(tensor)
        if place is not None and places[place] == 1 and fits(tensor, model.extent(tensor).length):
            outside[place] = zeroing
        else:
            inside[zeroing.weight.key] = zeroing
    return outside, inside
