"""Layers of sequences: projections, recurrent layers and attention."""

from __future__ import annotations

import numpy as np

from random_graphs.growth import FAR, Growth, step


@step
def to_sequence(r: Growth, a: int, b: int, c: int) -> str:
    return r.flat(r.image(a))


@step
def to_image(r: Growth, a: int, b: int, c: int) -> str:
    return r.square(r.sequence(a))


@step
def second_input(r: Growth, a: int, b: int, c: int) -> str:
    return r.g.linear(r.g.input(r.batch, r.positions, 5), 2 + b % 6)


@step
def linear(r: Growth, a: int, b: int, c: int) -> str:
    """A layer with a bias; of all positions at once, by Gemm, or by Einsum."""
    g, x = r.g, r.sequence(a)
    total, out = r.width(x), 1 + b % 8
    if c % 3 == 1:
        y = g.gemm(g.reshape(x, r.first * r.positions or -1, total), out)
        return g.reshape(y, r.first or -1, r.positions, out)
    if c % 3 == 2 and g.opset >= 12:
        return g.add("Einsum", x, g.weight(out, total, fan_in=total), equation="btc,dc->btd")
    return g.add("Add", g.linear(x, out), g.weight(out))


@step
def residual_of_sequences(r: Growth, a: int, b: int, c: int) -> str:
    x, y = r.sequence(a), r.sequence(b)
    y = y if r.width(x) == r.width(y) else r.g.linear(y, r.width(x))
    return r.g.add("Add", x, y)


@step
def gated_linear(r: Growth, a: int, b: int, c: int) -> str:
    """GLU: one matrix for values and gates, split in halves."""
    g = r.g
    width = 1 + b % 5
    value, sigma = r.parts(g.linear(r.sequence(a), 2 * width), [width, width], -1)
    return g.add("Mul", value, g.add("Sigmoid", sigma))


@step
def rotated_halves(r: Growth, a: int, b: int, c: int) -> str:
    """Rotary embedding: the second half negated before the first, times tables over positions."""
    g = r.g
    half = 1 + b % 3
    x = g.linear(r.sequence(a), 2 * half)
    turned = g.add("Concat", g.add("Neg", g.slice(x, half, FAR, axis=2)), g.slice(x, 0, half, axis=2), axis=2)
    cosine, sine = (g.weight(r.positions, 2 * half) for _ in range(2))
    return g.add("Add", g.add("Mul", x, cosine), g.add("Mul", turned, sine))


@step
def recurrent(r: Growth, a: int, b: int, c: int) -> str:
    """LSTM, GRU or RNN in one or both directions, with or without an initial state, which may be zero."""
    g, x = r.g, r.sequence(a)
    given, hidden, both = r.width(x), 1 + b % 4, 1 + c % 2
    op_type, gates = (("LSTM", 4), ("GRU", 3), ("RNN", 1))[b % 3]
    weights = [g.weight(both, gates * hidden, n, fan_in=n) for n in (given, hidden)]
    inputs = [g.transpose(x, 1, 0, 2), *weights]
    if c % 3:
        inputs.append(g.weight(both, 2 * gates * hidden))
    if c % 3 == 2:
        inputs += ["", g.store(g.random(both, r.batch, hidden) * np.float32(b % 2))]
    direction = ("forward", "bidirectional")[both - 1]
    y = g.nodes_of(op_type, inputs, 1, hidden_size=hidden, direction=direction)[0]
    return g.reshape(g.transpose(y, 2, 0, 1, 3), r.first, r.positions, both * hidden)


@step
def attention(r: Growth, a: int, b: int, c: int) -> str:
    """Positions attend to each other, in heads; query-key and value width differ; a key head may serve two."""
    g, x = r.g, r.sequence(a)
    repeats, kv, width, value = 1 + a % 2, 1 + b % 3, 1 + c % 3, 1 + (b + c) % 3

    def project(heads: int, size: int, order: tuple[int, ...]) -> str:
        rows = g.reshape(g.linear(x, heads * size), r.first, r.positions, heads, size)
        rows = g.transpose(rows, 0, 2, 1, 3)
        if heads < kv * repeats:
            rows = g.add("Expand", r.reshaped_axes("Unsqueeze", rows, 2), g.ints(1, 1, repeats, 1, 1))
            rows = g.reshape(rows, r.first, kv * repeats, r.positions, size)
        return g.transpose(rows, *order)

    scores = g.add("MatMul", project(kv * repeats, width, (0, 1, 2, 3)), project(kv, width, (0, 1, 3, 2)))
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), project(kv, value, (0, 1, 2, 3)))
    merged = g.reshape(g.transpose(mixed, 0, 2, 1, 3), r.first, r.positions, kv * repeats * value)
    return g.linear(merged, r.width(x)) if c % 2 else merged


@step
def fused_projection(r: Growth, a: int, b: int, c: int) -> str:
    """Queries, keys and values of one matrix: [N, T, 3, heads, width], each picked by Gather; or cut by Split."""
    g, x = r.g, r.sequence(a)
    heads, width = 1 + b % 3, 1 + c % 3
    packed = g.linear(x, 3 * heads * width)
    if b % 2:
        grid = g.transpose(g.reshape(packed, r.first, r.positions, 3, heads, width), 2, 0, 3, 1, 4)
        q, k, v = (g.add("Gather", grid, g.store(place, np.int64), axis=0) for place in range(3))
    else:
        thirds = r.parts(packed, [heads * width] * 3, 2)
        grids = (g.reshape(y, r.first, r.positions, heads, width) for y in thirds)
        q, k, v = (g.transpose(y, 0, 2, 1, 3) for y in grids)
    scores = g.add("MatMul", q, g.transpose(k, 0, 1, 3, 2))
    mixed = g.add("MatMul", g.add("Softmax", scores, axis=-1), v)
    return g.reshape(g.transpose(mixed, 0, 2, 1, 3), r.first, r.positions, -1)
