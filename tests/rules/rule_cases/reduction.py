"""Cases of reductions and searches along axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from graphs import Graph
from onnx import TensorProto

from rule_cases.case import add_case, case

KINDS = "Mean Sum SumSquare Max Min Prod L1 L2 LogSum LogSumExp".split()


def positive(g: Graph, x: str) -> str:
    return g.add("Add", g.add("Sigmoid", x), g.store(0.5, np.float32))


def reduced(op: str, *axes: int, as_input: bool, hidden: int = 0, **attributes: Any) -> Callable[[Graph], None]:
    def build(g: Graph) -> None:
        x = positive(g, g.conv(g.image(), 6))
        y = g.add(op, x, g.ints(*axes), **attributes) if as_input else g.add(op, x, axes=axes, **attributes)
        g.finish(y, hidden)

    return build


for _kind in KINDS:
    _op = f"Reduce{_kind}"
    add_case(f"{_op}_axes_attribute", reduced(_op, 2, 3, as_input=False, keepdims=0), [6], 12)
    add_case(f"{_op}_axes_input", reduced(_op, 2, -1, as_input=True), [6], 18)
    add_case(
        f"{_op}_over_channels",
        reduced(_op, 1, as_input=True, hidden=5),
        [5],
        18,
        frozen="it reduces over this axis",
    )


@case(6)
def reduce_one_spatial_axis(g: Graph) -> None:
    g.finish(g.add("ReduceMax", g.conv(g.image(), 6), axes=[-1], keepdims=0))


@case(7, frozen="it reduces over this axis")
def reduce_all_axes(g: Graph) -> None:
    image = g.image()
    total = g.add("ReduceSum", g.conv(image, 6))
    g.finish(g.add("Mul", g.conv(image, 7), total))


@case(6, opset=18)
def reduce_nothing(g: Graph) -> None:
    g.finish(g.add("ReduceSum", g.conv(g.image(), 6), noop_with_empty_axes=1))


def searched(op: str) -> Callable[[Graph], None]:
    """ArgMax along the positions: its channels may still shrink."""

    def build(g: Graph) -> None:
        x = g.conv(g.image(), 6)
        found = g.add("Cast", g.add(op, x, axis=2, keepdims=1), to=TensorProto.FLOAT)
        g.finish(g.add("Add", x, found))

    return build


def searched_channels(op: str) -> Callable[[Graph], None]:
    def build(g: Graph) -> None:
        x = g.conv(g.conv(g.image(), 5), 6)
        g.output(g.add(op, x, axis=1, keepdims=0))
        g.finish(x)

    return build


for _op in ("ArgMax", "ArgMin"):
    add_case(f"{_op}_of_positions", searched(_op), [6])
    add_case(f"{_op}_of_channels", searched_channels(_op), [5], frozen="it returns positions along this axis")


@case(6)
def top_k_of_positions(g: Graph) -> None:
    values, indices = g.nodes_of("TopK", [g.conv(g.input(2, 3, 9), 6), g.ints(4)], 2, axis=2)
    g.finish(g.add("Add", values, g.add("Cast", indices, to=TensorProto.FLOAT)))


@case(6)
def top_k_of_rows_of_an_image(g: Graph) -> None:
    g.finish(g.nodes_of("TopK", [g.conv(g.image(), 6), g.ints(4)], 2, axis=2)[0])


@case(5, frozen="it selects along this axis")
def top_k_of_channels(g: Graph) -> None:
    values, _ = g.nodes_of("TopK", [g.conv(g.image(), 6), g.ints(4)], 2, axis=1)
    g.finish(values, hidden=5)


@case(6)
def cumulative_sum_of_positions(g: Graph) -> None:
    g.finish(g.add("CumSum", g.conv(g.image(), 6), g.store(2, np.int64)))


@case(5, frozen="it adds up along this axis")
def cumulative_sum_of_channels(g: Graph) -> None:
    g.finish(g.add("CumSum", g.conv(g.image(), 6), g.store(1, np.int64)), hidden=5)
