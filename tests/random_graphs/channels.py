"""Convolutions, and what works on each channel alone."""

from __future__ import annotations

from random_graphs.growth import Growth, divisors, step

ACTIVATIONS = "Relu Sigmoid LeakyRelu Tanh Softplus Abs Elu Neg Erf HardSigmoid".split()


@step
def conv(r: Growth, a: int, b: int, c: int) -> str:
    return r.g.conv(r.image(a), 1 + b % 8, kernel=1 + 2 * (c % 2), bias=c % 3 > 0)


@step
def grouped_conv(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    group = divisors(r.width(x))[-1 - b % len(divisors(r.width(x)))]
    return r.g.conv(x, group * (1 + c % 3) if group < 9 else group, kernel=1 + 2 * (c % 2), group=group)


@step
def transposed_conv(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    total = r.width(x)
    group, taps = divisors(total)[b % len(divisors(total))], 1 + 2 * (c % 2)
    w = r.g.weight(total, 1 + c % 3 if group < 9 else 1, taps, taps, fan_in=total // group * taps)
    return r.g.add("ConvTranspose", x, w, group=group, pads=[taps // 2] * 4)


@step
def batch_norm(r: Growth, a: int, b: int, c: int) -> str:
    return r.g.batch_norm(r.image(a))


@step
def activation(r: Growth, a: int, b: int, c: int) -> str:
    return r.g.add(ACTIVATIONS[b % len(ACTIVATIONS)], r.sequence(a) if c % 4 == 3 else r.image(a))


@step
def prelu(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    return r.g.add("PRelu", x, r.g.positive(r.width(x) if b % 2 else 1, 1, 1))


@step
def constant_scale(r: Growth, a: int, b: int, c: int) -> str:
    """By a number, a vector over channels, or one over channels and positions; from either side."""
    x = r.image(a)
    shape = ((1, 1, 1), (r.width(x), 1, 1), (1, r.width(x), 1, 1), (r.width(x), *r.side))[b % 4]
    factor = r.g.constant(r.g.random(*shape)) if c % 2 else r.g.weight(*shape)
    return r.g.add(("Mul", "Add", "Sub", "Max")[c % 4], *((x, factor) if c % 3 else (factor, x)))


@step
def instance_norm(r: Growth, a: int, b: int, c: int) -> str:
    """Of each channel, or of groups of them as exported for GroupNorm."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    groups = divisors(total)[-1 - b % len(divisors(total))]
    flat = g.reshape(x, r.first, groups, -1) if c % 2 else g.reshape(x, 0, groups, total // groups * r.positions)
    y = g.add("InstanceNormalization", flat, g.positive(groups), g.weight(groups), epsilon=0.05)
    return g.add("Mul", g.reshape(y, r.first, total, *r.side), g.weight(total, 1, 1))


@step
def across_channels(r: Growth, a: int, b: int, c: int) -> str:
    """What looks at all channels together, so that they freeze."""
    g, x = r.g, r.image(a)
    if b % 3 == 0:
        return g.add("Softmax", x, axis=1)
    if b % 3 == 1:
        return g.add("LRN", x, size=3)
    return g.add("Mul", x, r.reduced("ReduceMax", x, 1))
