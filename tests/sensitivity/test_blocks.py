"""Blocks follow from the names of weights, and where those say nothing from the names of nodes."""

from __future__ import annotations

import pytest
from graphs import Graph
from networks import Net, plain, traced

from onnxprune.sensitivity.blocks import block_in, block_of


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("layer1.0.conv1.weight", "layer1.0"),
        ("/layer1/layer1.0/conv1/Conv", "layer1.0"),
        ("blocks.2.branch.4.gate.1.weight", "blocks.2"),
        ("/blocks/blocks.2/branch/branch.0/branch.0.0/Conv", "blocks.2"),
        ("features.2.0.block.0.0.weight", "features.2.0"),
        ("/features/features.2/features.2.0/block/block.0/Conv", "features.2.0"),
        ("bert.encoder.layer.11.output.dense.weight", "bert.encoder.layer.11"),
        ("encoder.conv1.weight", "encoder"),
        ("/encoder/conv1/Conv", "encoder"),
        ("3.weight", "3"),
        ("conv1.weight", ""),
        ("/conv1/Conv", ""),
        ("onnx::Conv_261", ""),
        ("", ""),
    ],
)
def test_the_block_in_a_name(name: str, block: str) -> None:
    assert block_in(name) == block


def test_the_node_speaks_where_the_weight_has_no_name_of_its_own() -> None:
    net = Net()
    w = net.weight("onnx::Conv_12", 8, 3, 1, 1)
    x = net.node("Conv", ["x", w], "/layer1/layer1.0/conv1/Conv", 8, kernel_shape=[1, 1])
    found = traced(net.model(net.head(net.conv("layer1.0.conv2", x, 6))))
    assert {block_of(found, dim) for dim in found.dims} == {"layer1.0"}


def test_a_dim_counts_among_the_block_that_has_it_first() -> None:
    net = Net()
    x = net.conv("layer1.0.conv1", "x", 8)
    x = net.node("Add", [x, net.conv("layer1.1.conv1", x, 8)], "sum")
    found = traced(net.model(net.head(x)))
    assert [block_of(found, dim) for dim in found.dims] == ["layer1.0"]


def test_names_that_speak_of_no_block_make_each_dim_one_by_itself() -> None:
    graph = Graph()
    graph.finish(graph.conv(graph.image(), 4), hidden=6)
    for found in (traced(plain()), traced(graph.model())):
        assert len(found.dims) == 2
        assert [block_of(found, dim) for dim in found.dims] == list(found.names.values())
