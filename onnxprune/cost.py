"""What a model costs at any candidate widths: parameters and multiply-accumulates, without touching a weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from onnxprune.axes import Dim, Expr, Fixed, Product, Sum, count, free_dims, size
from onnxprune.inputs import concrete_inputs, usual_inputs
from onnxprune.model import ConstantKey
from onnxprune.parameters import parameter_uses
from onnxprune.tracing import Trace
from onnxprune.tracing import trace as trace_model

Counts = Mapping[Dim, int]


@dataclass(frozen=True)
class Term:
    """A constant factor times the product of the counts of some axes."""

    factor: int
    axes: tuple[Expr, ...]

    def at(self, counts: Counts) -> int:
        """Return the value at candidate widths."""
        return self.factor * math.prod(count(axis, counts) for axis in self.axes)


class Cost:
    """Parameters and MACs of one model as functions of the number of units that each dim keeps.

    `uncounted` is the number of nodes whose MACs depend on a size that is not known: it counts as 1.
    """

    def __init__(self, trace: Trace, symbols: Mapping[str, int]) -> None:
        """`symbols` gives the sizes that only the running model knows; one that is not there counts as 1."""
        self.dims = trace.dims
        self._tensors = _tensor_terms(trace)
        self._work = [_term(work.axes, symbols) for work in trace.work]
        self.uncounted = sum(not symbols_of(work.axes) <= symbols.keys() for work in trace.work)

    def params(self, counts: Counts) -> int:
        """Return the number of parameters: weights, biases, normalization and embedding values."""
        return sum(_stored(groups, counts) for groups in self._tensors)

    def macs(self, counts: Counts) -> int:
        """Return the multiply-accumulates of one forward pass: convolutions and matrix products."""
        return sum(term.at(counts) for term in self._work)

    def channels(self, counts: Counts) -> int:
        """Return the number of units that all prunable dims keep together."""
        return sum(counts.get(dim, dim.size) for dim in self.dims)


def cost_of(trace: Trace) -> Cost:
    """Return the cost of a traced model, its open sizes at usual values."""
    return Cost(trace, open_sizes(trace))


def open_sizes(trace: Trace) -> dict[str, int]:
    """Return a usual value for every size that the MACs depend on and only the running model knows.

    Where they do not all stand in the shapes of the inputs, the graph is traced once more at concrete sizes.
    """
    needed = {symbol for work in trace.work for symbol in symbols_of(work.axes)}
    values = _sizes_of_inputs(trace, concrete_inputs(trace.model))
    if needed <= values.keys():
        return values
    inputs = usual_inputs(trace.model)
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


def _tensor_terms(trace: Trace) -> list[list[Term]]:
    """Per constant, one term for each different way in which its uses may shrink."""
    groups: dict[ConstantKey, dict[tuple[Expr, ...], Term]] = {}
    for use in parameter_uses(trace):
        groups.setdefault(use.constant, {}).setdefault(use.axes, _term(use.axes, {}))
    return [list(ways.values()) for ways in groups.values()]


def _stored(ways: list[Term], counts: Counts) -> int:
    """Uses that shrink differently need a copy each; those that do not shrink share the dense tensor."""
    if len(ways) == 1:
        return ways[0].at(counts)
    dense = ways[0].at({})
    sizes = [way.at(counts) for way in ways]
    shrunk = [size for size in sizes if size != dense]
    return sum(shrunk) + (dense if len(shrunk) < len(sizes) else 0)


def _term(axes: tuple[Expr, ...], symbols: Mapping[str, int]) -> Term:
    factor, open_axes = 1, []
    for axis in axes:
        if free_dims(axis):
            fixed, rest = _without_symbols(axis, symbols)
            factor *= fixed
            open_axes.append(rest)
        else:
            factor *= _fixed_size(axis, symbols)
    return Term(factor, tuple(open_axes))


def _without_symbols(axis: Expr, symbols: Mapping[str, int]) -> tuple[int, Expr]:
    if not isinstance(axis, Product):
        return 1, axis
    fixed = math.prod(_fixed_size(factor, symbols) for factor in axis.factors if isinstance(factor, Fixed))
    return fixed, Product(tuple(factor for factor in axis.factors if not isinstance(factor, Fixed)))


def _fixed_size(axis: Expr, symbols: Mapping[str, int]) -> int:
    if isinstance(axis, Fixed):
        if axis.size is not None:
            return axis.size
        if axis.symbol in symbols:
            return symbols[axis.symbol]
        return math.prod(int(part) if part.isdigit() else symbols.get(part, 1) for part in axis.symbol.split("*"))
    parts = axis.factors if isinstance(axis, Product) else axis.terms if isinstance(axis, Sum) else ()
    sizes = [_fixed_size(part, symbols) for part in parts]
    return math.prod(sizes) if isinstance(axis, Product) else sum(sizes)
