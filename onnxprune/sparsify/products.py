"""Which inputs of which operators are multiplied with an activation, and which axes their sums run over.

An axis of a weight is that of its input channels, which a product sums over, that of its outputs, or a tap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from onnx import helper


@dataclass(frozen=True)
class Operand:
    """An input of a node that may hold a weight: the axes of input channels and of outputs, counted from the first.

    Outputs come in so many `groups`. `patterned` tells whether runtimes know an N:M pattern in such a weight.
    """

    slot: int
    inputs: int
    outs: int | None
    groups: int = 1
    patterned: bool = True


CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
GEMMS = {"Gemm": (0, 1), "FusedGemm": (0, 1), "QGemm": (0, 3)}
PRODUCTS = {"MatMul": (0, 1), "FusedMatMul": (0, 1), "MatMulInteger": (0, 1), "QLinearMatMul": (0, 3)}
RECURRENT = {"LSTM": (1, 2), "GRU": (1, 2), "RNN": (1, 2)}


def operands(node: onnx.NodeProto, slot: int, rank: int) -> Iterator[Operand]:
    """Yield how a node uses a weight of so many axes at one of its inputs, where that is a product."""
    attributes = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    if CONVOLUTIONS.get(node.op_type) == slot:
        yield Operand(slot, 1, 0, attributes.get("group", 1))
    elif node.op_type == "ConvTranspose" and slot == 1:
        yield Operand(slot, 0, 1, patterned=False)
    elif slot in GEMMS.get(node.op_type, ()):
        left = slot == 0
        turned = bool(attributes.get("transA" if left else "transB", 0))
        yield Operand(slot, int(left != turned), int(left == turned))
    elif slot in PRODUCTS.get(node.op_type, ()):
        left = slot == 0
        turned = bool(attributes.get("transA" if left else "transB", 0))
        yield _of_product(slot, rank, left != turned)
    elif slot in RECURRENT.get(node.op_type, ()):
        yield Operand(slot, 2, 1, patterned=False)


def _of_product(slot: int, rank: int, inputs_last: bool) -> Operand:
    """Return the operand of a stack of matrices, [.., K, N] or, with inputs last, [.., N, K]; a vector is [K]."""
    if rank == 1:
        return Operand(slot, 0, None)
    return Operand(slot, rank - 1, rank - 2) if inputs_last else Operand(slot, rank - 2, rank - 1)
