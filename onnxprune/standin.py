"""Standard operators in the place of onnxruntime's own, for shape inference: onnx knows nothing of the latter.

Others of onnxruntime's operators need none: their rules know every size from the inputs.
"""

from __future__ import annotations

import onnx

MICROSOFT = "com.microsoft"
SAME_AS_FIRST_INPUT = (
    "BiasAdd BiasGelu BiasSoftmax FastGelu Gelu LayerNormalization QuickGelu RotaryEmbedding "
    "SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization"
).split()
WITHOUT_ACTIVATION = {"FusedConv": "Conv", "FusedGemm": "Gemm"}


def stand_in(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a standard node whose first output has the shape and type of that of `node`, or `node` itself."""
    if node.domain != MICROSOFT and node.op_type != "SimplifiedLayerNormalization":
        return node
    if node.op_type in SAME_AS_FIRST_INPUT:
        return onnx.NodeProto(op_type="Identity", input=node.input[:1], output=node.output[:1])
    if node.op_type in WITHOUT_ACTIVATION:
        attributes = [attribute for attribute in node.attribute if not attribute.name.startswith("activation")]
        op_type = WITHOUT_ACTIVATION[node.op_type]
        return onnx.NodeProto(op_type=op_type, input=node.input[:3], output=node.output[:1], attribute=attributes)
    return node
