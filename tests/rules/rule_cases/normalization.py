"""Cases of normalization layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from graphs import Graph

from rule_cases.case import add_case, case

STATISTICS = "its statistics are taken over this axis"


@case(6, opsets=[7, 9, 14, 15])
def batch_normalization(g: Graph) -> None:
    g.finish(g.batch_norm(g.conv(g.image(), 6, bias=False)))


@case(6)
def batch_normalization_of_vectors(g: Graph) -> None:
    g.finish(g.batch_norm(g.gemm(g.input(4, 3), 6)))


@case(6)
def instance_normalization(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("InstanceNormalization", x, g.positive(6), g.weight(6)))


def instance_norm_of_groups(g: Graph, x: str, groups: int) -> str:
    """How exporters write GroupNorm: the groups become channels whose positions are everything else."""
    n, c, h, w = g.shape(x)
    y = g.reshape(x, 0, groups, -1)
    y = g.add("InstanceNormalization", y, g.store(np.ones(groups), np.float32), g.store(np.zeros(groups), np.float32))
    y = g.reshape(y, n, c, h, w)
    return g.add("Add", g.add("Mul", y, g.weight(c, 1, 1)), g.weight(c, 1, 1))


@case(4, frozen=STATISTICS)
def group_norm_as_exported_keeps_whole_groups(g: Graph) -> None:
    g.finish(instance_norm_of_groups(g, g.conv(g.image(), 12), 4))


@case(5, frozen=STATISTICS)
def group_norm_of_one_group(g: Graph) -> None:
    g.finish(instance_norm_of_groups(g, g.conv(g.image(), 12), 1), hidden=5)


@case(5, opset=21, frozen=STATISTICS)
def group_normalization(g: Graph) -> None:
    x = g.conv(g.image(), 12)
    g.finish(g.add("GroupNormalization", x, g.positive(12), g.weight(12), num_groups=4), hidden=5)


@case(7, frozen=STATISTICS)
def layer_normalization_before_a_wide_layer(g: Graph) -> None:
    x = g.linear(g.input(2, 5, 3), 6)
    y = g.add("LayerNormalization", x, g.positive(6), g.weight(6), axis=-1)
    g.output(g.linear(g.add("Relu", g.linear(y, 7)), 2))


@case(7, opset=23, frozen=STATISTICS)
def rms_normalization(g: Graph) -> None:
    y = g.add("RMSNormalization", g.linear(g.input(2, 5, 3), 6), g.positive(6), axis=-1)
    g.output(g.linear(g.add("Relu", g.linear(y, 7)), 2))


@case(6)
def layer_normalization_of_positions(g: Graph) -> None:
    """Normalized over the width alone, the channels stay free."""
    g.finish(g.add("LayerNormalization", g.conv(g.image(), 6), g.positive(6), axis=-1))


@case(6)
def layer_norm_written_out(g: Graph) -> None:
    """ReduceMean over the features freezes them; the layer behind may shrink."""
    x = g.linear(g.input(2, 5, 3), 8)
    centred = g.add("Sub", x, g.add("ReduceMean", x, axes=[-1]))
    variance = g.add("ReduceMean", g.add("Mul", centred, centred), axes=[-1])
    y = g.add("Div", centred, g.add("Sqrt", g.add("Add", variance, g.store(1e-5, np.float32))))
    g.output(g.linear(g.linear(g.add("Mul", y, g.weight(8)), 6), 2))


def normalized(op: str, hidden: int = 0, **attributes: Any) -> Callable[[Graph], None]:
    return lambda g: g.finish(g.add(op, g.conv(g.image(), 6), **attributes), hidden)


for _op in ("Softmax", "LogSoftmax", "Hardmax"):
    add_case(f"{_op}_of_opset_11_takes_all_axes_behind", normalized(_op, axis=2), [6], 11)
    add_case(f"{_op}_of_opset_11_by_default", normalized(_op, 5), [5], 11, STATISTICS)
    add_case(f"{_op}_of_opset_11_from_the_batch_on", normalized(_op, 5, axis=0), [5], 11, STATISTICS)
    add_case(f"{_op}_of_opset_11_counted_from_the_back", normalized(_op, axis=-1), [6], 11)
    add_case(f"{_op}_of_positions", normalized(_op, axis=2), [6], 13)
    add_case(f"{_op}_by_default", normalized(_op), [6], 13)
    add_case(f"{_op}_of_channels", normalized(_op, 5, axis=1), [5], 13, STATISTICS)


@case(6)
def softmax_by_default_of_the_last_of_three_axes(g: Graph) -> None:
    g.finish(g.add("Softmax", g.conv(g.input(2, 3, 9), 6)))


@case(5, opset=11, frozen=STATISTICS)
def softmax_of_features_counted_from_the_back(g: Graph) -> None:
    x = g.add("Softmax", g.linear(g.input(2, 4, 3), 6), axis=-1)
    g.output(g.linear(g.linear(x, 5), 2))


@case(5, frozen="each channel is normalized by its neighbours")
def local_response_normalization(g: Graph) -> None:
    g.finish(g.add("LRN", g.conv(g.image(), 6), size=3, alpha=0.5, beta=0.7), hidden=5)


add_case("LpNormalization_of_positions", normalized("LpNormalization", axis=3), [6])
add_case("LpNormalization_of_channels", normalized("LpNormalization", 5, axis=1), [5], frozen=STATISTICS)
add_case(
    "MeanVarianceNormalization_of_channels",
    normalized("MeanVarianceNormalization", 5, axes=[0, 1, 2, 3]),
    [5],
    frozen=STATISTICS,
)
