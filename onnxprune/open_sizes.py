"""Sizes that only the running model knows: what they usually are."""

from __future__ import annotations

from collections.abc import Container, Mapping

from onnxprune.axes import Expr, Fixed, Product, Sum, size
from onnxprune.errors import ModelError
from onnxprune.feeds import usable_feeds
from onnxprune.inputs import concrete_inputs, usual_inputs
from onnxprune.runtime import run
from onnxprune.tracing import Trace
from onnxprune.tracing import trace as trace_model


def open_sizes(trace: Trace, shapes: Mapping[str, tuple[int, ...]] | None = None) -> dict[str, int]:
    """Return a value for every size that the MACs depend on and only the running model knows.

    Where they do not all stand in the shapes of the inputs, the graph is traced once more at concrete sizes; and where
    the graph computes them in ways that tracing does not follow, as detectors do that scale their images, it is run.
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
    if missing := needed - values.keys():
        values.update(_sizes_when_run(trace, missing, shapes))
    return values


def _sizes_when_run(
    trace: Trace, missing: Container[str], shapes: Mapping[str, tuple[int, ...]] | None
) -> dict[str, int]:
    """Return those of the missing sizes that tensors of the main graph have in a run; none where it cannot run."""
    places: dict[str, tuple[str, int]] = {}
    outputs = trace.model.producers
    for name, tensor in trace.tensors.items():
        for place, axis in enumerate(tensor.axes or ()):
            if isinstance(axis, Fixed) and axis.size is None and axis.symbol in missing and ("", name) in outputs:
                places.setdefault(axis.symbol, (name, place))
    names = list(dict.fromkeys(name for name, _ in places.values()))
    if not names or any(node.op_type == "Loop" for node in trace.model.proto.graph.node):
        return {}  # on made-up inputs a loop may never end
    try:
        values = run(trace.model, usable_feeds(trace, shapes=shapes), names)
    except ModelError:
        return {}
    found = dict(zip(names, values, strict=True))
    return {symbol: found[name].shape[place] for symbol, (name, place) in places.items()}


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
