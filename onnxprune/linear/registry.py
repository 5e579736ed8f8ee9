"""Where linear operators are registered: one decorator, keyed by domain and operator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from onnxprune.linear.layer import Layer
from onnxprune.model import DEFAULT_DOMAIN, Model, NodeKey
from onnxprune.tensors import REAL

Maker: TypeAlias = "Callable[[Model, NodeKey], Layer | None]"

MAKERS: dict[str, Maker] = {}


def linear(*op_types: str) -> Callable[[Maker], Maker]:
    """Register a function that makes the layer of a node, or None where the node is not linear in a stored weight."""

    def register(maker: Maker) -> Maker:
        for op_type in op_types:
            if op_type in MAKERS:
                raise ValueError(f"two kinds of linear layer for {op_type}")
            MAKERS[op_type] = maker
        return maker

    return register


def layers(model: Model) -> Iterator[Layer]:
    """Yield the linear layers of the main graph, in node order: those whose numbers are all stored, and are real."""
    for index, node in enumerate(model.proto.graph.node):
        if node.domain not in DEFAULT_DOMAIN or node.op_type not in MAKERS:
            continue
        layer = MAKERS[node.op_type](model, NodeKey("", index))
        if layer is not None and _is_stored(model, layer):
            yield layer


def _is_stored(model: Model, layer: Layer) -> bool:
    """Whether the weight, and the bias if there is one, are constants in real numbers, and the activation is none."""
    stored = [model.constants.get(key) for key in (layer.weight, layer.bias) if key is not None]
    is_real = all(tensor is not None and tensor.data_type in REAL and 0 not in tensor.dims for tensor in stored)
    return is_real and ("", layer.x) not in model.constants
