"""What a case is, and the table of all cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from quantized_graphs import MICROSOFT, QuantizedGraph

ONES = "ones"
TOOL = "onnx-tool"


class MacGraph(QuantizedGraph):
    """A graph under construction whose weights are ones: then its results are the numbers of products in them."""

    def ones(self, *shape: int, dtype: Any = np.float32) -> str:
        """A stored weight of ones."""
        return self.store(np.ones(shape), dtype)

    def zeros(self, *shape: int, dtype: Any = np.float32) -> str:
        """A stored bias or zero point of zeros."""
        return self.store(np.zeros(shape), dtype)


@dataclass(frozen=True)
class MacCase:
    """A small graph around one operator, its multiply-accumulates, and by whom else they can be counted.

    `macs` is written as a product of the sizes in the docstring of the case, in their order.
    """

    name: str
    operator: tuple[str, str]
    macs: int
    build: Callable[[MacGraph], None]
    counters: frozenset[str]
    opset: int

    def model(self) -> onnx.ModelProto:
        """Build the graph."""
        graph = MacGraph(self.opset)
        self.build(graph)
        proto = graph.model()
        assert self.operator in {(node.domain, node.op_type) for node in proto.graph.node}
        return proto


CASES: list[MacCase] = []


def costs(
    op_type: str, macs: int, *counters: str, domain: str = "", opset: int = 17
) -> Callable[[Callable[[MacGraph], None]], Callable[[MacGraph], None]]:
    """Put a function that builds a graph into the table; see `MacCase`."""

    def register(build: Callable[[MacGraph], None]) -> Callable[[MacGraph], None]:
        name = build.__name__
        assert all(case.name != name for case in CASES), f"two cases are called {name}"
        CASES.append(MacCase(name, (domain, op_type), macs, build, frozenset(counters), opset))
        return build

    return register


def fused(op_type: str, macs: int, *counters: str) -> Callable[..., Callable[[MacGraph], None]]:
    """As `costs`, for an operator of onnxruntime's own domain."""
    return costs(op_type, macs, *counters, domain=MICROSOFT)
