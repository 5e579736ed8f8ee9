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
from onnxprune.inputs import concrete_inputs, usual_inputs
from onnxprune.measure import Counts, Measure, Widths
from onnxprune.model import ConstantKey
from onnxprune.parameters import parameter_uses, together
from onnxprune.record import Use
from onnxprune.tracing import Trace
from onnxprune.tracing import trace as trace_model

__all__ = ["Cost", "Counts", "Term", "cost_of", "open_sizes", "term"]

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


def open_sizes(trace: Trace, shapes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, int]:
    """Return a value for every size that the MACs depend on and only the running model knows.

    Where they do not all stand in the shapes of the inputs, the graph is traced once more at concrete sizes.
    """
    needed = {symbol for work in trace.work for symbol in symbols_of(work.axes)}
    values = _sizes_of_inputs(trace, concrete_inputs(trace.model, shapes))
    if needed <= values.keys():
        return values
    inputs = usual_inputs(trace.model) if shapes is None else concrete_inputs(trace.model, shapes)
    values = _sizes_of_inputs(trace, inputs)
    concrete = trace_model(trace.model, inputs)
    for name, tensor in trace.tensors.items():
        other = concrete.tensors.get(name)
        if tensor.axes is None or other is None or other.axes is None:
            continue
        for axis, known in zip(tensor.axes, other.axes, strict=False):
            if isinstance(axis, Fixed) and axis.size is None and (length := size(known)) is not None:
                values.setdefault(axis.symbol, length)
    return values


def _sizes_of_inputs(trace: Trace, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    values: dict[str, int] = {}
    for name, shape in inputs.items():
        for axis, length in zip(trace.tensors[name].axes or (), shape, strict=False):
            values.update(dict.fromkeys(symbols(axis), length))
    return values


def symbols_of(axes: tuple[Expr, ...]) -> set[str]:
    """Return the names of the sizes in some axes that only the running model knows."""
    return {symbol for axis in axes for symbol in symbols(axis)}


def symbols(expr: Expr) -> set[str]:
    """Return the names of the sizes in an axis that only the running model knows."""
    if isinstance(expr, Fixed):
        return set() if expr.size is not None else {s for s in expr.symbol.split("*") if not s.isdigit()}
    parts = expr.factors if isinstance(expr, Product) else expr.terms if isinstance(expr, Sum) else ()
    return {symbol for part in parts for symbol in symbols(part)}


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
    known = [_with_sizes(axis, symbols) for axis in axes]
    factor = math.prod(size(axis) or 0 for axis in known if not free_dims(axis))
    return Term(factor, tuple(axis for axis in known if free_dims(axis)))


def _with_sizes(axis: Expr, symbols: Mapping[str, int]) -> Expr:
    """Return an axis with numbers for the sizes that only the running model knows."""
    if isinstance(axis, Product):
        return Product(tuple(_with_sizes(factor, symbols) for factor in axis.factors))
    if isinstance(axis, Sum):
        return Sum(tuple(_with_sizes(part, symbols) for part in axis.terms))
    if isinstance(axis, Fixed) and axis.size is None:
        return Fixed(symbols.get(axis.symbol) or math.prod(_factors(axis.symbol, symbols)))
    return axis


def _factors(symbol: str, symbols: Mapping[str, int]) -> Iterator[int]:
    """Yield the factors of a size that is called by a product of names."""
    yield from (int(part) if part.isdigit() else symbols.get(part, 1) for part in symbol.split("*"))
