"""The check of zeros: what is as claimed passes, and whatever is not is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Array, branchy, plain, traced
from onnx import TensorProto, external_data_helper, helper, numpy_helper
from quantized_graphs import QuantizedGraph

from onnxprune.errors import UsageError, VerificationError
from onnxprune.granularity import ELEMENTS
from onnxprune.model import ConstantKey, Model
from onnxprune.options import Options
from onnxprune.sparsify.check import Claim, SparsityCheck, check_sparsity, zeros_of
from onnxprune.sparsify.multiplied import multiplied
from onnxprune.sparsify.weights import find_weights
from onnxprune.tensors import with_values

Change = Callable[[Array], Array]


def patterned(values: Array, axis: int, n: int = 2, m: int = 4, zero: Any = 0) -> Array:
    """Return values of which the first m - n of every m along an axis are zero."""
    apart = np.moveaxis(np.array(values), axis, -1)
    for place in range(m - n):
        apart[..., place::m] = zero if np.ndim(zero) == 0 else np.moveaxis(zero, axis, -1)[..., 0]
    return np.moveaxis(apart, -1, axis)


def with_weight(proto: onnx.ModelProto, key: ConstantKey, change: Change) -> Model:
    """Return a copy of a model with one of its constants changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    model = Model(copy)
    tensor = model.constants[key]
    tensor.CopyFrom(with_values(tensor, change(model.array(tensor))))
    return Model(copy)


