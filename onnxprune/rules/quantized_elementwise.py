"""Operators on quantized numbers that do what their real counterparts do: arithmetic, pooling, joining, activations."""

from __future__ import annotations

from onnxprune.axes import concat, size
from onnxprune.rules.elementwise import broadcast
from onnxprune.rules.normalization import STATISTICS
from onnxprune.rules.pooling import pooled
from onnxprune.rules.quantized import MICROSOFT, per_tensor
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, position


@rule("QLinearAdd", "QLinearMul", domain=MICROSOFT)
def quantized_arithmetic(site: Site) -> None:
    """Broadcasting of A and B; scales and zero points of A, B and the result are per tensor."""
    per_tensor(site, 1, 2, 4, 5, 6, 7)
    site.out(broadcast(site, [site.axes(0), site.axes(3)]))


@rule("QLinearSigmoid", "QLinearLeakyRelu", domain=MICROSOFT)
def quantized_activation(site: Site) -> None:
    """Each number by itself."""
    per_tensor(site, 1, 2, 3, 4)
    site.out(site.axes(0))


@rule("QLinearSoftmax", domain=MICROSOFT)
def quantized_softmax(site: Site) -> None:
    """Normalizes over `axis`; with an `opset` attribute below 13 over all axes from `axis` on, taken as one."""
    per_tensor(site, 1, 2, 3, 4)
    x = site.axes(0)
    first = position(site.attribute("axis", -1), len(x))
    site.freeze(x[first] if site.attribute("opset", 13) >= 13 else x[first:], STATISTICS)
    site.out(site.axes(0))


@rule("QLinearAveragePool", "QLinearGlobalAveragePool", domain=MICROSOFT)
def quantized_pool(site: Site) -> None:
    """Pools the positions; channels are axis 1, or the last one with `channels_last`."""
    per_tensor(site, 1, 2, 3, 4)
    channel = -1 if site.attribute("channels_last", 0) else 1
    site.out(pooled(site, channel, everywhere=site.node.op_type == "QLinearGlobalAveragePool"))


@rule("QLinearConcat", domain=MICROSOFT)
def quantized_concat(site: Site) -> None:
    """The scale and zero point of the result, then each part with its own; the parts are laid end to end."""
    parts = range(2, site.input_count, 3)
    per_tensor(site, 0, 1, *(slot + offset for slot in parts for offset in (1, 2)))
    axes = [site.axes(slot) for slot in parts]
    axis = position(site.attribute("axis"), len(axes[0]))
    out = list(axes[0])
    for place in range(len(out)):
        column = [part[place] for part in axes]
        if place != axis:
            for other in column[1:]:
                site.unify(column[0], other)
        elif any(size(part) is None for part in column):
            raise UnknownError("it joins axes of sizes known only at run time")
        out[place] = concat(*map(site.resolve, column)) if place == axis else site.resolve(column[0])
    site.out(out)
