"""What a model costs at any candidate widths: parameters, multiply-accumulates, bytes, without touching a weight."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from onnxprune.axes import Dim, Expr, Fixed, Product, Sum, count, free_dims, size
from onnxprune.measure import Counts, Measure, Widths
from onnxprune.model import ConstantKey
from onnxprune.open_sizes import open_sizes, symbols_of
from onnxprune.parameters import parameter_uses, together
from onnxprune.record import Use
from onnxprune.tracing import Trace

__all__ = ["Cost", "Counts", "Term", "cost_of", "open_sizes", "term", "with_sizes"]

PACKED = {"INT4": 1 / 2, "UINT4": 1 / 2, "FLOAT4E2M1": 1 / 2, "INT2": 1 / 4, "UINT2": 1 / 4}
"""Bytes of an element of the types of which several share one."""


@dataclass(frozen=True)
class Term:
    """A constant factor times the product of the counts of some axes."""

    factor: int
    axes: tuple[Expr, ...]

    @cached_property
    def dims(self) -> frozenset[Dim]:
        """The dims in its axes."""
        return frozenset(dim for axis in self.axes for dim in free_dims(axis))

    def at(self, counts: Widths) -> Any:
        """Return the value, or values, at candidate widths."""
        return self.factor * math.prod(count(axis, counts) for axis in self.axes)


@dataclass(frozen=True)
class Stored:
    """The elements of one constant, times what one of them weighs: one term for each way in which its uses shrink.

    Uses that shrink differently need a copy each; those that do not shrink share the dense tensor.
    """

    ways: tuple[Term, ...]
    weight: float = 1

    @cached_property
    def dims(self) -> frozenset[Dim]:
        """The dims in its axes."""
        return frozenset(dim for way in self.ways for dim in way.dims)

    def at(self, counts: Widths) -> Any:
        """Return the value, or values, at candidate widths."""
        if len(self.ways) == 1:
            return self.ways[0].at(counts) * self.weight
        dense = self.ways[0].at({})
        sizes = [way.at(counts) for way in self.ways]
        some_stay = np.any(np.broadcast_arrays(*(size == dense for size in sizes)), axis=0)
        return (sum(np.where(size == dense, 0, size) for size in sizes) + dense * some_stay) * self.weight


@dataclass(frozen=True)
class Width:
    """The units that one dim keeps."""

    dim: Dim

    @property
    def dims(self) -> frozenset[Dim]:
        """The dim."""
        return frozenset((self.dim,))

    def at(self, counts: Widths) -> Any:
        """Return the count, or counts."""
        return counts.get(self.dim, self.dim.size)


class Cost:
    """What one model costs as a function of the number of units that each dim keeps.

    `measures` are by the name of a budget: params, macs, channels and size (bytes), and latency (milliseconds) once it
    was put there. `uncounted` is the number of nodes whose MACs depend on a size that is not known: it counts as 1.
    """

    def __init__(self, trace: Trace, symbols: Mapping[str, int]) -> None:
        """`symbols` gives the sizes that only the running model knows; one that is not there counts as 1."""
        numbers = together(trace)
        tensors = [Stored(ways, numbers.get(key, 1)) for key, ways in _ways(parameter_uses(trace)).items()]
        self.symbols = symbols
        self.measures = {
            "params": Measure(tensors),
            "macs": Measure(term(work.axes, symbols) for work in trace.work),
            "channels": Measure(map(Width, trace.dims)),
            "size": _size(trace),
        }
        self.uncounted = sum(not symbols_of(work.axes) <= symbols.keys() for work in trace.work)

    def params(self, counts: Counts) -> int:
        """Return the number of parameters: weights, biases, normalization and embedding values."""
        return int(self.measures["params"].at(counts))

    def macs(self, counts: Counts) -> int:
        """Return the multiply-accumulates of one forward pass: convolutions and matrix products, also inside layers.

        Every product counts, also with padding and with what a mask hides; biases do not. The body of a Loop counts as
        often as its trip count says, that of a Scan once a step; of an If the branch that runs, or that takes more.
        """
        return int(self.measures["macs"].at(counts))


def cost_of(trace: Trace, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Cost:
    """Return the cost of a traced model at the shapes of its inputs, those that are not given at usual values."""
    return Cost(trace, open_sizes(trace, shapes))


def _ways(uses: Iterable[Use]) -> dict[ConstantKey, tuple[Term, ...]]:
    """Return, per constant, one term for each different way in which its uses may shrink."""
    groups: dict[ConstantKey, dict[tuple[Expr, ...], Term]] = {}
    for use in uses:
        groups.setdefault(use.constant, {}).setdefault(use.axes, term(use.axes, {}))
    return {constant: tuple(ways.values()) for constant, ways in groups.items()}


def _size(trace: Trace) -> Measure:
    """Return the bytes of the model with its external data."""
    model = trace.model
    ways = _ways(use for use in trace.uses if any(free_dims(axis) for axis in use.axes))
    tensors = [Stored(terms, _bytes_of_an_element(model.constants[constant])) for constant, terms in ways.items()]
    whole = model.proto.ByteSize() + sum(
        model.extent(tensor).length for tensor in model.tensors() if tensor.data_location == TensorProto.EXTERNAL
    )
    return Measure(tensors, whole - sum(tensor.at({}) for tensor in tensors))


def _bytes_of_an_element(tensor: TensorProto) -> float:
    packed = PACKED.get(TensorProto.DataType.Name(tensor.data_type))
    return packed or helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize


def term(axes: tuple[Expr, ...], symbols: Mapping[str, int]) -> Term:
    """Return the product of the sizes of some axes; an open size that `symbols` does not give counts as 1."""
    known = with_sizes(axes, symbols)
    factor = math.prod(size(axis) or 0 for axis in known if not free_dims(axis))
    return Term(factor, tuple(axis for axis in known if free_dims(axis)))


def with_sizes(axes: Iterable[Expr], symbols: Mapping[str, int]) -> tuple[Expr, ...]:
    """Return axes with numbers for the sizes that only the running model knows: 1 for one that is not given."""
    return tuple(_with_sizes(axis, symbols) for axis in axes)


def _with_sizes(axis: Expr, symbols: Mapping[str, int]) -> Expr:
    if isinstance(axis, Product):
        return Product(with_sizes(axis.factors, symbols))
    if isinstance(axis, Sum):
        return Sum(with_sizes(axis.terms, symbols))
    if isinstance(axis, Fixed) and axis.size is None:
        return Fixed(symbols.get(axis.symbol) or math.prod(_factors(axis.symbol, symbols)))
    return axis


def _factors(symbol: str, symbols: Mapping[str, int]) -> Iterator[int]:
    """Yield the factors of a size that is called by a product of names."""
    yield from (int(part) if part.isdigit() else symbols.get(part, 1) for part in symbol.split("*"))
