"""Put the units of small graphs into another order and hold every tensor to the dense model's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from proof import computed

from onnxprune.apply.reorder import reorder, reorderable
from onnxprune.axes import Dim, Expr, free_dims, places
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.tracing import Trace, trace
from onnxprune.verify.compare import difference

Orders = Mapping[Dim, NDArray[np.int64]]

ROUNDING = 1e-3
"""Sums in another order: relative to the largest value of a channel."""


def random_orders(found: Trace, seed: int = 0) -> dict[Dim, NDArray[np.int64]]:
    """A random order of every dim that may have one."""
    rng = np.random.default_rng(seed)
    return {dim: rng.permutation(dim.size) for dim in reorderable(found)}


def check_reordered(proto: onnx.ModelProto, seed: int = 0) -> tuple[Trace, Orders]:
    """Reorder every dim at random: the model is valid and every tensor is the dense one's, in the new order."""
    model = Model(proto)
    shapes = concrete_inputs(model)
    found = trace(model, shapes, allow_norm=True)
    orders = random_orders(found, seed)
    before = proto.SerializeToString(deterministic=True)
    new = reorder(found, orders)
    assert proto.SerializeToString(deterministic=True) == before, "the traced model has changed"
    onnx.checker.check_model(new.proto, full_check=True)
    names = computed(found)
    feeds = random_feeds(found, shapes, seed)
    # Without fusions: they round in other ways, and take names away.
    dense, reordered = (run(each, feeds, names, optimize=False) for each in (model, new))
    for name, expected, actual in zip(names, dense, reordered, strict=True):
        tensor = found.tensor("", name)
        assert tensor is not None and tensor.axes is not None
        assert difference(in_order(expected, tensor.axes, orders), actual).relative < ROUNDING, name
    return found, orders


def in_order(values: NDArray[np.generic], axes: tuple[Expr, ...], orders: Orders) -> NDArray[np.generic]:
    """Take values along every axis in the new order."""
    for place, axis in enumerate(axes):
        if any(dim in orders for dim in free_dims(axis)):
            values = values.take(places(axis, orders), place)
    return values
