"""A model as requirements look at it: its nodes, shapes and weights, each found once."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from onnxprune.model import DEFAULT_DOMAIN, ConstantKey, Model, enclosing_scopes
from onnxprune.multiplied import Multiplied, multiplied
from onnxprune.shapes import Inferred, Shape, infer
from onnxprune.sparse_storage import to_dense

DECODING = frozenset(("Cast", "DequantizeLinear", "Identity"))
"""Operators through which a stored tensor is still one to a runtime that folds constants."""


@dataclass(frozen=True)
class Placed:
    """A node and the scope of the graph that it is in."""

    scope: str
    node: onnx.NodeProto

    @property
    def name(self) -> str:
        """What the node is called in messages: by its first output where it has no name of its own."""
        return str(self.node.name or next(iter(self.node.output), self.node.op_type))

    @property
    def operator(self) -> str:
        """The type of the node, with its domain in front where that is not the default one."""
        domain = "" if self.node.domain in DEFAULT_DOMAIN else f"{self.node.domain}:"
        return f"{domain}{self.node.op_type}"


class Subject:
    """A model that is checked. `given` is it as it is stored, or will be unless it `is_on_disk`.

    With `asks`, runtimes are asked to load it, but for those of `ran_in`, which have run it before.
    """

    def __init__(self, given: Model, asks: bool = True, ran_in: Collection[str] = (), is_on_disk: bool = False) -> None:
        self.given, self.asks, self.ran_in, self.is_on_disk = given, asks, ran_in, is_on_disk

    @cached_property
    def plain(self) -> Model:
        """The model without functions and sparse tensors."""
        return to_dense(self.given.inlined())

    @cached_property
    def nodes(self) -> tuple[Placed, ...]:
        """All nodes, those of bodies too."""
        return tuple(Placed(scope, node) for scope, graph in self.plain.graphs.items() for node in graph.node)

    @cached_property
    def inferred(self) -> Inferred:
        """The shapes that follow from those of the inputs; what else the model declares is not believed."""
        return infer(self.plain, {})

    @cached_property
    def weights(self) -> dict[ConstantKey, list[Multiplied]]:
        """The stored constants that activations are multiplied with, and each use of them."""
        return multiplied(self.plain)

    @cached_property
    def zeros(self) -> dict[ConstantKey, float]:
        """The share of zeros in each weight with input channels; quantized numbers are zero at their zero point."""
        return {
            key: self._share(key, uses[0].zero)
            for key, uses in self.weights.items()
            if uses[0].inputs is not None and uses[0].zero is not None
        }

    def _share(self, key: ConstantKey, zero: NDArray[Any] | None) -> float:
        tensor = self.plain.constants[key]
        by_row = zero is not None and zero.any()
        parts = [self.plain.array(tensor) - zero] if by_row else self.plain.parts(tensor)
        size = math.prod(tensor.dims)
        return 1 - sum(int(np.count_nonzero(part)) for part in parts) / size if size else 0.0

    @property
    def inputs(self) -> Iterator[onnx.ValueInfoProto]:
        """The inputs that somebody has to give: not those that are initializers too, as old models list them."""
        graph = self.plain.proto.graph
        stored = {tensor.name for tensor in graph.initializer}
        return (info for info in graph.input if info.name not in stored)

    def shape(self, scope: str, name: str) -> Shape | None:
        """Return the shape of a value as a node in `scope` sees it, as far as it is known."""
        for outer in enclosing_scopes(scope):
            if (outer, name) in self.plain.constants:
                return tuple(self.plain.constants[outer, name].dims)
            if f"{outer}{name}" in self.inferred.shapes:
                return self.inferred.shapes[f"{outer}{name}"]
        return None

    def is_stored(self, scope: str, name: str) -> bool:
        """Whether a value is a stored tensor, perhaps dequantized or cast."""
        for outer in enclosing_scopes(scope):
            if (outer, name) in self.plain.constants:
                return True
            maker = self.plain.producers.get((outer, name))
            if maker is not None:
                return maker.op_type in DECODING and self.is_stored(outer, maker.input[0])
        return False
