"""A graph for every family of operators that the table of cases leaves to tests of its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from graphs import Graph
from onnx import TensorProto, helper, numpy_helper
from quantized_graphs import MICROSOFT, QuantizedGraph

FAMILIES: dict[str, Callable[[], onnx.ModelProto]] = {}


def family(build: Callable[[QuantizedGraph], None]) -> Callable[[QuantizedGraph], None]:
    """Put a function that builds a graph into the table."""

    def model() -> onnx.ModelProto:
        graph = QuantizedGraph()
        build(graph)
        return graph.model()

    FAMILIES[build.__name__] = model
    return build


def heads(g: Graph, count: int, width: int) -> list[str]:
    """Queries, keys and values."""
    x = g.input(2, 5, 4)
    return [g.linear(x, count * width) for _ in range(3)]


@family
def attention_in_one_node(g: QuantizedGraph) -> None:
    bias = g.weight(3 * 12)
    y = g.contrib("MultiHeadAttention", *heads(g, 3, 4), bias, num_heads=3)
    g.output(g.linear(g.declare(y, np.float32, 2, 5, 12), 2))


@family
def attention_with_shared_keys_in_one_node(g: QuantizedGraph) -> None:
    x = g.input(2, 5, 4)
    q, k, v = (g.linear(x, width) for width in (4 * 8, 2 * 8, 2 * 8))
    lengths, total = g.store([4, 4], np.int32), g.store(5, np.int32)
    given = [q, k, v, "", "", lengths, total]
    y, *_ = g.nodes_of("GroupQueryAttention", given, 3, domain=MICROSOFT, num_heads=4, kv_num_heads=2)
    g.output(g.linear(g.declare(y, np.float32, 2, 5, 32), 2))


def recurrent(g: QuantizedGraph, op_type: str, gates: int, directions: int, **more: object) -> None:
    x = g.linear(g.input(5, 2, 3), 4)
    w = g.weight(directions, gates * 6, 4, fan_in=4)
    r = g.weight(directions, gates * 6, 6, fan_in=6)
    states = [g.weight(directions, 2, 6) for _ in range(2 if op_type == "LSTM" else 1)]
    given = [x, w, r, g.weight(directions, 2 * gates * 6), "", *states]
    y = g.nodes_of(op_type, given, 2, hidden_size=6, **more)[0]
    g.output(g.linear(g.reshape(g.transpose(y, 0, 2, 1, 3), 0, 0, -1), 2))


@family
def long_short_term_memory(g: QuantizedGraph) -> None:
    recurrent(g, "LSTM", 4, 1)


@family
def gated_units_in_both_directions(g: QuantizedGraph) -> None:
    recurrent(g, "GRU", 3, 2, direction="bidirectional")


@family
def quantized_recurrence(g: QuantizedGraph) -> None:
    x = g.linear(g.input(4, 2, 3), 5)
    w, *w_unit = g.integers(1, 5, 24, axis=0, fan_in=5, symmetric=True)
    r, *r_unit = g.integers(1, 6, 24, axis=0, fan_in=6, symmetric=True)
    given = [x, w, r, g.weight(1, 48), "", g.weight(1, 2, 6), g.weight(1, 2, 6), "", *w_unit, *r_unit]
    y, *_ = g.nodes_of("DynamicQuantizeLSTM", given, 3, domain=MICROSOFT, hidden_size=6)
    g.declare(y, np.float32, 4, 1, 2, 6)
    g.output(g.linear(y, 2))


@family
def branches_of_a_condition(g: QuantizedGraph) -> None:
    x = g.linear(g.input(4, 3), 5)
    bodies = {}
    for side, op_type in (("then_branch", "Tanh"), ("else_branch", "Sin")):
        product, result = f"{side}_product", f"{side}_result"
        nodes = [
            helper.make_node("MatMul", [x, g.weight(5, 6, fan_in=5)], [product]),
            helper.make_node(op_type, [product], [result]),
        ]
        given = helper.make_tensor_value_info(result, TensorProto.FLOAT, [4, 6])
        bodies[side] = helper.make_graph(nodes, side, [], [given])
    g.output(g.linear(g.add("If", g.input(dtype=TensorProto.BOOL), **bodies), 2))


@family
def convolutions_between_quantized_activations(g: QuantizedGraph) -> None:
    x = g.rounded(g.image())
    x = g.qdq_conv(g.qdq_conv(x, 6, 3), 6, 3, group=6)
    g.output(g.qdq_conv(x, 2))


@family
def convolutions_of_integers(g: QuantizedGraph) -> None:
    x = g.qlinear_conv(g.quantize(g.image()), 3, 6)
    y = g.declare(
        g.contrib("QLinearAdd", x, *g.unit(), g.qlinear_conv(x, 6, 6), *g.unit(), *g.unit()), np.uint8, 2, 6, 6, 6
    )
    g.output(g.dequantize(g.qlinear_conv(y, 6, 2)))


@family
def integer_products_with_a_zero_point_per_column(g: QuantizedGraph) -> None:
    x = g.input(5, 3)
    for given, columns in ((3, 6), (6, 2)):
        y, scale, zero = g.nodes_of("DynamicQuantizeLinear", [x], 3)
        weight, weight_scale, weight_zero = g.integers(given, columns, axis=1, fan_in=given)
        product = g.add("Cast", g.add("MatMulInteger", y, weight, zero, weight_zero), to=TensorProto.FLOAT)
        x = g.add("Mul", product, g.add("Mul", scale, weight_scale))
    g.output(x)


@family
def fused_convolution_with_a_residual(g: QuantizedGraph) -> None:
    x = g.conv(g.image(), 6)
    y = g.contrib("FusedConv", x, g.weight(6, 6, 3, 3, fan_in=54), g.weight(6), x, pads=[1] * 4, activation="Relu")
    g.output(g.add("Conv", y, g.weight(2, 6, 1, 1)))


@family
def samples_at_given_places(g: QuantizedGraph) -> None:
    g.finish(g.add("GridSample", g.conv(g.image(), 6), g.input(2, 4, 4, 2), mode="bilinear"))


@family
def sum_over_letters(g: QuantizedGraph) -> None:
    x = g.linear(g.input(2, 5, 3), 6)
    g.output(g.linear(g.add("Einsum", x, g.weight(6, 4, fan_in=6), equation="bth,ho->bto"), 2))


@family
def state_of_computed_zeros(g: QuantizedGraph) -> None:
    x = g.linear(g.input(5, 2, 3), 4)
    zeros = g.add("ConstantOfShape", g.ints(1, 2, 6), value=numpy_helper.from_array(np.zeros(1, np.float32)))
    given = [x, g.weight(1, 18, 4, fan_in=4), g.weight(1, 18, 6, fan_in=6), g.weight(1, 36), "", zeros]
    y = g.nodes_of("GRU", given, 1, hidden_size=6)[0]
    g.output(g.linear(g.reshape(y, 5, 2, -1), 2))


# Graphs in which axes shrink over which statistics are taken.


@family
def norm_by_the_root_mean_square(g: QuantizedGraph) -> None:
    x = g.linear(g.input(4, 3), 6)
    norm = g.add("SimplifiedLayerNormalization", x, g.positive(6), epsilon=0.1)
    g.output(g.linear(g.declare(norm, np.float32, 4, 6), 2))


@family
def norm_that_is_written_out(g: QuantizedGraph) -> None:
    x = g.linear(g.input(4, 3), 6)
    mean = g.add("ReduceMean", g.add("Mul", x, x), axes=[-1])
    g.output(g.linear(g.add("Div", x, g.add("Sqrt", g.add("Add", mean, g.store(0.1, np.float32)))), 2))


NORMS = frozenset(("norm_by_the_root_mean_square", "norm_that_is_written_out"))
"""Those of the graphs that are traced with `allow_norm`."""
