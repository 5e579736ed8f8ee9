"""Statistics over the channels, which freeze them unless norms may be pruned."""

from __future__ import annotations

import numpy as np

from random_graphs.growth import Growth, norm


def _normalized(r: Growth, y: str, kind: int) -> str:
    """Scale the last axis by LayerNormalization, by the same of primitives, or by an RMS norm of primitives."""
    g, total = r.g, r.width(y)
    if kind % 3 == 0 and g.opset >= 17:
        return g.add("LayerNormalization", y, g.positive(total), g.weight(total), axis=-1, epsilon=1e-2)
    if kind % 3 == 1:
        y = g.add("Sub", y, r.reduced("ReduceMean", y, -1))
    power = r.reduced("ReduceMean", g.add("Mul", y, y), -1)
    root = g.add("Sqrt", g.add("Add", power, g.store(1e-2, np.float32)))
    return g.add("Mul", g.add("Div", y, root), g.positive(total))


@norm
def transformer_layer(r: Growth, a: int, b: int, c: int) -> str:
    """A residual block around a norm over the width of a sequence."""
    g, x = r.g, r.sequence(a)
    y = g.add("LeakyRelu", g.linear(_normalized(r, x, b), 2 + c % 5))
    return g.add("Add", x, g.linear(y, r.width(x)))


@norm
def channels_last_block(r: Growth, a: int, b: int, c: int) -> str:
    """As in ConvNeXt: a depthwise convolution, and a norm with the channels last."""
    g, x = r.g, r.image(a)
    total = r.width(x)
    y = g.transpose(g.conv(x, total, kernel=3, group=total), 0, 2, 3, 1)
    power = r.reduced(("ReduceSumSquare", "ReduceL2", "ReduceSum", "ReduceMean")[b % 4], y, -1)
    y = g.add("Div", y, g.add("Add", g.add("Abs", power), g.store(1.0, np.float32)))
    y = g.linear(g.add("LeakyRelu", g.linear(y, 2 + c % 5)), total)
    return g.add("Add", x, g.transpose(y, 0, 3, 1, 2))


@norm
def mean_of_everything(r: Growth, a: int, b: int, c: int) -> str:
    """A gate made of the mean over channels and positions together."""
    x = r.image(a)
    return r.g.add("Mul", x, r.g.add("Sigmoid", r.reduced("ReduceMean", x, 1, 2, 3)))
