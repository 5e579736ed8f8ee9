"""Quantization: changing between real and quantized numbers, and products of quantized numbers.

A scale or a zero point is one number for a whole tensor, or one per position of an axis, which then is the same axis.
"""

from __future__ import annotations

from onnxprune.axes import ONE, Expr, Fixed, product, size
from onnxprune.rules.contraction import Operands, affine, convolve, multiply
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site, UnknownError, position
from onnxprune.sizes import Size

MICROSOFT = "com.microsoft"
ONE_NUMBER = "its scale and zero point must be one number for the whole tensor"


def per_tensor(site: Site, *slots: int) -> None:
    """Claim scales and zero points of which there is one for the whole tensor. Raises `UnknownError` otherwise."""
    for slot in slots:
        if site.has(slot) and any(axis != ONE for axis in site.axes(slot)):
            raise UnknownError(ONE_NUMBER)


def per_axis(site: Site, expr: Expr, *slots: int) -> bool:
    """Tie scales and zero points of one number per position to the axis `expr`; return whether any is like that."""
    wide = [axis for slot in slots if site.has(slot) for axis in _wide(site, slot)]
    for axis in wide:
        site.unify(axis, expr)
    return bool(wide)


def _wide(site: Site, slot: int) -> list[Expr]:
    wide = [axis for axis in site.axes(slot) if axis != ONE]
    if len(wide) > 1:
        raise UnknownError(f"input {slot} has scales or zero points along more than one axis")
    return wide


@rule("QuantizeLinear", "DequantizeLinear")
@rule("QuantizeLinear", "DequantizeLinear", domain=MICROSOFT)
def quantize(site: Site) -> None:
    """Each number by itself; the scale and the zero point are for the tensor, for an axis, or for blocks of an axis."""
    x = site.axes(0)
    block = site.attribute("block_size", 0)
    axis = None
    if block:
        axis = position(site.attribute("axis", 1), len(x))
        _tie_blocks(site, axis, block)
    elif any(_wide(site, slot) for slot in (1, 2) if site.has(slot)):
        axis = position(site.attribute("axis", 1), len(x)) if len(x) > 1 else 0
        per_axis(site, x[axis], 1, 2)
    site.quantized(0, [1], 2, axis, block or 1)
    site.out(site.axes(0))


def _tie_blocks(site: Site, axis: int, block: int) -> None:
    """Every axis is shared, but `axis`: there one number is for `block` positions, which go together."""
    for slot in (1, 2):
        for place, axes in enumerate(zip(site.axes(0), site.axes(slot), strict=True) if site.has(slot) else ()):
            whole, blocks = axes
            if place == axis:
                tie_to_blocks(site, whole, blocks, block)
            else:
                site.unify(whole, blocks)


def tie_to_blocks(site: Site, whole: Expr, blocks: Expr, block: int) -> None:
    """Conclude that an axis consists of whole blocks; where the last one is not full, nothing of it may go."""
    count, total = size(blocks), size(whole)
    if count is None or total != count * block:
        site.freeze((whole, blocks), f"it is not a whole number of blocks of {block}")
    else:
        site.unify(whole, product(blocks, Fixed(block, f"{site.label}: one scale is for a block of {block}")))


@rule("DynamicQuantizeLinear")
def quantize_dynamically(site: Site) -> None:
    """The scale follows from the smallest and the largest number of the whole tensor, and from zero.

    Because the range takes in zero, masked positions leave it alone: a mask in front of the node gives the scale
    that the kept positions alone give.
    """
    neutral_when_masked(site, 0)
    site.out(site.axes(0))
    site.out((), 1)
    site.out((), 2)


def neutral_when_masked(site: Site, slot: int, summed: int = 0) -> None:
    """Note that a range is taken over an input: masks act before the node, along every axis.

    The last `summed` axes are noted already, since the node sums over them.
    """
    for axis in range(len(site.axes(slot)) - summed):
        site.contracts(slot, axis)


@rule("QLinearConv")
def quantized_conv(site: Site) -> None:
    """A convolution; the scale and zero point of W may be per output channel. The int32 bias is in units of both."""
    per_tensor(site, 1, 2, 6, 7)
    per_axis(site, site.axes(3)[0], 4, 5)
    convolve(site, Operands(0, 3, 8, zero=2))
    site.quantized(3, [4], 5, axis=0)
    site.quantized(8, [1, 4], axis=0)


@rule("ConvInteger")
def integer_conv(site: Site) -> None:
    """A convolution into int32; the zero point of W may be per output channel."""
    per_tensor(site, 2)
    per_axis(site, site.axes(1)[0], 3)
    convolve(site, Operands(0, 1, None, zero=2))
    site.quantized(1, [], 3, axis=0)


