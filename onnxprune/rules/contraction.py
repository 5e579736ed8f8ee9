"""Operators that multiply and sum: convolutions and matrix products."""

from __future__ import annotations

from onnxprune.axes import ONE, Expr, product
from onnxprune.rules.elementwise import broadcast
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, known_size
from onnxprune.sizes import Size

SPATIAL = "spatial positions cannot be pruned"


@rule("Conv")
def conv(site: Site) -> None:
    """W is [G*O, I, k..], X is [N, G*I, d..], Y is [N, G*O, d..]; only I is summed over."""
    x, w = site.axes(0), site.axes(1)
    group = site.attribute("group", 1)
    groups, inner, outer = _grouped(site, group, known_size(w[1]), known_size(w[0]) // group)
    site.unify(w[1], inner)
    site.unify(w[0], product(groups, outer))
    site.unify(x[1], product(groups, inner))
    _finish_conv(site, product(groups, outer), inner)


@rule("ConvTranspose")
def conv_transpose(site: Site) -> None:
    """W is [G*I, O, k..], X is [N, G*I, d..], Y is [N, G*O, d..]."""
    x, w = site.axes(0), site.axes(1)
    group = site.attribute("group", 1)
    groups, inner, outer = _grouped(site, group, known_size(w[0]) // group, known_size(w[1]))
    site.unify(w[0], product(groups, inner))
    site.unify(w[1], outer)
    site.unify(x[1], product(groups, inner))
    _finish_conv(site, product(groups, outer), inner)


def _grouped(site: Site, group: int, inner: int, outer: int) -> tuple[Expr, Expr, Expr]:
    return site.dim(group), site.dim(inner), site.dim(outer)


def _finish_conv(site: Site, channels: Expr, inner: Expr) -> None:
    x, w = site.axes(0), site.axes(1)
    site.freeze((*x[2:], *w[2:]), SPATIAL)
    if site.has(2):
        site.unify(site.axes(2)[0], channels)
    if known_size(inner) > 1:
        site.contracts(0, 1)
    group = site.attribute("group", 1)
    if group > 1:
        groups, _ = _factor(site, channels, group)
        site.follow_attribute("group", Size.along(site.resolve(groups)))
    shape = site.shape()
    spatial = (
        site.fixed(SPATIAL)[2:]
        if shape is not None
        else [site.fixed_axis(None, 0, i, SPATIAL) for i in range(2, len(x))]
    )
    site.out([x[0], channels, *spatial])
    # A transposed convolution multiplies once per *input* position.
    positions = site.axes(0)[2:] if site.node.op_type == "ConvTranspose" else spatial
    site.work(x[0], channels, inner, *positions, *w[2:])


def _factor(site: Site, channels: Expr, group: int) -> tuple[Expr, Expr]:
    groups, outer = site.dim(group), site.dim(known_size(channels) // group)
    site.unify(channels, product(groups, outer))
    return groups, outer


@rule("Gemm")
def gemm(site: Site) -> None:
    """Y[m, n] = A[m, k] B[k, n] + C, each of A and B possibly transposed."""
    a, b = site.axes(0), site.axes(1)
    k_of_a, k_of_b = (0 if site.attribute("transA", 0) else 1), (1 if site.attribute("transB", 0) else 0)
    rows, columns = a[1 - k_of_a], b[1 - k_of_b]
    site.unify(a[k_of_a], b[k_of_b])
    site.contracts(0, k_of_a)
    out: list[Expr] = [rows, columns]
    if site.has(2):
        out = broadcast(site, [(rows, columns), site.axes(2)])
    site.out(out)
    site.work(rows, columns, site.axes(0)[k_of_a])


@rule("MatMul")
def matmul(site: Site) -> None:
    """As numpy.matmul: the last axis of A against the second last of B; leading axes broadcast."""
    a, b = site.axes(0), site.axes(1)
    if not a or not b:
        raise UnknownError("a scalar cannot be multiplied as a matrix")
    k_of_b = max(len(b) - 2, 0)
    site.unify(a[-1], b[k_of_b])
    site.contracts(0, len(a) - 1)
    batch = broadcast(site, [a[:-2], b[:-2]])
    rows, columns = list(a[-2:-1]), list(b[k_of_b + 1 :])
    site.out([*batch, *rows, *columns])
    site.work(*(axis for axis in (*batch, *rows, *columns) if axis != ONE), site.axes(0)[-1])
