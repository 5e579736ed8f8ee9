"""What a rule sees of the node that it describes, and the few things that it can say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.axes import ONE, Axes, Dim, Expr, Fixed, Product, Sum, size
from onnxprune.model import Model, NodeKey
from onnxprune.record import (
    AttributeFollow,
    AttributePin,
    Contraction,
    Follow,
    Index,
    InputDrop,
    InputFollow,
    Mean,
    Norm,
    Quantized,
    Record,
    Tensor,
    Work,
)
from onnxprune.shapes import Shape
from onnxprune.sizes import Content, Size, Source, dense_values

READ_AS_NUMBER = "its size is read as a number"


class Site:
    """One node: its inputs as tensors of axes, its attributes, and where to put what follows for its outputs.

    A rule *relates* axes (`unify`, `freeze`, `out`) and *notes* facts (`contracts`, `work`, `follow_*`). It
    slices nothing and scores nothing. An input that it never looks at is frozen afterwards.
    """

    def __init__(
        self,
        node: onnx.NodeProto,
        key: NodeKey,
        opset: int,
        inputs: Sequence[Tensor | None],
        shapes: Sequence[Shape | None],
        axes: Axes,
        record: Record,
        model: Model,
        trace_body: Callable[[NodeKey, str, Sequence[Tensor]], list[Tensor]],
        allow_norm: bool = False,
    ) -> None:
        self.node = node
        self.key = key
        self.opset = opset
        self.outputs: dict[int, Tensor] = {}
        self.claimed: set[int] = set()
        self.followed: set[int] = set()
        self.allow_norm = allow_norm
        self._inputs = inputs
        self._shapes = shapes
        self._axes = axes
        self._record = record
        self._model = model
        self._trace_body = trace_body
        self._attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}

    @property
    def label(self) -> str:
        """How messages name the node."""
        name = self.node.name or next((output for output in self.node.output if output), str(self.key))
        return f"{self.node.op_type} '{name}'"

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute's value, or `default` where it is absent."""
        return self._attributes.get(name, default)

    @property
    def input_count(self) -> int:
        """Number of inputs, absent optional ones included."""
        return len(self._inputs)

    def has(self, slot: int) -> bool:
        """Whether an optional input is there."""
        return slot < len(self._inputs) and self._inputs[slot] is not None

    def axes(self, slot: int) -> tuple[Expr, ...]:
        """Return the axes of an input, resolved, and claim it. Raises `UnknownError` where its rank is unknown."""
        tensor = self._claim(slot)
        if tensor.axes is None:
            raise UnknownError(f"the rank of input {slot} is unknown")
        return tuple(self._axes.resolve(axis) for axis in tensor.axes)

    def content(self, slot: int) -> Content | None:
        """Return the integers of an input as sizes, resolved, or None where they are not followed, and claim it."""
        content = self._claim(slot).content
        self.followed.add(slot)
        if content is None:
            return None
        resolved = np.empty(content.size, object)
        resolved[:] = [entry.resolve(self._axes) for entry in content.ravel()]
        return resolved.reshape(content.shape)

    def values(self, slot: int) -> NDArray[np.int64]:
        """Return the integers of an input, which must not change, and claim it. Raises `UnknownError` without them."""
        tensor, content = self._claim(slot), self.content(slot)
        if tensor.stored is not None:
            return self._model.array(self._model.constants[tensor.stored])
        values = dense_values(content)
        if values is None:
            raise UnknownError(f"the values of input {slot} are known only at run time")
        self.freeze_content(content, READ_AS_NUMBER)
        return values

    def stored_values(self, slot: int) -> NDArray[Any] | None:
        """Return the values of a stored input, or None where it is absent or computed; claims it."""
        if not self.has(slot):
            return None
        stored = self._claim(slot).stored
        return None if stored is None else self._model.array(self._model.constants[stored])

    def shape(self, index: int = 0) -> Shape | None:
        """Return the inferred shape of an output."""
        return self._shapes[index]

    def resolve(self, expr: Expr) -> Expr:
        """Return an axis with everything that is known by now put in."""
        return self._axes.resolve(expr)

    def dim(self, units: int) -> Expr:
        """Return a new dim."""
        return self._axes.dim(units)

    def unify(self, first: Expr, second: Expr) -> bool:
        """Conclude that two axes are the same; where that is impossible both freeze and the answer is False."""
        return self._axes.unify(first, second, self.label)

    def freeze(self, exprs: Expr | Iterable[Expr], why: str) -> None:
        """Conclude that these axes may not shrink."""
        for expr in [exprs] if isinstance(exprs, (Dim, Fixed, Product, Sum)) else exprs:
            self._axes.freeze(expr, f"{self.label}: {why}")

    def keep_plural(self, expr: Expr) -> None:
        """Conclude that an axis must keep two positions."""
        self._axes.keep_plural(expr)

    def freeze_content(self, content: Content | None, why: str) -> None:
        """Freeze every dim that these integers are sizes of."""
        for entry in () if content is None else content.ravel():
            self.freeze(entry.dims, why)

    def freeze_input(self, slot: int, why: str) -> None:
        """Freeze all of an input and claim it."""
        tensor = self._claim(slot)
        self.freeze(tensor.axes or (), why)
        self.freeze_content(tensor.content, why)

    def out(self, axes: Sequence[Expr] | None, index: int = 0, content: Content | None = None) -> None:
        """Say what an output is. Where inference knows a size that the axis does not, the axis takes it."""
        if axes is not None:
            axes = tuple(self._with_known_size(axis, index, place, len(axes)) for place, axis in enumerate(axes))
        self.outputs[index] = Tensor(axes, content)

    def fixed(self, why: str, index: int = 0) -> list[Expr]:
        """Return the axes of an output as inferred, all fixed. Raises `UnknownError` where its rank is unknown."""
        shape = self._shapes[index] if index < len(self._shapes) else None
        if shape is None:
            raise UnknownError("the rank of its output is unknown")
        return [self.fixed_axis(length, index, place, why) for place, length in enumerate(shape)]

    def fixed_axis(self, length: int | str | None, index: int, place: int, why: str) -> Expr:
        """Return a fixed axis of a size that may be symbolic."""
        if isinstance(length, int):
            return ONE if length == 1 else Fixed(length, f"{self.label}: {why}")
        return Fixed(None, f"{self.label}: {why}", length or f"{self.node.output[index]}[{place}]")

    def contracts(self, slot: int, axis: int, zero: int | None = None) -> None:
        """Note that the node sums over an axis of an input; input `zero` holds what a removed position counts as."""
        expr = self.axes(slot)[axis]
        self._record.contractions.append(Contraction((self.key, slot), axis, expr, zero))

    def quantized(
        self,
        slot: int,
        scales: Sequence[int],
        zero: int | None = None,
        axis: int | None = None,
        block: int = 1,
        bits: int = 0,
    ) -> None:
        """Note that an input holds quantized numbers, and where their scales and zero point are; see `Quantized`."""
        self._record.quantized.append(Quantized((self.key, slot), tuple(scales), zero, axis, block, bits))

    def indexes(self, slot: int, axes: Sequence[Expr], into: Expr) -> None:
        """Note that a stored input has these axes after all, and numbers positions of the axis `into`."""
        use = self._record.uses[self.key, slot]
        self._record.uses[self.key, slot] = replace(use, axes=tuple(axes))
        self._record.indices.append(Index((self.key, slot), into))

    def averages(self, axes: Sequence[Expr]) -> None:
        """Note that the node takes the mean over axes that may shrink."""
        self._record.means.append(Mean(self.key, tuple(axes)))

    def normalizes(self, axis: Expr, is_rms: bool, scale: int) -> None:
        """Note that the node normalizes over its last axis, which may shrink; see `Norm`."""
        self._record.norms.append(Norm(self.key, axis, is_rms, scale))

    def work(self, *axes: Expr) -> None:
        """Note the multiply-accumulates of the node: the product of the sizes of these axes."""
        self._record.work.append(Work(self.key, axes))

    def follow_input(self, slot: int, wanted: Sequence[Size | None]) -> None:
        """Note that the integers of an input must follow `wanted` (None: any value); freezes follow if they cannot."""
        self.freeze(self._claim(slot).axes or (), "one number for each axis")
        content = self.sourced(slot)
        for place, size_ in enumerate(wanted):
            if size_ is not None:
                entry = None if content is None else content.ravel()[place]
                follow = Follow((self.key, slot), place, size_, entry, f"{self.label}: its size cannot be rewritten")
                self._record.follows.append(follow)
        for place, entry in enumerate(() if content is None else content.ravel()):
            if place >= len(wanted) or wanted[place] is None:
                self.freeze(entry.dims, READ_AS_NUMBER)

    def sourced(self, slot: int) -> Content | None:
        """Return the integers of an input as sizes that can be rewritten at this very input, where all are known.

        Where some are known only at run time they keep the sources that they came with.
        """
        content = self.content(slot)
        if content is None or any(entry.is_symbolic for entry in content.ravel()):
            return content
        self._record.contents[self.key, slot] = content
        marked = np.empty(content.size, object)
        marked[:] = [e.sourced(Source(self.key, slot, place)) for place, e in enumerate(content.ravel())]
        return marked.reshape(content.shape)

    def bake_input(self, slot: int) -> None:
        """Note that the integers of an input keep their dense values, since they become real numbers."""
        content = self.content(slot)
        if content is None or not any(entry.dims for entry in content.ravel()):
            return
        if any(entry.is_symbolic for entry in content.ravel()):
            self.freeze_content(content, "its size becomes a real number")
            return
        marked = self.sourced(slot)
        assert marked is not None
        for place, entry in enumerate(marked.ravel()):
            dense = Size.of(entry.dense)
            self._record.follows.append(Follow((self.key, slot), place, dense, entry, f"{self.label}: cannot be baked"))

    def follow_attribute(self, name: str, wanted: Size, place: int | None = None) -> None:
        """Note that an integer attribute must follow a size."""
        self._record.attributes.append(AttributeFollow(self.key, name, place, wanted))

    def supply_attribute(self, name: str, wanted: Sequence[Size]) -> None:
        """Note that an absent list attribute must be given as soon as one of these sizes changes."""
        for place, size_ in enumerate(wanted):
            self.follow_attribute(name, size_, place)

    def supply_input(self, slot: int, wanted: Sequence[Size], instead_of: str = "") -> None:
        """Note that an absent input must be given as soon as one of these sizes changes, and an attribute dropped."""
        self._record.inputs.append(InputFollow((self.key, slot), tuple(wanted), instead_of))

    def pin_attribute(self, name: str, value: float, size: Size) -> None:
        """Note that an absent attribute must be given as `value`, its dense default, as soon as `size` changes."""
        self._record.pins.append(AttributePin(self.key, name, value, size))

    def drop_input(self, slot: int, size: Size) -> None:
        """Note that an optional input must be left out as soon as `size` changes, and claim it."""
        self._claim(slot)
        self._record.drops.append(InputDrop((self.key, slot), size))

    def is_zero(self, slot: int) -> bool:
        """Whether an input is computed and certainly all zeros, whatever its shape."""
        return self._model.is_zero(self.key.scope, self.node.input[slot])

    def body(
        self, attribute: str, inputs: Sequence[Tensor], times: Expr = ONE, instead_of: str | None = None
    ) -> list[Tensor]:
        """Trace the body that an attribute holds, given its inputs, and return its outputs.

        Its work counts once for each position of the axis `times`. Where it runs instead of the body of another
        attribute, only the work of the one that takes more counts.
        """
        outputs = self._trace_body(self.key, attribute, inputs)
        self._record.repeat(f"{self.key}.{attribute}/", times)
        if instead_of is not None:
            self._record.keep_larger(f"{self.key}.{instead_of}/", f"{self.key}.{attribute}/")
        return outputs

    def tensor(self, slot: int) -> Tensor:
        """Return all that is known of an input, to hand it on to a body, and claim it; its content is frozen."""
        tensor = self._claim(slot)
        self.freeze_content(self.content(slot), "its size is handed to a body")
        return Tensor(tensor.axes)

    def ignore_content(self, slot: int) -> None:
        """Say that the integers in an input do not matter to the node, which looks at its axes alone."""
        self.followed.add(slot)

    def freeze_unclaimed(self) -> None:
        """Freeze the inputs, and the sizes in them, that the rule said nothing of."""
        for slot in range(self.input_count):
            if not self.has(slot):
                continue
            if slot not in self.claimed:
                self.freeze_input(slot, "its rule does not use this input")
            elif slot not in self.followed:
                self.freeze_content(self.content(slot), "its size is used as a value")

    def _claim(self, slot: int) -> Tensor:
        tensor = self._inputs[slot] if slot < len(self._inputs) else None
        if tensor is None:
            raise UnknownError(f"input {slot} is missing")
        self.claimed.add(slot)
        return tensor

    def _with_known_size(self, axis: Expr, index: int, place: int, rank: int) -> Expr:
        axis = self._axes.resolve(axis)
        shape = self._shapes[index] if index < len(self._shapes) else None
        if not isinstance(axis, Fixed) or axis.size is not None or shape is None or len(shape) != rank:
            return axis
        length = shape[place]
        if isinstance(length, int):
            return ONE if length == 1 else Fixed(length, axis.reason)
        return axis


class UnknownError(Exception):
    """Raised where a rule cannot say anything about a node: the node is then treated as an unknown operator."""


def position(axis: int, rank: int) -> int:
    """Return an axis counted from the front. Raises `UnknownError` where there is no such axis."""
    if not -rank <= axis < rank:
        raise UnknownError(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


def known_size(expr: Expr) -> int:
    """Return the size of an axis. Raises `UnknownError` where it is symbolic."""
    length = size(expr)
    if length is None:
        raise UnknownError("a size is known only at run time")
    return length
