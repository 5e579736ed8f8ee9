"""Other axes for the same elements."""

from __future__ import annotations

import numpy as np

from random_graphs.growth import WIDEST, Growth, divisors, step


@step
def shuffle(r: Growth, a: int, b: int, c: int) -> str:
    g, x = r.g, r.image(a)
    total = r.width(x)
    groups = divisors(total)[b % len(divisors(total))]
    grid = g.transpose(g.reshape(x, r.first, groups, total // groups, *r.side), 0, 2, 1, 3, 4)
    return g.reshape(grid, r.first, -1 if c % 2 else total, *r.side)


@step
def shuffle_by_indices(r: Growth, a: int, b: int, c: int) -> str:
    x = r.image(a)
    total = r.width(x)
    groups = divisors(total)[b % len(divisors(total))]
    return r.g.add("Gather", x, r.g.ints(*np.arange(total).reshape(groups, -1).T.ravel()), axis=1)


@step
def grid_of_channels(r: Growth, a: int, b: int, c: int) -> str:
    """Channels as a grid, of which one column is scaled, or which is summed with its transpose where it is square."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    rows = divisors(total)[b % len(divisors(total))]
    columns = total // rows
    grid = g.reshape(x, r.first, rows, columns, r.positions)
    if rows == columns:
        grid = g.add("Add", grid, g.transpose(grid, 0, 2, 1, 3))
    elif c % 2:
        grid = g.add("Mul", grid, g.weight(columns, 1))
    else:
        grid = g.add("Concat", grid, g.slice(grid, 0, 1), axis=1)
    return g.reshape(grid, r.first, -1, *r.side)


@step
def channels_with_positions(r: Growth, a: int, b: int, c: int) -> str:
    """[N, C, H, W] -> [N, C*H, W], worked on there, and back."""
    g, x = r.g, r.image(a)
    y = g.reshape(x, r.first, r.width(x) * r.side[0], r.side[1])
    y = g.add("Tanh", y) if b % 2 else g.linear(y, r.side[1])
    return g.reshape(y, r.first, -1, *r.side)


@step
def channels_in_batch(r: Growth, a: int, b: int, c: int) -> str:
    """Every channel is an image of its own for one layer, whose results are channels again."""
    g, x = r.g, r.image(a)
    total, out = r.width(x), 1 + b % 2
    y = g.conv(g.reshape(x, -1, 1, *r.side), out, kernel=3)
    return g.reshape(y, r.first or -1, total * out, *r.side) if total * out <= WIDEST else x


@step
def computed_reshape(r: Growth, a: int, b: int, c: int) -> str:
    """To [N, C, H*W] by sizes computed in the graph, and back; or to halves of the channels and back."""
    g, x = r.g, r.image(a)
    batch, total = g.size_of(x, 0), g.size_of(x, 1)
    if b % 2 and r.width(x) % 2 == 0:
        half = g.add("Div", total, g.ints(2))
        y = g.add("Reshape", x, g.add("Concat", batch, g.ints(2), half, g.ints(-1), axis=0))
        y = g.transpose(y, 0, 2, 1, 3)
        back = g.add("Reshape", y, g.add("Concat", batch, total, g.ints(*r.side), axis=0))
        return r.declare(back, *g.shape(x))
    flat = g.add("Reshape", x, g.add("Concat", batch, total, g.ints(-1), axis=0))
    width = g.ints(r.width(x)) if c % 2 else g.size_of(flat, 1)
    back = g.add("Reshape", flat, g.add("Concat", batch, width, g.ints(*r.side), axis=0))
    return r.declare(back, *g.shape(x))


@step
def cut_at_computed_sizes(r: Growth, a: int, b: int, c: int) -> str:
    """The first or the second half of the channels, as exported for `x[:, : x.size(1) // 2]`."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    if total < 2:
        return x
    half = g.add("Div", g.size_of(x, 1), g.ints(2))
    bounds = (half, g.size_of(x, 1)) if b % 2 else (g.ints(0), half)
    part = g.add("Slice", x, *bounds, g.ints(1))
    return r.declare(part, r.batch, total - total // 2 if b % 2 else total // 2, *r.side)


@step
def pixel_shuffle(r: Growth, a: int, b: int, c: int) -> str:
    """Blocks to positions, and back by pooling or to channels."""
    g = r.g
    x = g.conv(r.image(a), 4 * (1 + b % 3))
    up = g.add("DepthToSpace", x, blocksize=2, mode=("DCR", "CRD")[c % 2])
    if c % 3:
        return g.add("SpaceToDepth", up, blocksize=2)
    return g.add("AveragePool", up, kernel_shape=[2, 2], strides=[2, 2])


@step
def resized(r: Growth, a: int, b: int, c: int) -> str:
    g, x = r.g, r.image(a)
    if g.opset < 13:
        return x
    if b % 2:
        up = g.add("Resize", x, "", g.store([1, 1, 2, 2], np.float32))
    else:
        up = g.add("Resize", x, "", "", g.ints(*g.shape(x)[:2], 2 * r.side[0], 2 * r.side[1]))
    return g.add("MaxPool", up, kernel_shape=[2, 2], strides=[2, 2])
