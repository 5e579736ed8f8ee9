"""Counters of multiply-accumulates that know nothing of onnxprune's rules.

Three, by other people or by other means: onnx-tool; formulas on the shapes that tensors have when onnxruntime runs the
model; and the products of ones, which add up to their number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_tool
from onnx import helper

from onnxprune.model import Model
from onnxprune.runtime import Feeds, Session, run

Shapes = Sequence[tuple[int, ...]]
Formula = Callable[[Mapping[str, Any], Shapes, Shapes], int]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


# Formulas


def _conv(weight: int) -> Formula:
    """Every value of the result sums over the input channels of its group and the taps of the kernel."""
    return lambda attributes, given, made: math.prod(made[0]) * math.prod(given[weight][1:])


def _conv_transpose(attributes: Mapping[str, Any], given: Shapes, made: Shapes) -> int:
    """Every value of the input goes through the taps of the kernel to the output channels of its group."""
    return math.prod(given[0]) * math.prod(given[1][1:])


def _matmul(attributes: Mapping[str, Any], given: Shapes, made: Shapes) -> int:
    return math.prod(made[0]) * given[0][-1]


def _gemm(attributes: Mapping[str, Any], given: Shapes, made: Shapes) -> int:
    return math.prod(made[0]) * given[0][0 if attributes.get("transA") else 1]


def _einsum(attributes: Mapping[str, Any], given: Shapes, made: Shapes) -> int:
    """Of two operands and letters alone."""
    left, right = attributes["equation"].decode().split("->")[0].split(",")
    lengths = {**dict(zip(left.strip(), given[0], strict=True)), **dict(zip(right.strip(), given[1], strict=True))}
    return math.prod(lengths.values())


def _recurrent(attributes: Mapping[str, Any], given: Shapes, made: Shapes) -> int:
    """Both matrices are multiplied once for each sample and step."""
    steps, batch, _ = given[0]
    return steps * batch * (math.prod(given[1]) + math.prod(given[2]))


FORMULAS: dict[str, Formula] = {
    "Conv": _conv(1),
    "ConvInteger": _conv(1),
    "ConvTranspose": _conv_transpose,
    "Einsum": _einsum,
    "GRU": _recurrent,
    "Gemm": _gemm,
    "LSTM": _recurrent,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QGemm": _gemm,
    "QLinearConv": _conv(3),
    "QLinearMatMul": _matmul,
    "RNN": _recurrent,
}


def by_running(model: Model, feeds: Feeds) -> Counter[str]:
    """Return the MACs of the main graph by operator, from the shapes that its tensors have when it runs."""
    shapes = {name: tuple(tensor.dims) for (scope, name), tensor in model.constants.items() if not scope}
    shapes |= {name: value.shape for name, value in feeds.items()}
    nodes = [node for node in model.proto.graph.node if node.op_type in FORMULAS]
    missing = sorted({name for node in nodes for name in (*node.input, *node.output) if name and name not in shapes})
    values = Session(model, missing, optimize=False).run(feeds) if missing else []
    shapes |= {name: value.shape for name, value in zip(missing, values, strict=True)}
    macs: Counter[str] = Counter()
    for node in nodes:
        given, made = ([shapes.get(name, ()) for name in names] for names in (node.input, node.output))
        macs[node.op_type] += FORMULAS[node.op_type](_attributes(node), given, made)
    return macs


# Others


ONNX_TOOL = frozenset("Conv ConvInteger Einsum Gemm MatMul MatMulInteger QLinearConv QLinearMatMul".split())
"""Operators that onnx-tool 1.0.1 counts as we do but for the additions of a bias.

Of a ConvTranspose it takes the positions of the result and the channels of the wrong side. For recurrent layers it adds
the activations of the gates, and it knows no RNN. A MatMul where both sides broadcast gets the larger batch. It cannot
read Einsum with an ellipsis or of other than two operands, nor most operators of onnxruntime's own domain.
"""

BIAS_AT = {"Conv": 2, "Gemm": 2, "QLinearConv": 8, "MatMulInteger": 2}
"""The last input for which onnx-tool adds one MAC for each value of the result; MatMulInteger's is a zero point."""


def by_onnx_tool(proto: onnx.ModelProto, feeds: Feeds) -> Counter[str]:
    """Return the MACs by operator as onnx-tool counts them, without what it adds for a bias."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = onnx_tool.Model(copy, {"verbose": False}).graph
    graph.graph_reorder_nodes()
    graph.shape_infer(dict(feeds))
    macs: Counter[str] = Counter()
    for node in graph.nodemap.values():
        if node.op_type in ONNX_TOOL:
            given, made = ([graph.tensormap[name] for name in names] for names in (node.input, node.output))
            macs[node.op_type] += int(node.profile(given, made)[0])
            if has_bias(node.op_type, len(given)):
                macs[node.op_type] -= math.prod(made[0].get_shape())
    return macs


def has_bias(op_type: str, inputs: int) -> bool:
    """Whether onnx-tool takes a node with so many inputs to have a bias."""
    place = BIAS_AT.get(op_type)
    return place is not None and (inputs == place + 1)


def by_ones(proto: onnx.ModelProto) -> int:
    """Return the sum of all outputs of a model of which every input is one."""
    model = Model(proto)
    return round(sum(float(np.sum(value, dtype=np.float64)) for value in run(model, ones_for(proto))))


def ones_for(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return inputs of ones."""
    stored = {tensor.name for tensor in proto.graph.initializer}
    return {
        info.name: np.ones(
            [dim.dim_value for dim in info.type.tensor_type.shape.dim],
            helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type),
        )
        for info in proto.graph.input
        if info.name not in stored
    }