@rule("QLinearMatMul")
def quantized_matmul(site: Site) -> None:
    """A matrix product; the scale and zero point of B may be per column."""
    per_tensor(site, 1, 2, 6, 7)
    _product(site, Operands(0, 3, zero=2), 4, 5)


@rule("MatMulInteger")
def integer_matmul(site: Site) -> None:
    """A matrix product into int32; the zero point of B may be per column."""
    per_tensor(site, 2)
    _product(site, Operands(0, 1, zero=2), None, 3)


@rule("MatMulIntegerToFloat", domain=MICROSOFT)
def integer_matmul_to_float(site: Site) -> None:
    """A matrix product in real numbers of two quantized operands, with a bias per column."""
    per_tensor(site, 2, 4)
    _product(site, Operands(0, 1, zero=4), 3, 5)
    _add_bias(site, 6)


@rule("DynamicQuantizeMatMul", domain=MICROSOFT)
def dynamic_matmul(site: Site) -> None:
    """A matrix product of a real A, quantized over its own range, and a quantized B, with a bias per column."""
    _product(site, Operands(0, 1), 2, 3)
    neutral_when_masked(site, 0, summed=1)
    _add_bias(site, 4)


def _product(site: Site, operands: Operands, scale: int | None, zero: int) -> None:
    """Relate a matrix product whose B has its scale and zero point at the given inputs."""
    b = site.axes(operands.right)
    slots = [slot for slot in (scale, zero) if slot is not None]
    if len(b) > 1:
        per_axis(site, b[-1], *slots)
    else:
        per_tensor(site, *slots)
    multiply(site, operands)
    site.quantized(operands.right, [] if scale is None else [scale], zero, len(b) - 1)


def _add_bias(site: Site, slot: int) -> None:
    columns = site.outputs[0].axes
    if site.has(slot) and columns is not None:
        site.unify(site.axes(slot)[-1], columns[-1])


@rule("QGemm", domain=MICROSOFT)
def quantized_gemm(site: Site) -> None:
    """As Gemm; the scale and zero point of B may be per column. The int32 bias is in units of both scales."""
    per_tensor(site, 1, 2, 7, 8)
    columns = 0 if site.attribute("transB", 0) else 1
    per_axis(site, site.axes(3)[columns], 4, 5)
    affine(site, Operands(0, 3, 6, zero=2))
    site.quantized(3, [4], 5, axis=columns)
    site.quantized(6, [1, 4], axis=0)


@rule("MatMulNBits", domain=MICROSOFT)
def packed_matmul(site: Site) -> None:
    """Y[.., n] = A[.., k] B[n, k] + bias[n]; B [N, blocks, bytes] packs several numbers of a block into a byte."""
    a, b = site.axes(0), site.axes(1)
    bits, block = site.attribute("bits", 4), site.attribute("block_size")
    if len(b) != 3:
        raise UnknownError("its weight is not in blocks")
    rows, blocks, packed = b
    site.freeze(packed, "several numbers share a byte")
    tie_to_blocks(site, a[-1], blocks, block)
    _tie_grid(site, 2, rows, blocks)
    if site.has(3):
        _tie_packed_zeros(site, rows, blocks, 8 // bits)
    if site.has(4):
        site.freeze((*site.axes(4), site.axes(0)[-1]), "its columns are in an order of their own")
    site.contracts(0, len(a) - 1)
    site.out([*site.axes(0)[:-1], site.resolve(rows)])
    _add_bias(site, 5)
    site.quantized(1, [2], 3, axis=1, block=block, bits=bits)
    site.follow_attribute("N", Size.along(site.resolve(rows)))
    site.follow_attribute("K", Size.along(site.axes(0)[-1]))
    site.work(*site.axes(0), site.resolve(rows))


def _tie_grid(site: Site, slot: int, rows: Expr, columns: Expr) -> None:
    """Tie an input to rows by columns, which it has as two axes or as one."""
    axes = site.axes(slot)
    if len(axes) == 1:
        site.unify(axes[0], product(rows, columns))
    else:
        for axis, expr in zip(axes, (rows, columns), strict=True):
            site.unify(axis, expr)


def _tie_packed_zeros(site: Site, rows: Expr, blocks: Expr, together: int) -> None:
    """Zero points are packed like the weight, unless they are real numbers: neighbouring blocks share a byte."""
    total, count = size(product(*site.axes(3))), size(blocks)
    if total is None or count is None:
        raise UnknownError("the size of its zero points is known only at run time")
    if total == (size(rows) or 0) * count:
        _tie_grid(site, 3, rows, blocks)
        return
    stored = site.dim(-(-count // together))
    tie_to_blocks(site, blocks, stored, together)
    _tie_grid(site, 3, rows, stored)
