"""What a case is, and the table of all cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import onnx
from graphs import Graph


@dataclass(frozen=True)
class Case:
    """A small graph and what tracing it must find: the sizes of its prunable dims, and why the rest is frozen."""

    name: str
    build: Callable[[Graph], None]
    opset: int
    dims: tuple[int, ...]
    frozen: str = ""

    def model(self) -> onnx.ModelProto:
        """Build the graph."""
        graph = Graph(self.opset)
        self.build(graph)
        return graph.model()

    def operators(self) -> Iterator[tuple[str, str]]:
        """Yield the domain and type of every node."""
        yield from ((node.domain, node.op_type) for node in self.model().graph.node)


CASES: dict[str, Case] = {}


def add_case(name: str, build: Callable[[Graph], None], dims: Sequence[int], opset: int = 17, frozen: str = "") -> None:
    """Put one case into the table."""
    if name in CASES:
        raise ValueError(f"two cases are called {name}")
    CASES[name] = Case(name, build, opset, tuple(sorted(dims)), frozen)


def case(
    *dims: int, opset: int = 17, opsets: Sequence[int] = (), frozen: str = ""
) -> Callable[[Callable[[Graph], None]], Callable[[Graph], None]]:
    """Put a function that builds a graph into the table, once per opset.

    `dims` are the sizes of the dims that may shrink; `frozen` is a part of the reason of something that may not.
    """

    def register(build: Callable[[Graph], None]) -> Callable[[Graph], None]:
        for version in opsets or [opset]:
            name = f"{build.__name__}-{version}" if opsets else build.__name__
            add_case(name, build, dims, version, frozen)
        return build

    return register
