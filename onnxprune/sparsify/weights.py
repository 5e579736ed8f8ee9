"""Which stored constants can have zeros: those that activations are multiplied with, and nothing else.

A weight is followed from where it is stored to every node that multiplies with it, through what only moves, casts or
scales it. Whatever else reads it (a lookup, a graph output) keeps it as it is, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.fixed_mathematics import mathematics_in
from onnxprune.granularity import Granularity, Pattern
from onnxprune.model import ConstantKey, NodeKey
from onnxprune.options import Options
from onnxprune.parameters import parameter_uses
from onnxprune.record import Use
from onnxprune.scales import Scales
from onnxprune.sparsify.products import Operand, operands
from onnxprune.sparsify.readers import find_readers
from onnxprune.tracing import Trace, display_name

Array = NDArray[Any]
Mask = NDArray[np.bool_]
Axes = tuple[int, ...]

SCALED = frozenset("Cast DequantizeLinear Identity QuantizeLinear".split())
"""Operators that leave every number of their first input at its place, and a zero a zero."""

MOVED = frozenset("Flatten Reshape Squeeze Transpose Unsqueeze".split())
"""Operators that hand every number of their first input on, at another place."""

NOT_ONE_AXIS = "its input channels are not one axis of it as it is stored"


@dataclass(frozen=True)
class Weight:
    """A stored constant that can have zeros.

    `inputs` and `outs` are the axes of input channels and of outputs, None where no single axis holds them; outputs
    come in so many `groups`. `nodes` are those that multiply with it. `zero` is the stored number that means zero, for
    quantized weights an array that fits onto the weight.
    """

    use: Use
    tensor: onnx.TensorProto
    inputs: int | None
    outs: int | None
    groups: int
    patterned: bool
    nodes: tuple[NodeKey, ...]
    quantized: bool
    zero: Array

    @property
    def key(self) -> ConstantKey:
        """The scope and the name."""
        return self.use.constant

    @property
    def name(self) -> str:
        """The name for people."""
        return display_name(self.key)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape as it is stored."""
        return tuple(self.tensor.dims)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    def matrix(self, values: Array) -> Array:
        """Return values in the stored shape as [1, columns, outs]: taps times input channels, by all outputs."""
        turned = values.transpose(self._order)
        return np.asarray(turned.reshape(1, -1, self.shape[self.outs] if self.outs is not None else 1))

    def stored(self, matrix: Array) -> Array:
        """Return a matrix [1, columns, outs] in the stored shape."""
        order = self._order
        turned = matrix.reshape([self.shape[axis] for axis in order])
        return np.asarray(turned.transpose(np.argsort(order)))

    @cached_property
    def _order(self) -> list[int]:
        """The axes of taps, then that of input channels, then that of outputs."""
        last = [axis for axis in (self.inputs, self.outs) if axis is not None]
        return [axis for axis in range(len(self.shape)) if axis not in last] + last

    def misfit(self, granularity: Granularity) -> str | None:
        """Return why this weight cannot have a granularity, or None if it can."""
        if granularity.channels == granularity.outs == 1:
            return None
        if isinstance(granularity, Pattern) and not self.patterned:
            return "N:M patterns are for Conv, Gemm and MatMul"
        if self.inputs is None or (self.outs is None and granularity.outs > 1):
            return NOT_ONE_AXIS
        outs = 1 if self.outs is None else self.shape[self.outs]
        return granularity.misfit(self.shape[self.inputs], outs // self.groups)


@dataclass(frozen=True)
class Weights:
    """The weights that can have zeros, in node order, and why other stored constants of two axes and more cannot."""

    found: tuple[Weight, ...]
    left: Mapping[str, str]

    @property
    def size(self) -> int:
        """The number of elements of all weights."""
        return sum(weight.size for weight in self.found)


def find_weights(trace: Trace, granularity: Granularity, options: Options) -> Weights:
    """Return the weights that a granularity is for, but for those that `--include` and `--exclude` leave out."""
    search = _Search(trace)
    found: list[Weight] = []
    left: dict[str, str] = {}
    for use in {use.constant: use for use in reversed(list(parameter_uses(trace)))}.values():
        weight = search.weight(use)
        if isinstance(weight, str):
            if _is_matrix(trace.model.constants[use.constant]):
                left[display_name(use.constant)] = weight
        elif reason := _left_out(trace, weight, options) or weight.misfit(granularity) or _unused(weight, options):
            left[weight.name] = reason
        else:
            found.append(weight)
    return Weights(tuple(reversed(found)), dict(reversed(left.items())))


def _unused(weight: Weight, options: Options) -> str | None:
    """Return why the runtime that the model goes to would not use a pattern in a weight, or None where it would."""
    granularity, known = options.zeros, options.runtime.pattern
    if not isinstance(granularity, Pattern) or known is None or (granularity.n, granularity.m) != (known.n, known.m):
        return None
    assert weight.inputs is not None
    outs = 1 if weight.outs is None else weight.shape[weight.outs]
    reason = known.misfit(weight.shape[weight.inputs], outs)
    return None if reason is None else f"{options.target} would not use {granularity} zeros in it: {reason}"


def _is_matrix(tensor: onnx.TensorProto) -> bool:
    return sum(length > 1 for length in tensor.dims) > 1


def _left_out(trace: Trace, weight: Weight, options: Options) -> str | None:
    names = {weight.name, weight.key[1], *(trace.model.node(key).name for key in weight.nodes)}
    excluded = next((glob for glob in options.exclude if any(fnmatchcase(name, glob) for name in names)), None)
    if excluded is not None:
        return f"--exclude {excluded}"
    if options.include and not any(fnmatchcase(name, glob) for name in names for glob in options.include):
        return "not named by --include"
    return None if options.include else mathematics_in(trace, weight.use)


@dataclass(frozen=True)
class _Role:
    """A node that multiplies with a weight, and where the axes of its operand are as the weight is stored."""

    node: NodeKey
    operand: Operand
    axes: Axes | None

    def axis(self, of_operand: int | None) -> int | None:
        """Return the stored axis of an axis of the operand; None also where it has too few axes for its operator."""
        if self.axes is None or of_operand is None or of_operand not in range(-len(self.axes), len(self.axes)):
            return None
        return self.axes[of_operand]


class _Search:
    def __init__(self, trace: Trace) -> None:
        self._model, self._scales = trace.model, Scales(trace)
        self._readers = find_readers(trace.model)
        self._stored = set(trace.model.constants)

    def weight(self, use: Use) -> Weight | str:
        """Return a constant as a weight, or why it is none."""
        tensor = self._model.constants[use.constant]
        roles = list(self._roles(use.constant, tuple(range(len(tensor.dims)))))
        obstacle = next((role for role in roles if isinstance(role, str)), None)
        if obstacle is not None or not roles:
            return obstacle or "no node of the graph multiplies with it"
        zero = self._scales.zero(use)
        if zero is None:
            return "which stored number means zero is not known"
        found = [role for role in roles if not isinstance(role, str)]
        inputs, outs = (
            _agreed([role.axis(axis) for role, axis in zip(found, axes, strict=True)])
            for axes in ([role.operand.inputs for role in found], [role.operand.outs for role in found])
        )
        return Weight(
            use, tensor, inputs, outs, max(role.operand.groups for role in found),
            all(role.operand.patterned for role in found), tuple(role.node for role in found),
            self._scales.is_quantized(use), zero,
        )  # fmt: skip

    def _roles(self, value: tuple[str, str], axes: Axes | None) -> Iterator[_Role | str]:
        """Follow a value, whose axes are these of the stored constant, to those who multiply with it."""
        for key, slot in self._readers.get(value, ()):
            if key.index < 0:
                yield "the graph returns it"
                continue
            node = self._model.node(key)
            if slot == 0 and node.op_type in SCALED | MOVED:
                yield from self._roles((key.scope, node.output[0]), axes and _moved(node, axes))
            else:
                yield from self._product(key, node, slot, axes)

    def _product(self, key: NodeKey, node: onnx.NodeProto, slot: int, axes: Axes | None) -> Iterator[_Role | str]:
        found = list(operands(node, slot, len(axes) if axes is not None else 2))
        if not found:
            yield f"{node.op_type} reads it, which is no product with an activation"
        yield from (_Role(key, operand, axes) for operand in found)


def _moved(node: onnx.NodeProto, axes: Axes) -> Axes | None:
    """Return where the axes of a constant are behind a node that keeps every number; None where they are no more."""
    if node.op_type in SCALED:
        return axes
    if node.op_type == "Transpose":
        given = next((list(item.ints) for item in node.attribute if item.name == "perm"), None)
        if given is not None and len(given) != len(axes):
            return None
        return tuple(axes[place] for place in (reversed(range(len(axes))) if given is None else given))
    return None


def _agreed(axes: list[int | None]) -> int | None:
    """Return the axis that all nodes mean, or None."""
    return axes[0] if len(set(axes)) == 1 else None
