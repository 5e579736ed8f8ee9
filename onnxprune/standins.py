"""Stand-ins for shape inference: onnx's own inference knows nothing of onnxruntime's operators.

Each is replaced, in a copy that is made for inference alone, by standard operators whose output has the same shape
and type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import onnx
from onnx import TensorProto, helper

MICROSOFT = "com.microsoft"

StandIn: TypeAlias = "Callable[[onnx.NodeProto, dict[str, Any]], list[onnx.NodeProto]]"


def stand_ins(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Return the nodes that give the outputs of `node` their shapes: itself, where it needs no stand-in."""
    is_standard = node.domain != MICROSOFT and node.op_type != "SimplifiedLayerNormalization"
    make = None if is_standard else STAND_INS.get(node.op_type)
    if make is None:
        return [node]
    try:
        return make(node, {a.name: helper.get_attribute_value(a) for a in node.attribute})
    except (LookupError, TypeError, ValueError):
        return [node]  # it lacks what its operator must have, so nothing is known of its output


def _standard(op_type: str, slots: Sequence[int]) -> StandIn:
    """An operator of the same attributes, on some of the inputs."""

    def make(node: onnx.NodeProto, attributes: dict[str, Any]) -> list[onnx.NodeProto]:
        inputs = [node.input[slot] for slot in slots if slot < len(node.input)]
        known = onnx.defs.get_schema(op_type).attributes
        kept = {name: value for name, value in attributes.items() if name in known}
        return [helper.make_node(op_type, inputs, node.output[:1], **kept)]

    return make


def _pool(op_type: str) -> StandIn:
    def make(node: onnx.NodeProto, attributes: dict[str, Any]) -> list[onnx.NodeProto]:
        if attributes.get("channels_last", 0):
            return [node]
        return _standard(op_type, [0])(node, attributes)

    return make


def _concat(node: onnx.NodeProto, attributes: dict[str, Any]) -> list[onnx.NodeProto]:
    return _standard("Concat", range(2, len(node.input), 3))(node, attributes)


def _real_product(node: onnx.NodeProto, attributes: dict[str, Any]) -> list[onnx.NodeProto]:
    product = f"{node.output[0]}_product"
    return [
        helper.make_node("MatMulInteger", node.input[:2], [product]),
        helper.make_node("Cast", [product], node.output[:1], to=TensorProto.FLOAT),
    ]


def _packed_product(node: onnx.NodeProto, attributes: dict[str, Any]) -> list[onnx.NodeProto]:
    weight = f"{node.output[0]}_weight"
    shape = helper.make_tensor(weight, TensorProto.INT64, [2], [attributes["K"], attributes["N"]])
    return [
        helper.make_node("Constant", [], [f"{weight}_shape"], value=shape),
        helper.make_node("ConstantOfShape", [f"{weight}_shape"], [weight]),
        helper.make_node("MatMul", [node.input[0], weight], node.output[:1]),
    ]


SAME_AS_FIRST_INPUT = (
    "BiasAdd BiasGelu BiasSoftmax FastGelu Gelu LayerNormalization QLinearLeakyRelu QLinearSigmoid QLinearSoftmax "
    "QuickGelu RotaryEmbedding SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization"
).split()

STAND_INS: dict[str, StandIn] = {
    **{op_type: _standard("Identity", [0]) for op_type in SAME_AS_FIRST_INPUT},
    "FusedConv": _standard("Conv", [0, 1, 2]),
    "FusedGemm": _standard("Gemm", [0, 1, 2]),
    "QLinearAdd": _standard("Add", [0, 3]),
    "QLinearMul": _standard("Mul", [0, 3]),
    "QLinearAveragePool": _pool("AveragePool"),
    "QLinearGlobalAveragePool": _pool("GlobalAveragePool"),
    "QLinearConcat": _concat,
    "QGemm": _standard("Gemm", [0, 3, 6]),
    "QuantizeLinear": _standard("QuantizeLinear", [0, 1, 2]),
    "DequantizeLinear": _standard("DequantizeLinear", [0, 1, 2]),
    "DynamicQuantizeMatMul": _standard("MatMul", [0, 1]),
    "MatMulIntegerToFloat": _real_product,
    "MatMulNBits": _packed_product,
}
