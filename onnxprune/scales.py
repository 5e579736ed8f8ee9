"""Scales and zero points: which stored numbers they are, and what quantized weights are worth in real numbers.

Where a node takes a scale with its weight, its rule says so. Elsewhere the scale comes later: a weight is cast and
multiplied (Cast -> Mul), looked up first (Gather -> DequantizeLinear), or multiplied as integers, and the
product scaled (MatMulInteger -> Cast -> Mul). Such a chain is followed as far as each step has a single reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from onnxprune.model import Model, NodeKey
from onnxprune.record import Quantized, Slot, Use
from onnxprune.tensors import NARROW
from onnxprune.tracing import Trace

MOVES = frozenset("Flatten Gather Identity Reshape Slice Squeeze Transpose Unsqueeze".split())
"""Operators that hand the numbers of their first input on, but not at the same places."""

INTEGER_PRODUCTS = frozenset(("ConvInteger", "MatMulInteger"))


@dataclass(frozen=True)
class _Later:
    """A factor, divisor or (`Sub`) zero point that acts on a weight after the node that reads it.

    `moved` says that the weight's positions are no longer where they were.
    """

    op_type: str
    slot: Slot
    moved: bool


class Scales:
    """The scales and zero points of one model."""

    def __init__(self, trace: Trace) -> None:
        self._model = trace.model
        self._readers, self._producers = _edges(trace.model)
        self._noted = {note.slot: note for note in trace.record.quantized}
        noted = {
            (note.slot[0], place)
            for note in self._noted.values()
            for place in (*note.scales, note.zero)
            if place is not None
        }
        self._later = {
            use.slot: list(self._follow(use.slot))
            for use in trace.uses
            if self._type(use) in NARROW and use.slot not in noted and not self._has_scale(use.slot)
        }
        self._slots = noted | {later.slot for chain in self._later.values() for later in chain}

    def are_at(self, slot: Slot) -> bool:
        """Whether an input of a node holds scales or zero points."""
        return slot in self._slots

    def is_quantized(self, use: Use) -> bool:
        """Whether a constant holds quantized numbers: those of a narrow type, and biases in 32 bits."""
        data_type = self._type(use)
        return data_type in NARROW or (data_type == TensorProto.INT32 and use.slot in self._noted)

    def real_values(self, use: Use, values: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return the weights of a use in real numbers, along its axes; as stored, where they are real already.

        Where several numbers share a byte, the last axis is longer than that of the use. `values` takes the place of
        what is stored.
        """
        if values is None:
            values = self._model.array(self._model.constants[use.constant])
        if not self.is_quantized(use):
            return values
        note = self._noted.get(use.slot)
        if note is not None and note.bits:
            return self._unpacked(note, values)
        real = values.astype(np.float32)
        if note is not None:
            real = self._scaled(note, real)
        for later in self._later.get(use.slot, ()):
            real = self._scaled_later(later, real, None if note is None else note.axis)
        return real

    def zero(self, use: Use) -> NDArray[Any] | None:
        """Return the stored number that means zero, float32, in a shape that broadcasts to that of the weight.

        None where it is not known: the zero point is computed, or several numbers share a byte.
        """
        zero: NDArray[Any] = np.zeros((), np.float32)
        if not self.is_quantized(use):
            return zero
        note, shape = self._noted.get(use.slot), tuple(self._model.constants[use.constant].dims)
        if note is not None and note.bits:
            return None
        noted = [] if note is None or note.zero is None else [_Later("Sub", (use.slot[0], note.zero), False)]
        for found in (*noted, *self._later.get(use.slot, ())):
            if found.op_type != "Sub" or not self._is_given(*found.slot):
                continue
            number, axis, block = self._stored(*found.slot), None if note is None else note.axis, 1
            if found in noted and note is not None:
                block = note.block
            lost = number is None or (found.moved and number.size > 1)
            laid = None if lost else _laid_out(number, shape, axis, block)
            if laid is None:
                return None
            zero = zero + laid
        return zero

    def _is_given(self, key: NodeKey, place: int) -> bool:
        inputs = self._model.node(key).input
        return place < len(inputs) and bool(inputs[place])

    def _type(self, use: Use) -> int:
        return self._model.constants[use.constant].data_type

    def _has_scale(self, slot: Slot) -> bool:
        return slot in self._noted and bool(self._noted[slot].scales)

    def _stored(self, key: NodeKey, place: int | None) -> NDArray[Any] | None:
        """Return the constant at an input as real numbers, or None where it is absent or computed."""
        inputs = self._model.node(key).input
        if place is None or place >= len(inputs):
            return None
        tensor = self._model.constants.get((key.scope, inputs[place]))
        return None if tensor is None else np.asarray(self._model.array(tensor), np.float32)

    def _scaled(self, note: Quantized, real: NDArray[Any]) -> NDArray[Any]:
        key = note.slot[0]
        zero = _laid_out(self._stored(key, note.zero), real.shape, note.axis, note.block)
        real = real if zero is None else real - zero
        for place in note.scales:
            scale = _laid_out(self._stored(key, place), real.shape, note.axis, note.block)
            real = real if scale is None else real * scale
        return real

    def _scaled_later(self, later: _Later, real: NDArray[Any], axis: int | None) -> NDArray[Any]:
        number = self._stored(*later.slot)
        if number is not None and later.moved and axis is None and number.size > 1:
            return real
        number = _laid_out(number, real.shape, axis)
        if number is None:
            return real
        apply = {"Sub": np.subtract, "Div": np.divide, "Mul": np.multiply}[later.op_type]
        return np.asarray(apply(real, number), np.float32)

    def _unpacked(self, note: Quantized, packed: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers of a weight [rows, blocks, bytes], of which several share a byte."""
        values = _bits(packed, note.bits)
        rows, blocks, _ = values.shape
        zero, scale = (self._stored(note.slot[0], place) for place in (note.zero, note.scales[0]))
        if zero is None:
            zero = np.full(rows * blocks, 1 << (note.bits - 1), np.float32)
        elif zero.size != rows * blocks:
            zero = _bits(zero.astype(np.uint8).reshape(rows, -1), note.bits)[:, :blocks]
        real: NDArray[Any] = values - zero.reshape(rows, blocks, 1)
        return real if scale is None else real * scale.reshape(rows, blocks, 1)

    def _follow(self, start: Slot) -> Iterator[_Later]:
        """Yield the constants that scale what is read at `start`, up to the first factor."""
        slot: Slot | None = start if start[0].index >= 0 else None
        moved = False
        while slot is not None:
            key, place = slot
            node = self._model.node(key)
            if node.op_type in INTEGER_PRODUCTS or (node.op_type in MOVES and place == 0):
                moved = True
            elif node.op_type == "DequantizeLinear" and place == 0:
                yield from (_Later(kind, (key, at), moved) for kind, at in (("Sub", 2), ("Mul", 1)))
                return
            elif node.op_type in ("Mul", "Div", "Sub"):
                operand = self._operand(key, 1 - place)
                if operand is None:
                    return
                yield _Later(node.op_type, operand, moved)
                if node.op_type != "Sub":
                    return
            elif node.op_type != "Cast":
                return
            readers = self._readers.get((key.scope, node.output[0]), [])
            slot = readers[0] if len(readers) == 1 else None

    def _operand(self, key: NodeKey, place: int) -> Slot | None:
        """Return where a stored factor is: at this input, or in the product of two scales that is computed there."""
        if self._stored(key, place) is not None:
            return key, place
        producer = self._producers.get((key.scope, self._model.node(key).input[place]))
        if producer is None or self._model.node(producer).op_type != "Mul":
            return None
        return next(((producer, at) for at in (0, 1) if self._stored(producer, at) is not None), None)


def _edges(model: Model) -> tuple[dict[tuple[str, str], list[Slot]], dict[tuple[str, str], NodeKey]]:
    """Return which inputs read a tensor, and which node makes it, by scope and name."""
    readers: dict[tuple[str, str], list[Slot]] = {}
    producers: dict[tuple[str, str], NodeKey] = {}
    for scope, graph in model.graphs.items():
        for index, node in enumerate(graph.node):
            for place, name in enumerate(node.input):
                readers.setdefault((scope, name), []).append((NodeKey(scope, index), place))
            producers.update({(scope, name): NodeKey(scope, index) for name in node.output})
    return readers, producers


def _laid_out(
    number: NDArray[Any] | None, shape: tuple[int, ...], axis: int | None, block: int = 1
) -> NDArray[Any] | None:
    """Return scales or zero points in a shape that broadcasts to that of the weight, or None where they do not fit."""
    if number is None or number.size == 1:
        return None if number is None else number.reshape(())
    if axis is not None and block > 1:
        return np.repeat(number, block, axis).take(range(shape[axis]), axis)
    if axis is not None and number.size == shape[axis]:
        return number.reshape([-1 if place == axis else 1 for place in range(len(shape))])
    aligned = (1,) * (len(shape) - number.ndim) + number.shape
    fits = len(aligned) == len(shape) and all(n in (1, whole) for n, whole in zip(aligned, shape, strict=True))
    return number if fits else None


def _bits(packed: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return the numbers of `bits` bits that bytes hold, along the last axis, lowest bits first."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    apart = (packed[..., None] >> shifts) & ((1 << bits) - 1)
    return np.asarray(apart.reshape(*packed.shape[:-1], -1), np.float32)
