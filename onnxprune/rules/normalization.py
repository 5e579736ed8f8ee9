"""Normalization layers: which of their axes carry parameters, and over which they take statistics."""

from __future__ import annotations

from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, position

STATISTICS = "its statistics are taken over this axis"

ROOT_MEAN_SQUARE = ("RMSNormalization", "SimplifiedLayerNormalization")


@rule("BatchNormalization")
def batch_normalization(site: Site) -> None:
    """Scale, bias, mean and variance [C] belong to the channels of X [N, C, ..]."""
    x = site.axes(0)
    channels = x[1] if len(x) > 1 else site.dim(1)
    for slot in range(1, 5):
        site.unify(site.axes(slot)[0], channels)
    if site.attribute("training_mode", 0):
        site.freeze(x, "it is in training mode")
    site.out(site.axes(0))
    for index in range(1, len(site.node.output)):
        site.out([site.resolve(channels)], index)


@rule("InstanceNormalization")
def instance_normalization(site: Site) -> None:
    """Each channel of X [N, C, ..] is normalized over its own positions; scale and bias are [C]."""
    x = site.axes(0)
    site.unify(site.axes(1)[0], x[1])
    site.unify(site.axes(2)[0], x[1])
    site.freeze(x[2:], STATISTICS)
    site.out(site.axes(0))


@rule("GroupNormalization")
def group_normalization(site: Site) -> None:
    """X [N, G*C, ..]: statistics over C and the positions; `num_groups` is fixed here."""
    x = site.axes(0)
    site.freeze((*x[1:], *site.axes(1), *site.axes(2)), STATISTICS)
    site.out(site.axes(0))


@rule("LayerNormalization", "RMSNormalization")
def layer_normalization(site: Site) -> None:
    """Statistics over the axes from `axis` on; scale and bias broadcast over the same axes.

    The axes are frozen unless norms may be pruned, and then only a single last axis may shrink.
    """
    x = site.axes(0)
    first = position(site.attribute("axis", -1), len(x))
    parameters = [slot for slot in range(1, site.input_count) if site.has(slot)]
    if site.allow_norm and first == len(x) - 1 and all(len(site.axes(slot)) == 1 for slot in parameters):
        for slot in parameters:
            site.unify(site.axes(slot)[0], x[-1])
        is_rms = site.node.op_type in ROOT_MEAN_SQUARE
        if is_rms:
            site.contracts(0, first)
        site.normalizes(site.axes(0)[-1], is_rms, scale=1)
    else:
        site.freeze(x[first:], STATISTICS)
        for slot in parameters:
            site.freeze(site.axes(slot), STATISTICS)
    site.out(site.axes(0))
    for index in range(1, len(site.node.output)):
        site.out(site.fixed(STATISTICS, index), index)


@rule("Softmax", "LogSoftmax", "Hardmax")
def softmax(site: Site) -> None:
    """Normalizes over `axis`; before opset 13 over all axes from `axis` on, taken as one."""
    x = site.axes(0)
    taken_as_one = site.opset < 13
    first = position(site.attribute("axis", 1 if taken_as_one else -1), len(x))
    site.freeze(x[first:] if taken_as_one else x[first], STATISTICS)
    site.out(site.axes(0))


@rule("LRN")
def local_response_normalization(site: Site) -> None:
    """Each channel is scaled by its neighbours."""
    x = site.axes(0)
    site.freeze(x[1], "each channel is normalized by its neighbours")
    site.out(site.axes(0))


@rule("LpNormalization", "MeanVarianceNormalization")
def axis_normalization(site: Site) -> None:
    """Statistics over the named axes."""
    x = site.axes(0)
    over = (
        site.attribute("axes", [0, 2, 3])
        if site.node.op_type == "MeanVarianceNormalization"
        else [site.attribute("axis", -1)]
    )
    site.freeze([x[position(axis, len(x))] for axis in over], STATISTICS)
    site.out(site.axes(0))
