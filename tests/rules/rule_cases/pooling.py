"""Cases of pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphs import Graph

from rule_cases.case import add_case, case


def pooled(op: str, **attributes: Any) -> Callable[[Graph], None]:
    return lambda g: g.finish(g.add(op, g.conv(g.image(), 6), **attributes))


for _op in ("MaxPool", "AveragePool", "LpPool"):
    add_case(_op, pooled(_op, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), [6], opset=18)
for _op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
    add_case(_op, pooled(_op), [6])


@case(6)
def max_pool_one_dimension(g: Graph) -> None:
    g.finish(g.add("MaxPool", g.conv(g.input(2, 3, 8), 6), kernel_shape=[2]))


@case(6)
def average_pool_that_counts_padding(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("AveragePool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1, ceil_mode=1))


@case(5, frozen="the indices that it returns count positions across channels")
def max_pool_with_indices(g: Graph) -> None:
    y, indices = g.nodes_of("MaxPool", [g.conv(g.image(), 6)], 2, kernel_shape=[2, 2])
    g.finish(y, hidden=5)
    g.output(indices)


@case(6, 7)
def pooled_features_to_a_classifier(g: Graph) -> None:
    x = g.add("Flatten", g.add("GlobalAveragePool", g.conv(g.image(), 6)))
    g.finish(g.gemm(x, 7))
