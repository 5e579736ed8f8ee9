"""Where prunable dims meet the matrices of linear layers."""

from __future__ import annotations

import networks
import numpy as np
from graphs import Graph

from onnxprune.linear import consumers, kept_outputs, layers
from onnxprune.tracing import Trace


def found(trace: Trace) -> dict[str, dict[str, list[int]]]:
    """Dim -> layer -> the unit of each column."""
    return {
        trace.names[dim]: {consumer.layer.name: consumer.units.tolist() for consumer in met}
        for dim, met in consumers(trace).items()
    }


def graph_of(g: Graph, y: str) -> Trace:
    g.finish(y)
    return networks.traced(g.model())


def test_a_column_belongs_to_the_unit_that_it_reads() -> None:
    by_dim = found(networks.traced(networks.plain()))
    assert by_dim == {"conv1.weight[0]": {"conv2": list(range(8))}, "conv2.weight[0]": {"fc": list(range(12))}}


def test_every_tap_of_a_kernel_reads_the_same_units() -> None:
    g = Graph()
    trace = graph_of(g, g.conv(g.conv(g.image(), 4), 5, kernel=3))
    assert next(iter(found(trace).values())) == {g.nodes[1].name: list(range(4)) * 9}


def test_behind_a_flatten_a_unit_has_many_columns() -> None:
    g = Graph()
    x = g.conv(g.image(side=2), 3)
    trace = graph_of(g, g.gemm(g.add("Flatten", x), 4))
    assert next(iter(found(trace).values())) == {g.nodes[-2].name: [0] * 4 + [1] * 4 + [2] * 4}


def test_units_of_other_dims_are_marked() -> None:
    g = Graph()
    x = g.image()
    both = g.add("Concat", g.conv(x, 2), g.conv(x, 3), axis=1)
    trace = graph_of(g, g.conv(both, 4))
    first, second, *_ = found(trace).values()
    assert first == {g.nodes[3].name: [0, 1, -1, -1, -1]} and second == {g.nodes[3].name: [-1, -1, 0, 1, 2]}


def test_a_depthwise_convolution_does_not_sum_over_its_channels() -> None:
    g = Graph()
    trace = graph_of(g, g.conv(g.conv(g.image(), 4), 4, kernel=3, group=4))
    [met] = found(trace).values()
    assert list(met) == [g.nodes[2].name]


def test_columns_of_a_grouped_convolution_are_those_of_one_group() -> None:
    g = Graph()
    trace = graph_of(g, g.conv(g.conv(g.image(), 6), 4, group=2))
    labels = [units for met in found(trace).values() for name, units in met.items() if name == g.nodes[1].name]
    assert labels == [[0, 1, 2]]


def test_recurrent_layers_sum_over_their_input() -> None:
    g = Graph()
    x = g.linear(g.input(3, 2, 4), 5)
    y = g.nodes_of("GRU", [x, g.weight(2, 6, 5), g.weight(2, 6, 2)], 2, hidden_size=2, direction="bidirectional")[1]
    g.output(y)
    by_dim = found(networks.traced(g.model()))
    assert next(iter(by_dim.values())) == {g.nodes[1].name: list(range(5))}


# What is kept of a layer's outputs


def kept(trace: Trace, name: str, masks: dict[str, list[int]]) -> tuple[list[bool], list[bool]]:
    """Groups and outputs of a layer that are kept, where `masks` names the units of dims that are."""
    dims = {name: dim for dim, name in trace.names.items()}
    layer = next(layer for layer in layers(trace.model) if layer.name == name)
    use = next(use for use in trace.uses if use.slot == (layer.key, layer.w_slot))
    by_dim = {dims[dim]: np.isin(np.arange(dims[dim].size), units) for dim, units in masks.items()}
    groups, outs = kept_outputs(layer, use.axes, by_dim)
    return groups.tolist(), outs.tolist()


def test_the_outputs_that_are_kept_are_those_of_the_masks() -> None:
    trace = networks.traced(networks.plain())
    masks = {"conv1.weight[0]": [0, 2], "conv2.weight[0]": [1, 2, 11]}
    assert kept(trace, "conv2", masks) == ([True], [unit in (1, 2, 11) for unit in range(12)])
    assert kept(trace, "fc", masks) == ([True], [True] * networks.CLASSES)


def test_of_a_depthwise_convolution_groups_are_kept() -> None:
    trace = networks.traced(networks.branchy())
    assert kept(trace, "depthwise", {"conv1.weight[0]": [0, 5]}) == ([unit in (0, 5) for unit in range(8)], [True])
