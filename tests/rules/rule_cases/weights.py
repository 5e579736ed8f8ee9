"""Cases of how weights are stored: shared, transposed, in Constant nodes, as inputs."""

from __future__ import annotations

import numpy as np
from graphs import Graph

from rule_cases.case import case


@case(6)
def weights_in_constant_nodes(g: Graph) -> None:
    x = g.add("Conv", g.image(), g.constant(g.random(6, 3, 1, 1)), g.constant(g.random(6)))
    g.output(g.add("Conv", x, g.constant(g.random(2, 6, 1, 1))))


@case(6, 6)
def zero_bias_shared_by_unrelated_convs(g: Graph) -> None:
    """Exporters merge equal tensors: each conv gets a copy of its own."""
    image, zeros = g.image(), g.store(np.zeros(6), np.float32)
    x, y = (g.add("Conv", image, g.weight(6, 3, 1, 1), zeros) for _ in range(2))
    g.output(g.add("Add", g.conv(x, 2), g.conv(y, 2)))


@case(6, 6)
def batch_norm_statistics_shared_by_unrelated_layers(g: Graph) -> None:
    image, ones = g.image(), g.store(np.ones(6), np.float32)
    parts = [g.add("BatchNormalization", g.conv(image, 6), ones, g.weight(6), g.weight(6), ones) for _ in range(2)]
    g.output(g.add("Add", g.conv(parts[0], 2), g.conv(parts[1], 2)))


@case(6)
def zero_bias_in_a_constant_node_shared_with_a_frozen_layer(g: Graph) -> None:
    image, zeros = g.image(), g.constant(np.zeros(6))
    x = g.add("Conv", image, g.weight(6, 3, 1, 1), zeros)
    g.output(g.conv(x, 2), g.add("Conv", image, g.weight(6, 3, 1, 1), zeros))


@case(6)
def kernel_shared_on_purpose(g: Graph) -> None:
    """A detection head over two scales has one set of weights."""
    image = g.image()
    pooled = g.add("AveragePool", image, kernel_shape=[2, 2], strides=[2, 2])
    w1, b1, w2 = g.weight(6, 3, 1, 1), g.weight(6), g.weight(2, 6, 1, 1)
    for x in (image, pooled):
        g.output(g.add("Conv", g.add("Relu", g.add("Conv", x, w1, b1)), w2))


@case(6)
def embedding_tied_with_the_last_layer(g: Graph) -> None:
    tokens, table = g.input(2, 5, dtype=7), g.weight(10, 6)
    x = g.add("Tanh", g.add("Gather", table, tokens))
    g.output(g.add("MatMul", x, g.transpose(table, 1, 0)))


@case(6)
def autoencoder_with_tied_weights(g: Graph) -> None:
    w = g.weight(3, 6)
    x = g.add("Relu", g.add("MatMul", g.input(4, 3), w))
    g.output(g.add("MatMul", x, g.transpose(w, 1, 0)))


@case(6)
def weights_behind_transpose_and_identity(g: Graph) -> None:
    w1 = g.transpose(g.weight(6, 3), 1, 0)
    w2 = g.add("Identity", g.weight(6, 2))
    x = g.add("Add", g.add("MatMul", g.input(4, 3), w1), g.add("Identity", g.weight(6)))
    g.output(g.add("MatMul", x, w2))


@case(6)
def weights_behind_reshape(g: Graph) -> None:
    w = g.reshape(g.weight(6, 3), 6, 3, 1, 1)
    g.finish(g.add("Conv", g.image(), w, g.add("Squeeze", g.weight(6, 1), g.ints(1))))


@case(6, 7)
def weights_normalized_in_the_graph(g: Graph) -> None:
    """Weight normalization over the input channels of the kernel."""
    w = g.weight(6, 3, 1, 1)
    norm = g.add("ReduceL2", w, axes=[1, 2, 3])
    x = g.add("Conv", g.image(), g.add("Mul", g.add("Div", w, norm), g.weight(6, 1, 1, 1)))
    g.finish(g.conv(x, 7))


@case(6)
def weights_behind_cast(g: Graph) -> None:
    w = g.store(g.random(6, 3, 1, 1), np.float64)
    g.finish(g.add("Conv", g.image(), g.add("Cast", w, to=1)))


@case(6)
def scale_stored_per_channel_in_both_layers(g: Graph) -> None:
    """The same vector scales the channels of two residual branches: one dim."""
    image, scale = g.image(), g.weight(6, 1, 1)
    x, y = (g.add("Mul", g.conv(image, 6), scale) for _ in range(2))
    g.finish(g.add("Add", x, y))


@case(6)
def kernel_with_several_uses_in_one_residual(g: Graph) -> None:
    """An unrolled cell: the same square weight again and again."""
    w = g.weight(6, 6, fan_in=6)
    x = g.gemm(g.input(4, 3), 6)
    for _ in range(3):
        x = g.add("Tanh", g.add("MatMul", x, w))
    g.finish(x)
