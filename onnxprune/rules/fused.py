"""What onnxruntime's optimizer makes of several operators at once: products, activations and normalizations."""

from __future__ import annotations

from onnxprune.axes import ONE, Expr, concat
from onnxprune.rules.contraction import PLAIN, conv, gemm, multiply
from onnxprune.rules.elementwise import broadcast, unary
from onnxprune.rules.normalization import STATISTICS, layer_normalization
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size, position
from onnxprune.standins import MICROSOFT

rule("Gelu", "QuickGelu", domain=MICROSOFT)(unary)
rule("SimplifiedLayerNormalization")(layer_normalization)
rule("LayerNormalization", "SimplifiedLayerNormalization", domain=MICROSOFT)(layer_normalization)
rule("FusedGemm", domain=MICROSOFT)(gemm)


@rule("FusedConv", domain=MICROSOFT)
def fused_conv(site: Site) -> None:
    """A convolution, plus a tensor of the shape of its result, under an activation."""
    conv(site)
    if site.has(3):
        for mine, added in zip(site.outputs[0].axes or (), site.axes(3), strict=True):
            site.unify(mine, added)
        site.out(site.outputs[0].axes)


@rule("FusedMatMul", domain=MICROSOFT)
def fused_matmul(site: Site) -> None:
    """A matrix product; `transBatch` moves the first axis in front of the last, then `trans` swaps the last two."""
    a, b = (_order(site, slot, "AB"[slot]) for slot in (0, 1))
    multiply(site, PLAIN, a, b)


def _order(site: Site, slot: int, name: str) -> list[int]:
    """Return the axes of an operand in the order in which they are multiplied."""
    order = list(range(len(site.axes(slot))))
    if len(order) < 2:
        return order
    if site.attribute(f"transBatch{name}", 0):
        order.insert(len(order) - 2, order.pop(0))
    if site.attribute(f"trans{name}", 0):
        order[-2:] = reversed(order[-2:])
    return order


@rule("BiasGelu", "FastGelu", domain=MICROSOFT)
def bias_gelu(site: Site) -> None:
    """An activation of the first input plus, where there is one, a bias over its last axis."""
    site.out(broadcast(site, [site.axes(slot) for slot in range(site.input_count) if site.has(slot)]))


@rule("BiasAdd", domain=MICROSOFT)
def bias_add(site: Site) -> None:
    """Input, bias over the last axis and residual, added up."""
    site.out(broadcast(site, [site.axes(slot) for slot in range(3)]))


@rule("BiasSplitGelu", domain=MICROSOFT)
def bias_split_gelu(site: Site) -> None:
    """Input and bias are two halves laid end to end: one multiplies the activation of the other."""
    x = site.axes(0)
    half = site.dim(known_size(x[-1]) // 2)
    for axis in (x[-1], site.axes(1)[0]):
        site.unify(axis, concat(half, half))
    site.out([*site.axes(0)[:-1], half])


@rule("BiasSoftmax", domain=MICROSOFT)
def bias_softmax(site: Site) -> None:
    """Softmax of scores plus a bias, over all axes from `axis` on."""
    x, bias = site.axes(0), site.axes(1)
    if len(x) != len(bias):
        raise UnknownError("a bias of another rank than the scores is not followed")
    site.freeze((*x[position(site.attribute("axis", 1), len(x)) :], *bias[-1:]), STATISTICS)
    site.out(broadcast(site, [site.axes(0), site.axes(1)]))


@rule("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", domain=MICROSOFT)
def skip_layer_normalization(site: Site) -> None:
    """Input and residual (and bias) are added and normalized over the last axis; the sum may be the last output."""
    for slot in range(site.input_count):
        if site.has(slot):
            site.freeze(site.axes(slot)[-1], STATISTICS)
    axes = broadcast(site, [site.axes(0), site.axes(1)])
    site.out(axes)
    for index in (1, 2):
        site.out([*axes[:-1], ONE], index)
    site.out(axes, 3)


@rule("EmbedLayerNormalization", domain=MICROSOFT)
def embed_layer_normalization(site: Site) -> None:
    """Rows of two or three tables are added and normalized: rows are looked up, their width has statistics."""
    for slot in range(site.input_count):
        if site.has(slot):
            site.freeze_input(slot, STATISTICS)
    batch, positions = site.axes(0)
    out: list[Expr] = [batch, positions, site.axes(2)[1]]
    site.out(out)
    site.out([batch], 1)
    site.out(out, 2)
