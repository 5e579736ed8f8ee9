"""Cases of several operators that belong together: the patterns that real models are made of."""

from __future__ import annotations

import numpy as np
from graphs import Graph

from rule_cases.case import case


@case(4, 8)
def squeeze_and_excite(g: Graph) -> None:
    g.finish(g.squeeze_excite(g.conv(g.image(), 8), 4))


def shuffled(g: Graph, x: str, groups: int) -> str:
    n, c, h, w = g.shape(x)
    y = g.transpose(g.reshape(x, n, groups, c // groups, h, w), 0, 2, 1, 3, 4)
    return g.reshape(y, n, c, h, w)


@case(2, 3, 4)
def channel_shuffle_between_grouped_convs(g: Graph) -> None:
    """Three groups of four, shuffled: every group of the second conv takes from every group of the first."""
    x = g.conv(g.conv(g.image(), 6), 12, group=3)
    g.finish(shuffled(g, x, 3))


@case(3, 4)
def channel_shuffle(g: Graph) -> None:
    x = shuffled(g, g.conv(g.image(), 12), 3)
    g.finish(g.add("Add", shuffled(g, x, 4), g.conv(x, 12)))


@case(3, 3)
def shuffle_unit_ties_two_branches(g: Graph) -> None:
    """ShuffleNet v2: concat, shuffle in two groups, split in halves."""
    image = g.image(side=4)
    joined = g.add("Concat", g.conv(image, 6), g.conv(image, 6), axis=1)
    first, second = g.split(shuffled(g, joined, 2), 6, 6)
    g.finish(g.add("Concat", first, g.conv(second, 6, kernel=3, group=6), axis=1))


def heads(g: Graph, x: str, count: int, width: int, keys: bool = False) -> str:
    n, length = g.shape(x)[:2]
    x = g.reshape(x, n, length, count, width)
    return g.transpose(x, *((0, 2, 3, 1) if keys else (0, 2, 1, 3)))


def attend(g: Graph, q: str, k: str, v: str, out: int) -> str:
    scores = g.add("Mul", g.add("MatMul", q, k), g.store(0.5, np.float32))
    mixed = g.transpose(g.add("MatMul", g.add("Softmax", scores, axis=-1), v), 0, 2, 1, 3)
    n, length, count, width = g.shape(mixed)
    return g.linear(g.reshape(mixed, n, length, count * width), out)


@case(3, 4, 5)
def attention_with_heads(g: Graph) -> None:
    """Heads, the width of queries and keys, and the width of values are three dims."""
    x = g.input(2, 6, 8)
    q, k = heads(g, g.linear(x, 12), 3, 4), heads(g, g.linear(x, 12), 3, 4, keys=True)
    g.output(g.add("Add", x, attend(g, q, k, heads(g, g.linear(x, 15), 3, 5), 8)))


@case(3, 4, 5)
def attention_with_fused_projection_cut_by_split(g: Graph) -> None:
    x = g.input(2, 6, 8)
    q, k, v = g.split(g.add("Add", g.linear(x, 39), g.weight(39)), 12, 12, 15, axis=2)
    g.output(attend(g, heads(g, q, 3, 4), heads(g, k, 3, 4, keys=True), heads(g, v, 3, 5), 8))


@case(3, 4)
def attention_with_fused_projection_of_five_axes(g: Graph) -> None:
    """As in ViT: [n, t, 3 * h * d] -> [n, t, 3, h, d] -> [3, n, h, t, d], then Gather 0, 1 and 2.

    One axis holds queries, keys and values, so that all three share one width.
    """
    x = g.input(2, 6, 8)
    fused = g.transpose(g.reshape(g.linear(x, 36), 2, 6, 3, 3, 4), 2, 0, 3, 1, 4)
    q, k, v = (g.add("Gather", fused, g.store(n, np.int64), axis=0) for n in range(3))
    g.output(attend(g, q, g.transpose(k, 0, 1, 3, 2), v, 8))


@case(2, 2, 4, 5)
def attention_with_shared_keys(g: Graph) -> None:
    """Grouped queries: 4 heads of queries on 2 of keys and values, repeated by Expand."""
    x = g.input(2, 6, 8)
    q = heads(g, g.linear(x, 16), 4, 4)
    k = heads(g, g.linear(x, 8), 2, 4, keys=True)
    v = heads(g, g.linear(x, 10), 2, 5)
    k = g.reshape(g.add("Expand", g.add("Unsqueeze", k, g.ints(2)), g.ints(2, 2, 2, 4, 6)), 2, 4, 4, 6)
    v = g.reshape(g.add("Expand", g.add("Unsqueeze", v, g.ints(2)), g.ints(2, 2, 2, 6, 5)), 2, 4, 6, 5)
    g.output(attend(g, q, k, v, 8))


@case(2, 3, 5)
def attention_with_rotated_halves(g: Graph) -> None:
    """RoPE: both halves of a head's width go together, as do the tables of cosines and sines."""
    x = g.input(2, 6, 8)

    def rotated(y: str) -> str:
        first, second = g.slice(y, 0, 2, axis=3), g.slice(y, 2, 4, axis=3)
        turned = g.add("Concat", g.add("Neg", second), first, axis=3)
        cosines, sines = g.weight(6, 4), g.weight(6, 4)
        return g.add("Add", g.add("Mul", y, cosines), g.add("Mul", turned, sines))

    q, k = rotated(heads(g, g.linear(x, 12), 3, 4)), rotated(heads(g, g.linear(x, 12), 3, 4))
    g.output(attend(g, q, g.transpose(k, 0, 1, 3, 2), heads(g, g.linear(x, 15), 3, 5), 8))


@case(7)
def mlp_with_erf_gelu(g: Graph) -> None:
    x = g.input(2, 5, 4)
    y = g.add("Add", g.linear(x, 7), g.weight(7))
    erf = g.add("Erf", g.add("Div", y, g.store(1.4142135, np.float32)))
    y = g.add("Mul", g.add("Mul", y, g.add("Add", erf, g.store(1, np.float32))), g.store(0.5, np.float32))
    g.output(g.add("Add", x, g.linear(y, 4)))


@case(7)
def gated_mlp(g: Graph) -> None:
    x = g.input(2, 5, 4)
    gate = g.linear(x, 7)
    g.output(g.linear(g.add("Mul", g.add("Mul", gate, g.add("Sigmoid", gate)), g.linear(x, 7)), 4))


@case(4, 5, 6)
def unet(g: Graph) -> None:
    skip = g.add("Relu", g.conv(g.image(), 4))
    deep = g.add("Relu", g.conv(g.add("MaxPool", skip, kernel_shape=[2, 2], strides=[2, 2]), 5))
    raised = g.add("ConvTranspose", deep, g.weight(5, 6, 2, 2), g.weight(6), strides=[2, 2])
    g.finish(g.add("Concat", skip, raised, axis=1))


@case(2, 3, 4, 4)
def cross_stage_partial(g: Graph) -> None:
    """C2f of YOLOv8: split in halves, residual bottlenecks on one of them, everything concatenated."""
    first, second = g.split(g.conv(g.image(), 8), 4, 4)
    third = g.add("Add", second, g.conv(g.conv(second, 3), 4, kernel=3))
    g.finish(g.conv(g.add("Concat", first, second, third, axis=1), 2))


@case(6)
def layer_scale(g: Graph) -> None:
    x = g.image(4)
    y = g.conv(g.add("Relu", g.conv(x, 6)), 4)
    g.output(g.add("Add", x, g.add("Mul", y, g.weight(4, 1, 1))))
