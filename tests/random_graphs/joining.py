"""Joining images and cutting them."""

from __future__ import annotations

import numpy as np

from random_graphs.growth import FAR, WIDEST, Growth, divisors, step


@step
def residual(r: Growth, a: int, b: int, c: int) -> str:
    """Of two images, one of which may have a single channel; `with_itself` is apart, as x - x would hide mistakes."""
    x, y = r.image(a), r.image(b)
    if x == y or (r.width(x) != r.width(y) and c % 2):
        y = r.g.conv(y, r.width(x))
    elif r.width(x) != r.width(y):
        y = r.g.conv(y, 1)
    return r.g.add("Tanh", r.g.add(("Add", "Mul", "Max", "Sub")[c % 4], x, y))


@step
def with_itself(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    if b % 3 == 2 and 2 * r.width(x) <= WIDEST:
        return r.g.add("Concat", x, x, axis=1)
    return r.g.add("Tanh", r.g.add(("Add", "Mul")[b % 2], x, x))


@step
def concat(r: Growth, a: int, b: int, c: int) -> str:
    names = [r.image(a), r.image(b), r.image(c)][: 2 + c % 2]
    return r.g.add("Concat", *names, axis=(1, -3)[b % 2]) if sum(map(r.width, names)) <= WIDEST else r.image(a)


@step
def concat_of_positions(r: Growth, a: int, b: int, c: int) -> str:
    """Two images side by side, and pooled to the size of one."""
    x, y = r.image(a), r.image(b)
    y = y if r.width(x) == r.width(y) else r.g.conv(y, r.width(x))
    return r.g.add("AveragePool", r.g.add("Concat", x, y, axis=3), kernel_shape=[1, 2], strides=[1, 2])


@step
def split(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    total = r.width(x)
    if total < 2:
        return x
    cut = total // 2 if c % 3 == 0 else 1 + b % (total - 1)
    parts = r.parts(x, [cut, total - cut], (1, -3)[c % 2])
    r.take(parts[b % 2])
    return parts[1 - b % 2]


@step
def split_in_three(r: Growth, a: int, b: int, c: int) -> str:
    """And put together in another order, or some of it twice."""
    x = r.image(a)
    total = r.width(x)
    if total < 3:
        return x
    first = 1 + b % (total - 2)
    second = 1 + c % (total - first - 1) if total - first > 1 else 1
    one, two, three = r.parts(x, [first, second, total - first - second], 1)
    orders = ((three, one, two), (two, one), (three, two, one, one), (two, three))
    return r.g.add("Concat", *orders[c % 4], axis=1)


@step
def cut(r: Growth, a: int, b: int, c: int) -> str:
    """A range, its bounds counted from the front, from the back, or beyond the end."""
    x = r.image(a)
    total = r.width(x)
    start = b % total
    end = start + 1 + c % (total - start)
    if c % 3 == 1:
        start -= total
    if c % 2:
        end = FAR if end == total else end - total
    return r.g.slice(x, start, end, axis=(1, -3)[b % 2])


@step
def strided(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    total = r.width(x)
    stride = divisors(total)[b % len(divisors(total))] if c % 4 else 1 + b % total
    if c % 5 == 4:
        return r.g.slice(x, -1, -FAR, step=-1)
    return r.g.slice(x, c % stride if c % 3 else c % stride - total, total if b % 2 else FAR, step=stride)


@step
def gather(r: Growth, a: int, b: int, c: int) -> str:
    """Channels in runs, with gaps, repeated or counted from the back; or only one."""
    x = r.image(a)
    total = r.width(x)
    if c % 5 == 4:
        one = r.g.add("Gather", x, r.g.store(b % total - total * (b % 2), np.int64), axis=1)
        return r.reshaped_axes("Unsqueeze", one, 1)
    indices = [(b + place * (1 + c % 3)) % total for place in range(1 + (b + c) % total)]
    return r.g.add("Gather", x, r.g.ints(*(i - total * (c % 4 == 3) for i in indices)), axis=1)


@step
def pad(r: Growth, a: int, b: int, c: int) -> str:
    pads = r.g.ints(0, b % 3, 0, 0, 0, c % 3, 0, 0)
    value = [r.g.store(0.5, np.float32)] if b % 2 else []
    return r.g.add("Pad", r.image(a), pads, *value) if r.width(r.image(a)) < WIDEST else r.image(a)


@step
def tile(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    return r.g.add("Tile", x, r.g.ints(1, 2, 1, 1)) if 2 * r.width(x) <= WIDEST else x
