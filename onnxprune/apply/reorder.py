"""Reordering: the same model with the units of its dims in another order. It computes what it did, but for rounding.

A rule that lets any subset of the units of a dim go treats each unit alike, wherever it stands; so any order is as
good as another, also where only the sizes of norms kept a dim from being pruned (trace with `allow_norm`). What does
depend on the order of a dim that tracing leaves free is left out of `reorderable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.apply import constants, declarations
from onnxprune.apply.draft import Draft
from onnxprune.axes import Dim, free_dims
from onnxprune.errors import UsageError
from onnxprune.model import Model, enclosing_scopes
from onnxprune.tensors import NARROW, REAL
from onnxprune.tracing import Trace


def reorder(trace: Trace, orders: Mapping[Dim, NDArray[np.int64]]) -> Model:
    """Return a new model in which the units of each dim stand in the given order.

    `orders` holds int64 [dim.size] for each dim that changes, every unit once: unit `orders[dim][p]` comes to stand at
    position p. Stored constants follow along every axis, indices into a reordered axis are renumbered, and a constant
    that several nodes need in different orders is copied; the rest stays as it is. The traced model is left alone.
    Raises `UsageError` for an order that is none, or of a dim that `reorderable` does not return.
    """
    allowed = set(reorderable(trace))
    for dim, order in orders.items():
        if dim not in allowed:
            raise UsageError(f"the units of {trace.names.get(dim, dim)} have an order that matters; it must stay")
        if not np.array_equal(np.sort(order), np.arange(dim.size)):
            raise UsageError(f"an order of {trace.names[dim]} must hold each unit from 0 to {dim.size - 1} once")
    draft = Draft(trace, {})
    constants.rewrite(draft, {dim: o for dim, o in orders.items() if (o != np.arange(dim.size)).any()})
    declarations.declare_initializers(draft)
    return Model(draft.proto, trace.model.path)


def reorderable(trace: Trace) -> tuple[Dim, ...]:
    """Return the dims whose units may stand in any order, in the order in which weights meet them."""
    excluded = set(_orderly(trace))
    return tuple(dim for dim in trace.dims if dim not in excluded)


def _orderly(trace: Trace) -> Iterator[Dim]:
    """Yield the free dims whose order means something.

    Integers that only count or index (the sizes that a Reshape reads, in int32) are an order of axes. A Dropout that
    drops at random gives each position a chance of its own.
    """
    stored = trace.model.constants
    for dim, members in trace.members.items():
        if all(stored[use.constant].data_type not in REAL | NARROW for use, _ in members):
            yield dim
    for scope, graph in trace.model.graphs.items():
        for node in graph.node:
            if node.op_type == "Dropout" and _is_random(trace.model, scope, node):
                tensor = trace.tensor(scope, node.input[0])
                yield from (dim for axis in (tensor and tensor.axes) or () for dim in free_dims(axis))


def _is_random(model: Model, scope: str, node: onnx.NodeProto) -> bool:
    """Whether a Dropout may drop anything: it is in training mode, or its input says so when the model runs."""
    if len(node.input) < 3 or not node.input[2]:
        return False
    found = (model.constants.get((outer, node.input[2])) for outer in enclosing_scopes(scope))
    mode = next((tensor for tensor in found if tensor is not None), None)
    return mode is None or bool(model.array(mode).any())
