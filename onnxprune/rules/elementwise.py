"""Operators that work on each element alone, with or without broadcasting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from onnxprune.axes import ONE, Expr, size
from onnxprune.rules.arithmetic import arithmetic
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site
from onnxprune.sizes import Content

UNARY = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish "
    "IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign "
    "Sqrt Tan Tanh ThresholdedRelu"
).split()
BROADCASTING = (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min "
    "Mod Mul Or PRelu Pow Sub Sum Where Xor"
).split()


INTEGERS = (TensorProto.INT64, TensorProto.BOOL)
USED_AS_VALUE = "its size is used as a value"


def broadcast(site: Site, operands: Sequence[Sequence[Expr]]) -> list[Expr]:
    """Unify the axes of operands aligned at the back and return the result's axes.

    A broadcast axis (size 1) neither unifies nor shrinks. An axis of unknown size may turn out to be 1, so
    it never unifies; what it meets is frozen.
    """
    rank = max(len(operand) for operand in operands)
    padded = [[ONE] * (rank - len(operand)) + list(operand) for operand in operands]
    return [_broadcast_axis(site, [operand[place] for operand in padded]) for place in range(rank)]


def _broadcast_axis(site: Site, axes: Sequence[Expr]) -> Expr:
    wide = [site.resolve(axis) for axis in axes if size(site.resolve(axis)) != 1]
    if not wide:
        return ONE
    symbolic = [axis for axis in wide if size(axis) is None]
    if symbolic and any(axis != wide[0] for axis in wide):
        site.freeze(wide, "it may be broadcast at run time")
        known = [axis for axis in wide if size(axis) is not None]
        return site.resolve(known[0]) if known else site.resolve(symbolic[0])
    for axis in wide[1:]:
        site.unify(wide[0], axis)
    return site.resolve(wide[0])


@rule(*UNARY)
def unary(site: Site) -> None:
    """The output has the axes of the only input."""
    site.out(site.axes(0), content=_arithmetic(site, [0]))


@rule("Identity")
def identity(site: Site) -> None:
    """The value itself."""
    site.out(site.axes(0), content=site.content(0))


@rule("Cast", "CastLike")
def cast(site: Site) -> None:
    """The value in another type. A size that becomes a real number (a scale, say) keeps its dense value."""
    if site.has(1):
        site.freeze_input(1, "only its type is used")
    content = site.content(0)
    if content is not None and site.attribute("to") not in INTEGERS:
        site.bake_input(0)
        content = None
    site.out(site.axes(0), content=content)


@rule("Dropout", "Clip", "Trilu")
def parameterised(site: Site) -> None:
    """The first input's axes; the other inputs are scalars. Trilu looks at positions of the last two axes."""
    axes = site.axes(0)
    for slot in range(1, site.input_count):
        if site.has(slot):
            site.freeze_input(slot, "it is a parameter of the operator")
    site.freeze_content(site.content(0), USED_AS_VALUE)
    if site.node.op_type == "Trilu":
        site.freeze(axes[-2:], "the mask depends on the position")
    site.out(axes)
    if len(site.node.output) > 1:
        site.out(axes, 1)


@rule(*BROADCASTING)
def broadcasting(site: Site) -> None:
    """Numpy broadcasting of all inputs (PRelu's slope only ever towards its input)."""
    slots = [slot for slot in range(site.input_count) if site.has(slot)]
    axes = broadcast(site, [site.axes(slot) for slot in slots])
    site.out(axes, content=_arithmetic(site, slots))


def _arithmetic(site: Site, slots: Sequence[int]) -> Content | None:
    """Return the integers that the node computes from sizes; where it cannot be followed, those sizes freeze."""
    contents = [site.content(slot) for slot in slots]
    known = [content for content in contents if content is not None]
    if known and len(known) == len(contents):
        result = arithmetic(site.node.op_type, known, site.node.output[0])
        if result is not None:
            site.freeze(result.decided, "whether its size equals another is decided in the graph")
            return _scaled(site, slots, result.content) if site.node.op_type == "Mul" else result.content
    for content in known:
        site.freeze_content(content, USED_AS_VALUE)
    return None


def _scaled(site: Site, slots: Sequence[int], products: Content) -> Content:
    """Let a number times a size known only at run time remember the number, so that it can be rewritten."""
    for slot, other in (slots, slots[::-1]):
        numbers, sizes = site.sourced(slot), site.content(other)
        if numbers is None or sizes is None or numbers.size != 1 or numbers.ravel()[0].source is None:
            continue
        source = numbers.ravel()[0].source
        for place, scale in zip(
            np.ndindex(products.shape), np.broadcast_to(sizes, products.shape).ravel(), strict=True
        ):
            if scale.is_symbolic:
                products[place] = products[place].sourced(replace(source, scale=scale))
    return products
