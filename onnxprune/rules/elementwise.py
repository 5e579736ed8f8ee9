"""Operators that work on each element alone, with or without broadcasting."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

import numpy as np
from onnx import TensorProto

from onnxprune.axes import ONE, Expr, size
from onnxprune.rules.registry import rule
from onnxprune.rules.site import Site
from onnxprune.sizes import Content, Size

UNARY = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish "
    "IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign "
    "Sqrt Tan Tanh ThresholdedRelu"
).split()
BROADCASTING = (
    "Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min "
    "Mod Mul Or PRelu Pow Sub Sum Where Xor"
).split()


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
    content = site.content(0)
    if site.node.op_type == "Neg" and content is not None:
        site.out(site.axes(0), content=np.asarray(-content, object))
    else:
        site.freeze_content(content, USED_AS_VALUE)
        site.out(site.axes(0))


@rule("Identity")
def identity(site: Site) -> None:
    """The value itself."""
    site.out(site.axes(0), content=site.content(0))


@rule("Cast", "CastLike")
def cast(site: Site) -> None:
    """The value in another type. A size that becomes a real number is no longer followed."""
    if site.has(1):
        site.freeze_input(1, "only its type is used")
    content = site.content(0)
    if site.attribute("to") not in (TensorProto.INT32, TensorProto.INT64):
        site.freeze_content(content, USED_AS_VALUE)
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


ARITHMETIC: dict[str, Callable[[Content, Content], Content]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
}


def _arithmetic(site: Site, slots: Sequence[int]) -> Content | None:
    """Return the integers that the node computes from sizes; where it cannot be followed, those sizes freeze."""
    contents = [site.content(slot) for slot in slots]
    if len(contents) == 2 and contents[0] is not None and contents[1] is not None:
        if site.node.op_type in ARITHMETIC:
            return np.asarray(ARITHMETIC[site.node.op_type](contents[0], contents[1]), object)
        if site.node.op_type == "Div":
            divided = _divide(contents[0], contents[1])
            if divided is not None:
                return divided
    for content in contents:
        site.freeze_content(content, USED_AS_VALUE)
    return None


def _divide(numerators: Content, divisors: Content) -> Content | None:
    top, bottom = np.broadcast_arrays(numerators, divisors)
    quotients = np.empty(top.shape, object)
    for place in np.ndindex(top.shape):
        quotient = _quotient(top[place], bottom[place])
        if quotient is None:
            return None
        quotients[place] = quotient
    return quotients


def _quotient(numerator: Size, divisor: Size) -> Size | None:
    exact = numerator.divided_by(divisor)
    if exact is not None:
        return exact
    top, bottom = numerator.dense, divisor.dense
    if numerator.dims or divisor.dims or top is None or not bottom:
        return None
    return Size.of(top // bottom)
