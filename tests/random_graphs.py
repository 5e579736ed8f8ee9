"""Random small graphs out of the operators that have rules: drawn steps, each of which grows a graph by a layer.

A step takes its operands and its sizes from three drawn numbers, so that hypothesis can shrink a failing graph to the
few steps that matter.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from graphs import Graph
from hypothesis import strategies as st

SIDE = 4
ACTIVATIONS = "Relu Sigmoid HardSwish LeakyRelu Tanh Softplus Abs".split()

Pool = list[str]
Step = Callable[[Graph, Pool, int, int, int], str]

steps = st.lists(st.tuples(st.integers(0, 10_000), *[st.integers(0, 30)] * 3), min_size=1, max_size=9)
"""Which step, and three numbers for it to choose by."""


def channels(g: Graph, x: str) -> int:
    return g.shape(x)[1]


def pick(pool: Pool, n: int) -> str:
    """The newest tensor for 0, an older one for more."""
    return pool[-1 - n % len(pool)]


def divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def conv(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    return g.conv(pick(pool, a), 2 + b % 7, kernel=1 + 2 * (c % 2))


def grouped_conv(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    groups = divisors(channels(g, x))
    group = groups[b % len(groups)]
    return g.conv(x, group * (1 + c % 3), kernel=1 + 2 * (c % 2), group=group)


def transposed_conv(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    group = divisors(channels(g, x))[b % len(divisors(channels(g, x)))]
    w = g.weight(channels(g, x), 1 + c % 3, 1, 1, fan_in=channels(g, x) // group)
    return g.add("ConvTranspose", x, w, group=group)


def activation(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    return g.add(ACTIVATIONS[b % len(ACTIVATIONS)], pick(pool, a))


def batch_norm(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    return g.batch_norm(pick(pool, a))


def prelu(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    return g.add("PRelu", x, g.positive(channels(g, x) if b % 2 else 1, 1, 1))


def residual(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x, y = pick(pool, a), pick(pool, b)
    if channels(g, x) != channels(g, y):
        y = g.conv(y, channels(g, x))
    return g.add(("Add", "Mul", "Max")[c % 3], x, y)


def concat(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    names = [pick(pool, a), pick(pool, b), pick(pool, c)][: 2 + c % 2]
    return g.add("Concat", *names, axis=1) if sum(channels(g, n) for n in names) <= 24 else pick(pool, a)


def split(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    total = channels(g, x)
    if total < 2:
        return x
    cut = 1 + b % (total - 1)
    parts = g.split(x, cut, total - cut)
    pool.append(parts[c % 2])
    return parts[1 - c % 2]


def cut(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    total = channels(g, x)
    start = b % total
    return g.slice(x, start, start + 1 + c % (total - start))


def strided(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    step = divisors(channels(g, x))[b % len(divisors(channels(g, x)))]
    return g.slice(x, c % step, channels(g, x), step=step)


def gather(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    total = channels(g, x)
    indices = [(b + place * (1 + c % 3)) % total for place in range(1 + (b + c) % total)]
    return g.add("Gather", x, g.ints(*indices), axis=1)


def shuffle(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    n, total, *side = g.shape(x)
    groups = divisors(total)[b % len(divisors(total))]
    grid = g.transpose(g.reshape(x, n, groups, total // groups, *side), 0, 2, 1, 3, 4)
    return g.reshape(grid, n, -1 if c % 2 else total, *side)


def computed_reshape(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    """To [N, C, H*W] by sizes computed in the graph, and back."""
    x = pick(pool, a)
    batch, width = g.size_of(x, 0), g.size_of(x, 1)
    flat = g.add("Reshape", x, g.add("Concat", batch, width, g.ints(-1), axis=0))
    return g.add("Reshape", flat, g.add("Concat", batch, g.ints(channels(g, x)), g.ints(SIDE, SIDE), axis=0))


def pad(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    return g.add("Pad", pick(pool, a), g.ints(0, b % 3, 0, 0, 0, c % 3, 0, 0))


def gate(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    return g.squeeze_excite(pick(pool, a), 1 + b % 4)


def pixel_shuffle(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = g.conv(pick(pool, a), 4 * (1 + b % 3))
    up = g.add("DepthToSpace", x, blocksize=2, mode=("DCR", "CRD")[c % 2])
    return g.add("AveragePool", up, kernel_shape=[2, 2], strides=[2, 2])


def attention(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    """Positions attend to each other, in heads; query-key and value width differ."""
    x = pick(pool, a)
    n, total, *_ = g.shape(x)
    heads, width, value = 1 + b % 3, 1 + c % 3, 1 + (b + c) % 3
    tokens = g.transpose(g.reshape(x, n, total, SIDE * SIDE), 0, 2, 1)

    def project(size: int, order: tuple[int, ...]) -> str:
        return g.transpose(g.reshape(g.linear(tokens, heads * size), n, SIDE * SIDE, heads, size), *order)

    scores = g.add("MatMul", project(width, (0, 2, 1, 3)), project(width, (0, 2, 3, 1)))
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), project(value, (0, 2, 1, 3)))
    merged = g.reshape(g.transpose(mixed, 0, 2, 1, 3), n, SIDE * SIDE, heads * value)
    return g.reshape(g.transpose(g.linear(merged, total), 0, 2, 1), n, total, SIDE, SIDE)


def constant_scale(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    shape = (channels(g, x), 1, 1) if b % 2 else (1, 1, 1)
    return g.add("Mul", x, g.constant(g.random(*shape)))


def shared_weight(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    """One kernel for two tensors of the same width."""
    x = pick(pool, a)
    w = g.weight(2 + b % 4, channels(g, x), 1, 1, fan_in=channels(g, x))
    return g.add("Add", g.add("Conv", x, w), g.add("Conv", g.add("Tanh", x), w))


def expand(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    x = pick(pool, a)
    mean = g.add("GlobalAveragePool", x)
    return g.add("Add", x, g.add("Expand", mean, g.ints(1, channels(g, x), SIDE, SIDE)))


STEPS: list[Step] = [
    conv, conv, conv, grouped_conv, grouped_conv, transposed_conv, activation, activation, batch_norm, prelu, residual,
    residual, concat, split, cut, strided, gather, shuffle, computed_reshape, pad, gate, pixel_shuffle, attention,
    constant_scale, shared_weight, expand,
]  # fmt: skip


def norm_layer(g: Graph, pool: Pool, a: int, b: int, c: int) -> str:
    """A residual block around a norm over the channels: LayerNormalization, or an RMS norm of primitives."""
    x = pick(pool, a)
    total = channels(g, x)
    y = g.transpose(x, 0, 2, 3, 1)
    if b % 2:
        y = g.add("LayerNormalization", y, g.positive(total), g.weight(total), axis=-1)
    else:
        power = g.add("ReduceMean", g.add("Mul", y, y), axes=[-1])
        root = g.add("Sqrt", g.add("Add", power, g.store(1e-3, np.float32)))
        y = g.add("Mul", g.add("Div", y, root), g.positive(total))
    y = g.linear(g.add("Relu", g.linear(y, 2 + c % 5)), total)
    return g.add("Add", x, g.transpose(y, 0, 3, 1, 2))


def grow(drawn: list[tuple[int, int, int, int]], norms: bool = False, seed: int = 0) -> onnx.ModelProto:
    """Return the graph that the drawn steps make, between a first and a last convolution."""
    g = Graph(seed=seed)
    image = g.input(2, 3, SIDE, SIDE)
    pool = [g.conv(image, 6), g.conv(image, 4)]
    for which, *numbers in drawn:
        table = [*STEPS, *([norm_layer] * 8 if norms else [])]
        pool.append(table[which % len(table)](g, pool, *numbers))
    g.output(g.conv(pool[-1], 2), g.conv(pool[0], 2))
    return g.model()