def check(proto: onnx.ModelProto, change: Change, granularity: str = "2:4", **claim: Any) -> SparsityCheck:
    """Change the only weight of a model and check what is claimed of it: by default, that half of it is zero."""
    ((key, (_, size)),) = zeros_of(Model(proto)).items()
    claim.setdefault("pruned", {key: size // 2})
    return check_sparsity(Model(proto), with_weight(proto, key, change), Claim(granularity, **claim))


def conv(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 8, 3, 3))


def grouped(g: Graph) -> str:
    return g.add("Conv", g.image(8), g.weight(12, 4, 3, 3), group=2)


def transposed_conv(g: Graph) -> str:
    return g.add("ConvTranspose", g.image(8), g.weight(8, 12, 3, 3))


def gemm(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(8, 12))


def gemm_turned(g: Graph) -> str:
    return g.add("Gemm", g.input(2, 8), g.weight(12, 8), transB=1)


def gemm_from_the_left(g: Graph) -> str:
    return g.add("Gemm", g.weight(8, 12), g.input(8, 2), transA=1)


def matmul(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.weight(8, 12))


def matmul_from_the_left(g: Graph) -> str:
    return g.add("MatMul", g.weight(12, 8), g.input(8, 2))


def stacked(g: Graph) -> str:
    return g.add("MatMul", g.input(4, 2, 8), g.weight(4, 8, 12))


def vector(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.weight(8))


def behind_a_transpose(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.transpose(g.weight(12, 8), 1, 0))


def behind_a_cast(g: Graph) -> str:
    weight = g.store(g.random(8, 12).astype(np.float16))
    return g.add("MatMul", g.input(2, 8), g.add("Identity", g.add("Cast", weight, to=TensorProto.FLOAT)))


def in_a_constant(g: Graph) -> str:
    return g.add("MatMul", g.input(2, 8), g.constant(g.random(8, 12)))


def recurrent(g: Graph) -> str:
    return g.nodes_of("RNN", [g.input(5, 2, 8), g.weight(1, 12, 8), g.add("Identity", g.input(1, 12, 12))], 1)[0]


def in_a_body(g: Graph) -> str:
    """The weight of the main graph is multiplied inside both branches."""
    x, w = g.input(2, 8), g.weight(8, 12)
    body = helper.make_graph(
        [helper.make_node("MatMul", [x, w], ["inner"])], "b", [], [helper.make_tensor_value_info("inner", 1, [2, 12])]
    )
    return g.add("If", g.input(dtype=TensorProto.BOOL), then_branch=body, else_branch=body)


def dequantized(g: QuantizedGraph) -> str:
    return g.add("Conv", g.image(8), g.dequantized(12, 8, 3, 3, axis=0))


def dequantized_and_turned(g: QuantizedGraph) -> str:
    turned = g.transpose(g.store(np.arange(96).reshape(12, 8) - 48, np.int8), 1, 0)
    zero = g.store(np.arange(12), np.int8)
    return g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", turned, g.positive(12), zero, axis=1))


def dequantized_in_blocks(g: QuantizedGraph) -> str:
    weight = g.store(np.arange(96).reshape(8, 12) - 48, np.int8)
    scale, zero = g.positive(2, 12), g.store(np.arange(24).reshape(2, 12), np.int8)
    g.opset = g.domains[""] = 21
    return g.add("MatMul", g.input(2, 8), g.add("DequantizeLinear", weight, scale, zero, axis=0, block_size=4))


def integer_conv(g: QuantizedGraph) -> str:
    weight, _, zero = g.integers(12, 8, 3, 3)
    return g.add("ConvInteger", g.input(2, 8, 6, 6, dtype=TensorProto.UINT8), weight, g.store(120, np.uint8), zero)


def integer_matmul(g: QuantizedGraph) -> str:
    weight, _, zero = g.integers(8, 12, axis=1)
    return g.add("MatMulInteger", g.input(2, 8, dtype=TensorProto.UINT8), weight, g.store(120, np.uint8), zero)


def quantized_conv(g: QuantizedGraph) -> str:
    weight, scale, zero = g.integers(12, 8, 3, 3, axis=0)
    return g.add("QLinearConv", g.quantize(g.image(8)), *g.unit(), weight, scale, zero, *g.unit())


def quantized_matmul(g: QuantizedGraph) -> str:
    weight, scale, zero = g.integers(8, 12, axis=1)
    return g.add("QLinearMatMul", g.quantize(g.input(2, 8)), *g.unit(), weight, scale, zero, *g.unit())


AXES: dict[Callable[[Any], str], tuple[int, int | None]] = {
    conv: (1, 0),
    grouped: (1, 0),
    transposed_conv: (0, 1),
    gemm: (0, 1),
    gemm_turned: (1, 0),
    gemm_from_the_left: (0, 1),
    matmul: (0, 1),
    matmul_from_the_left: (1, 0),
    stacked: (1, 0),
    vector: (0, None),
    behind_a_transpose: (1, 0),
    behind_a_cast: (0, 1),
    in_a_constant: (0, 1),
    recurrent: (2, 1),
    in_a_body: (0, 1),
    dequantized: (1, 0),
    dequantized_and_turned: (1, 0),
    dequantized_in_blocks: (0, 1),
    integer_conv: (1, 0),
    integer_matmul: (0, 1),
    quantized_conv: (1, 0),
    quantized_matmul: (0, 1),
}
"""The axis of input channels of the only weight of each graph, and another axis that divides by 4."""


def made(make: Callable[[Any], str]) -> onnx.ModelProto:
    g = QuantizedGraph(opset=21) if make is dequantized_in_blocks else QuantizedGraph()
    g.output(make(g))
    return g.model()


def stored_zero(proto: onnx.ModelProto) -> Array:
    """The number that means zero in the only weight of a model, in every place of it."""
    ((key, (use, *_)),) = multiplied(Model(proto)).items()
    assert use.zero is not None
    return np.broadcast_to(use.zero, tuple(Model(proto).constants[key].dims))


@pytest.mark.parametrize("make", AXES, ids=lambda make: make.__name__)
def test_a_pattern_is_seen_along_the_input_channels_alone(make: Callable[[Any], str]) -> None:
    proto, (inputs, other) = made(make), AXES[make]
    zero = stored_zero(proto)

    def along(axis: int) -> Change:
        return lambda values: np.where(patterned(np.ones(values.shape), axis) == 0, zero, values).astype(values.dtype)

    found = check(proto, along(inputs))
    assert (found.weights, found.verdict) == (1, "proved")
    assert found.zeros >= found.elements / 2
    if other is not None:
        with pytest.raises(VerificationError, match="more than 2 of 4 numbers are not zero"):
            check(proto, along(other))
