"""Gates, products of tensors, and weights that are shared."""

from __future__ import annotations

from random_graphs.growth import WIDEST, Growth, step


@step
def gate(r: Growth, a: int, b: int, c: int) -> str:
    return r.g.squeeze_excite(r.image(a), 1 + b % 4)


@step
def gate_of_vectors(r: Growth, a: int, b: int, c: int) -> str:
    """The same with fully connected layers; all axes of one position squeezed, unless the batch is one as well."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    pooled = g.add("GlobalAveragePool", x)
    if r.batch > 1 and total > 1 and b % 2:
        vector = g.add("Squeeze", pooled)
    else:
        vector = r.reshaped_axes("Squeeze", pooled, 2, 3) if c % 2 else g.add("Flatten", pooled)
    hidden = g.gemm(g.add("LeakyRelu", g.gemm(vector, 1 + b % 5)), total)
    return g.add("Mul", x, r.reshaped_axes("Unsqueeze", g.add("Sigmoid", hidden), 2, 3))


@step
def classifier_and_back(r: Growth, a: int, b: int, c: int) -> str:
    g, x = r.g, r.image(a)
    flat = g.add("Flatten", x) if b % 2 else g.reshape(x, r.first, -1)
    width = 1 + c % 4
    return g.reshape(g.gemm(flat, width * r.positions), r.first, width, *r.side)


@step
def expand(r: Growth, a: int, b: int, c: int) -> str:
    g, x = r.g, r.image(a)
    mean = r.reduced("ReduceMax", x, 2, 3) if b % 2 else g.add("GlobalAveragePool", x)
    target = g.add("Shape", x) if c % 2 else g.ints(1, r.width(x), *r.side)
    return g.add("Add", x, r.declare(g.add("Expand", mean, target), *g.shape(x)))


@step
def expand_of_one_channel(r: Growth, a: int, b: int, c: int) -> str:
    g, x = r.g, r.image(a)
    wide = g.add("Expand", g.conv(x, 1), g.ints(r.batch, 2 + b % 4, *r.side))
    return g.add("Concat", wide, x, axis=1) if r.width(x) + 5 <= WIDEST else wide


@step
def shared_weight(r: Growth, a: int, b: int, c: int) -> str:
    """One kernel for two tensors of the same width, or one after the other, or one bias for two layers."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    if c % 3 == 1:
        w = g.weight(total, total, 1, 1, fan_in=total)
        return g.add("Conv", g.add("Tanh", g.add("Conv", x, w)), w)
    bias = [g.weight(2 + b % 4)] if c % 3 == 2 else []
    w = g.weight(2 + b % 4, total, 1, 1, fan_in=total)
    other = w if not bias else g.weight(2 + b % 4, total, 1, 1, fan_in=total)
    y, z = g.add("Conv", x, w, *bias), g.add("Conv", g.add("Tanh", x), other, *bias)
    return g.add("Concat", y, z, axis=1) if b % 2 else g.add("Add", y, z)


@step
def tied_matrix(r: Growth, a: int, b: int, c: int) -> str:
    """A matrix and its transpose, as in an autoencoder whose weights are tied."""
    g, x = r.g, r.sequence(a)
    total, hidden = r.width(x), 2 + b % 4
    w = g.weight(total, hidden, fan_in=total)
    y = g.add("LeakyRelu", g.add("MatMul", x, w))
    return g.add("MatMul", y, g.transpose(w, 1, 0))


@step
def channel_attention(r: Growth, a: int, b: int, c: int) -> str:
    """The Gram matrix of the channels, the same dim on two axes, times the channels; by MatMul or Einsum."""
    g, x = r.g, r.sequence(a)
    if g.opset >= 12 and b % 2:
        gram = g.add("Einsum", x, x, equation="ntc,ntd->ncd")
        return g.add("Tanh", g.add("Einsum", x, gram, equation="ntc,ncd->ntd"))
    gram = g.add("MatMul", g.transpose(x, 0, 2, 1), x)
    if c % 3 == 2:
        gram = g.add("Softmax", gram, axis=-1)
    return g.add("Tanh", g.add("MatMul", x, gram))
