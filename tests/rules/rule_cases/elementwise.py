"""Cases of operators that work on each element alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from graphs import Graph
from onnx import TensorProto

from rule_cases.case import add_case, case

ACTIVATIONS = (
    "Abs Asinh Atan Celu Cos Cosh Elu Erf Exp HardSigmoid HardSwish LeakyRelu Neg Relu Round Selu Shrink Sigmoid "
    "Sign Sin Sinh Softplus Softsign Tan Tanh ThresholdedRelu Ceil Floor"
).split()
ON_UNIT_INTERVAL = "Acos Asin Atanh Log Reciprocal Sqrt".split()
LATER = {"Gelu": 20, "Mish": 18, "Swish": 24}
LOGICAL = "And Or Xor".split()
COMPARISONS = "Equal Greater GreaterOrEqual Less LessOrEqual".split()
BITWISE = "BitwiseAnd BitwiseOr BitwiseXor".split()
ARITHMETIC = "Add Sub Mul Max Min Mean Sum".split()


def unit_interval(g: Graph, x: str) -> str:
    """Values between 0.25 and 0.75."""
    return g.add("Add", g.add("Mul", g.add("Sigmoid", x), g.store(0.5, np.float32)), g.store(0.25, np.float32))


def to_float(g: Graph, x: str) -> str:
    return g.add("Cast", x, to=TensorProto.FLOAT)


def to_integers(g: Graph, x: str, to: int = TensorProto.INT32) -> str:
    return g.add("Cast", g.add("Abs", g.add("Mul", x, g.store(10, np.float32))), to=to)


def plus(g: Graph, x: str, y: str) -> None:
    """Consume 0.3 x + y: what `y` loses by rounding to a few values is seen in `x`, and neither undoes the other."""
    g.finish(g.add("Add", g.add("Mul", x, g.store(0.3, np.float32)), y))


def activation(op: str, prepare: Callable[[Graph, str], str] = lambda g, x: x) -> Callable[[Graph], None]:
    def build(g: Graph) -> None:
        x = g.conv(g.image(), 6)
        plus(g, x, g.add(op, prepare(g, x)))

    return build


for _op in ACTIVATIONS:
    add_case(_op, activation(_op), [6])
for _op in ON_UNIT_INTERVAL:
    add_case(_op, activation(_op, unit_interval), [6])
for _op in ("Gelu", "Mish"):
    add_case(_op, activation(_op), [6], LATER[_op])
add_case("Acosh", activation("Acosh", lambda g, x: g.add("Exp", g.add("Abs", x))), [6])


def two_branches(op: str, prepare: Callable[[Graph, str], str], restore: Callable[[Graph, str], str]) -> Callable:
    def build(g: Graph) -> None:
        image = g.image()
        x, y = g.conv(image, 6), g.conv(image, 6)
        result = restore(g, g.add(op, prepare(g, x), prepare(g, y)))
        plus(g, g.add("Sub", x, y), result)

    return build


def same(_: Graph, x: str) -> str:
    return x


def is_positive(g: Graph, x: str) -> str:
    return g.add("Greater", x, g.store(0, np.float32))


for _op in ARITHMETIC:
    add_case(_op, two_branches(_op, same, same), [6])
for _op in ("Div", "Pow"):
    add_case(_op, two_branches(_op, unit_interval, same), [6])
for _op in COMPARISONS:
    add_case(_op, two_branches(_op, same, to_float), [6])
for _op in LOGICAL:
    add_case(_op, two_branches(_op, is_positive, to_float), [6])
for _op in BITWISE:
    add_case(_op, two_branches(_op, to_integers, to_float), [6], opset=18)


@case(6)
def isnan(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    plus(g, x, to_float(g, g.add("IsNaN", x)))


@case(6)
def isinf_of_overflow(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    huge = g.add("Exp", g.add("Mul", x, g.store(500, np.float32)))
    plus(g, x, to_float(g, g.add("IsInf", huge)))


@case(6)
def not_of_comparison(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    plus(g, x, to_float(g, g.add("Not", is_positive(g, x))))


@case(6, opset=18)
def bitwise_not(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    plus(g, x, to_float(g, g.add("BitwiseNot", to_integers(g, x))))


@case(6)
def bit_shift(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    shifted = g.add("BitShift", to_integers(g, x, TensorProto.UINT32), g.store([1], np.uint32), direction="LEFT")
    plus(g, x, to_float(g, shifted))


@case(6)
def mod_of_reals(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    plus(g, x, g.add("Mod", x, g.store(1.5, np.float32), fmod=1))


@case(6)
def sum_of_three(g: Graph) -> None:
    image = g.image()
    g.finish(g.add("Sum", *(g.conv(image, 6) for _ in range(3))))


@case(6)
def max_of_one(g: Graph) -> None:
    g.finish(g.add("Max", g.conv(g.image(), 6)))


@case(6)
def residual_with_identity(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("Add", g.add("Identity", x), g.conv(x, 6, kernel=3)))


@case(6)
def product_of_a_tensor_with_itself(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("Mul", x, x))


@case(5, frozen="'input_1' is an input of the model")
def residual_around_an_input(g: Graph) -> None:
    image = g.image(4)
    g.finish(g.add("Add", image, g.conv(image, 4)), hidden=5)


def scaled_by(*shape: int) -> Callable[[Graph], None]:
    return lambda g: g.finish(g.add("Mul", g.conv(g.image(side=6), 7), g.weight(*shape)))


for _shape in ((), (1,), (7, 1, 1), (1, 7, 1, 1), (6,), (1, 6), (1, 7, 6, 6), (2, 1, 1, 1)):
    add_case(f"scale_of_shape_{list(_shape)}", scaled_by(*_shape), [7])


@case(7)
def channel_scale_as_wide_as_the_image(g: Graph) -> None:
    """The vector lies along the width, however much it looks like channels."""
    g.finish(g.add("Add", g.conv(g.image(side=7), 7), g.weight(7)))


@case(6)
def one_channel_added_to_all(g: Graph) -> None:
    image = g.image()
    g.finish(g.add("Add", g.conv(image, 6), g.conv(image, 1)))


@case(6, 7)
def outer_sum(g: Graph) -> None:
    """[N, 6, 1] + [N, 1, 7]."""
    x = g.input(2, 3)
    rows = g.add("Unsqueeze", g.gemm(x, 6), g.ints(2))
    columns = g.add("Unsqueeze", g.gemm(x, 7), g.ints(1))
    grid = g.linear(g.add("Add", rows, columns), 3)
    g.output(g.add("MatMul", g.weight(2, 6), g.add("Relu", grid)))


for _name, _slope in {"per_channel": (6, 1, 1), "one": (1,), "full": (6, 6, 6)}.items():
    add_case(
        f"prelu_{_name}",
        lambda g, slope=_slope: g.finish(g.add("PRelu", g.conv(g.image(), 6), g.weight(*slope))),
        [6],
    )


@case(6)
def prelu_of_vectors(g: Graph) -> None:
    g.finish(g.add("PRelu", g.gemm(g.input(2, 3), 6), g.weight(6)))


@case(6, opset=7)
def dropout_of_opset_7(g: Graph) -> None:
    g.finish(g.add("Dropout", g.conv(g.image(), 6), ratio=0.3))


@case(6)
def dropout_with_inputs(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("Dropout", x, g.store(0.3, np.float32), g.store(False)))


@case(6)
def dropout_whose_mask_is_used(g: Graph) -> None:
    y, mask = g.nodes_of("Dropout", [g.conv(g.image(), 6)], 2)
    plus(g, y, to_float(g, mask))


@case(6, opsets=[7, 10])
def clip_with_attributes(g: Graph) -> None:
    g.finish(g.add("Clip", g.conv(g.image(), 6), min=-0.5, max=0.7))


@case(6, opsets=[11, 13])
def clip_with_inputs(g: Graph) -> None:
    g.finish(g.add("Clip", g.conv(g.image(), 6), g.store(-0.5, np.float32), g.store(0.7, np.float32)))


@case(6)
def clip_with_a_maximum_alone(g: Graph) -> None:
    g.finish(g.add("Clip", g.conv(g.image(), 6), "", g.constant(0.7)))


@case(6)
def where_with_a_stored_condition(g: Graph) -> None:
    image = g.image()
    condition = g.store(g.rng.random((6, 6)) < 0.5)
    g.finish(g.add("Where", condition, g.conv(image, 6), g.conv(image, 6)))


@case(6)
def where_with_a_computed_condition(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("Where", is_positive(g, x), x, g.store(0.25, np.float32)))


@case(5, frozen="indices and shapes are not pruned")
def where_with_a_condition_per_channel(g: Graph) -> None:
    x = g.conv(g.image(), 7)
    condition = g.store(np.arange(7).reshape(7, 1, 1) % 2 == 0)
    g.finish(g.add("Where", condition, x, g.add("Neg", x)), hidden=5)


@case(6)
def cast_there_and_back(g: Graph) -> None:
    x = g.add("Cast", g.conv(g.image(), 6), to=TensorProto.DOUBLE)
    g.finish(to_float(g, x))


@case(6, opset=19)
def cast_like(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    g.finish(g.add("CastLike", g.add("Cast", x, to=TensorProto.DOUBLE), g.store([1, 2], np.float32)))


@case(6)
def trilu_of_the_positions(g: Graph) -> None:
    g.finish(g.add("Trilu", g.conv(g.image(), 6), upper=1))


@case(5, frozen="the mask depends on the position")
def trilu_whose_rows_are_channels(g: Graph) -> None:
    g.finish(g.add("Trilu", g.conv(g.input(2, 3, 4), 6), upper=0), hidden=5)


@case(5, frozen="the mask depends on the position")
def trilu_of_the_channels(g: Graph) -> None:
    g.finish(g.add("Trilu", g.gemm(g.input(4, 3), 6), g.store(1, np.int64), upper=0), hidden=5)
