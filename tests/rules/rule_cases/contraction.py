"""Cases of convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from graphs import Graph

from rule_cases.case import add_case, case


@case(6)
def conv_one_dimension(g: Graph) -> None:
    g.finish(g.conv(g.input(2, 3, 9), 6, kernel=3))


@case(6)
def conv_two_dimensions(g: Graph) -> None:
    g.finish(g.conv(g.image(), 6, kernel=3))


@case(6)
def conv_three_dimensions(g: Graph) -> None:
    g.finish(g.conv(g.input(2, 3, 4, 4, 4), 6, kernel=3))


@case(6)
def conv_without_bias(g: Graph) -> None:
    g.finish(g.conv(g.image(), 6, bias=False))


@case(6)
def conv_with_strides_and_dilations(g: Graph) -> None:
    g.finish(g.conv(g.image(side=9), 6, kernel=3, strides=[2, 2], dilations=[2, 2], pads=[0, 1, 1, 0]))


@case(6)
def conv_with_auto_pad(g: Graph) -> None:
    x = g.image()
    g.finish(g.add("Conv", x, g.weight(6, 3, 3, 3), g.weight(6), auto_pad="SAME_UPPER"))


@case(6, 7)
def conv_twice(g: Graph) -> None:
    g.finish(g.conv(g.add("Relu", g.conv(g.image(), 6)), 7, kernel=3))


@case(6)
def conv_with_open_batch_and_sides(g: Graph) -> None:
    x = g.input("N", 3, "H", 8)
    x = g.add("Conv", x, g.weight(6, 3, 1, 1), g.weight(6))
    g.output(g.add("Conv", x, g.weight(2, 6, 1, 1)))


@case(2, 3, 4)
def grouped_conv(g: Graph) -> None:
    g.finish(g.conv(g.conv(g.image(), 8), 12, kernel=3, group=4))


@case(2, 4)
def grouped_conv_of_one_output_each(g: Graph) -> None:
    g.finish(g.conv(g.conv(g.image(), 8), 4, group=4))


@case(2, 5, frozen="'input_1' is an input of the model")
def grouped_conv_of_an_input(g: Graph) -> None:
    g.finish(g.conv(g.image(8), 8, group=4), hidden=5)


@case(2, 3, 4, 5)
def grouped_conv_twice(g: Graph) -> None:
    x = g.add("Relu", g.conv(g.conv(g.image(), 8), 12, group=4))
    g.finish(g.conv(x, 20, group=4))


@case(2, 2, 2, 2, 3)
def grouped_conv_with_other_groups(g: Graph) -> None:
    """Groups of 4 and of 2 over 8 channels: 2 * 2 * 2."""
    x = g.conv(g.conv(g.image(), 8), 8, group=4)
    g.finish(g.conv(x, 6, group=2))


@case(8)
def depthwise_conv(g: Graph) -> None:
    g.finish(g.conv(g.conv(g.image(), 8), 8, kernel=3, group=8))


@case(2, 8)
def depthwise_conv_with_multiplier(g: Graph) -> None:
    g.finish(g.conv(g.conv(g.image(), 8), 16, kernel=3, group=8))


@case(6, 7)
def inverted_bottleneck(g: Graph) -> None:
    x = g.conv(g.image(), 6)
    y = g.add("Relu", g.conv(x, 7))
    y = g.conv(g.conv(y, 7, kernel=3, group=7), 6)
    g.finish(g.add("Add", x, y))


def transposed(g: Graph, x: str, channels: int, group: int = 1, **attributes: object) -> str:
    given = g.shape(x)[1]
    w = g.weight(given, channels // group, 3, 3, fan_in=given // group)
    return g.add("ConvTranspose", x, w, g.weight(channels), group=group, **attributes)


@case(6, 7)
def conv_transpose(g: Graph) -> None:
    g.finish(transposed(g, g.conv(g.image(), 6), 7, strides=[2, 2], output_padding=[1, 1]))


@case(2, 3, 4)
def conv_transpose_grouped(g: Graph) -> None:
    g.finish(transposed(g, g.conv(g.image(), 8), 12, group=4))


@case(6)
def conv_transpose_depthwise(g: Graph) -> None:
    g.finish(transposed(g, g.conv(g.image(), 6), 6, group=6))


@case(6)
def conv_transpose_one_dimension_without_bias(g: Graph) -> None:
    x = g.conv(g.input(2, 3, 5), 6)
    g.output(g.add("ConvTranspose", x, g.weight(6, 2, 3)))


BIASES: dict[str, tuple[int, ...] | None] = {
    "none": None,
    "row": (6,),
    "row_of_matrix": (1, 6),
    "one": (1,),
    "scalar": (),
    "column": (4, 1),
    "full": (4, 6),
}


def gemm_case(trans_a: int, trans_b: int, bias: tuple[int, ...] | None) -> Callable[[Graph], None]:
    def build(g: Graph) -> None:
        x = g.input(*((3, 4) if trans_a else (4, 3)))
        w1, w2 = (g.weight(*(dims[::-1] if trans_b else dims)) for dims in ((3, 6), (6, 2)))
        c = [] if bias is None else [g.positive(*bias)]
        y = g.add("Relu", g.add("Gemm", x, w1, *c, transA=trans_a, transB=trans_b, alpha=0.5, beta=2.0))
        if trans_a:
            y = g.transpose(y, 1, 0)
        g.output(g.add("Gemm", y, w2, transA=trans_a, transB=trans_b))

    return build


for _a, _b, _bias in product((0, 1), (0, 1), BIASES):
    add_case(f"gemm_transA{_a}_transB{_b}_bias_{_bias}", gemm_case(_a, _b, BIASES[_bias]), [6])


@case(6)
def gemm_without_attributes(g: Graph) -> None:
    y = g.add("Gemm", g.input(4, 3), g.weight(3, 6), g.weight(6))
    g.output(g.add("Gemm", y, g.weight(6, 2)))


@case(6)
def gemm_with_constant_on_the_left(g: Graph) -> None:
    y = g.add("Gemm", g.weight(6, 3), g.input(3, 5), g.weight(6, 1))
    g.output(g.add("Gemm", g.weight(2, 6), y))


@case(6)
def matmul_with_constant_on_the_right(g: Graph) -> None:
    y = g.add("Add", g.linear(g.input(2, 5, 3), 6), g.weight(6))
    g.output(g.linear(g.add("Relu", y), 2))


@case(6)
def matmul_with_constant_on_the_left(g: Graph) -> None:
    y = g.add("MatMul", g.weight(6, 4), g.input(2, 4, 7))
    g.output(g.add("MatMul", g.weight(3, 6), y))


@case(6)
def matmul_batched(g: Graph) -> None:
    y = g.add("MatMul", g.input(2, 4, 3), g.weight(2, 3, 6))
    g.output(g.add("MatMul", y, g.weight(2, 6, 5)))


@case(6)
def matmul_with_a_broadcast_batch(g: Graph) -> None:
    y = g.add("MatMul", g.input(3, 1, 4, 3), g.weight(5, 3, 6))
    g.output(g.add("MatMul", y, g.weight(1, 6, 5)))


@case(6)
def matmul_by_a_vector_on_the_right(g: Graph) -> None:
    g.output(g.add("MatMul", g.linear(g.input(5, 3), 6), g.weight(6)))


@case(6)
def matmul_of_a_vector_on_the_left(g: Graph) -> None:
    g.output(g.linear(g.linear(g.input(3), 6), 2))


@case(6)
def matmul_of_two_activations(g: Graph) -> None:
    x = g.input(2, 5, 3)
    keys = g.transpose(g.linear(x, 6), 0, 2, 1)
    g.output(g.add("MatMul", g.linear(x, 6), keys))


@case(6)
def matmul_of_an_activation_by_itself(g: Graph) -> None:
    y = g.linear(g.input(2, 5, 3), 6)
    g.output(g.add("MatMul", y, g.transpose(y, 0, 2, 1)))


@case(7)
def gram_matrix(g: Graph) -> None:
    """X^T X: both axes of one tensor are the same dim."""
    y = g.linear(g.input(5, 3), 7)
    gram = g.add("MatMul", g.transpose(y, 1, 0), y)
    g.output(g.linear(g.transpose(g.linear(gram, 4), 1, 0), 2))
