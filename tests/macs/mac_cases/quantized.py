"""Products of integers: as those of real numbers. Every scale is 1 and every zero point 0, so that ones stay ones."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from mac_cases.case import ONES, TOOL, MacGraph, costs, fused


def unit(g: MacGraph, dtype: type = np.uint8) -> tuple[str, str]:
    """Scale and zero point."""
    return g.store(1, np.float32), g.store(0, dtype)


def integers(g: MacGraph, *shape: int) -> str:
    """An input of integers."""
    return g.input(*shape, dtype=TensorProto.UINT8)


@costs("ConvInteger", 2 * 9 * 6 * 2 * 9, ONES, TOOL)
def conv_integer(g: MacGraph) -> None:
    """Batch 2, 9 positions, 6 of 4 / 2 channels, 9 taps."""
    g.output(g.add("ConvInteger", integers(g, 2, 4, 5, 5), g.ones(6, 2, 3, 3, dtype=np.uint8), group=2))


@costs("QLinearConv", 2 * 9 * 6 * 3 * 9, ONES, TOOL)
def qlinear_conv(g: MacGraph) -> None:
    """Batch 2, 9 positions, 6 of 3 channels, 9 taps."""
    weight = (g.ones(6, 3, 3, 3, dtype=np.int8), *unit(g, np.int8))
    g.output(g.add("QLinearConv", integers(g, 2, 3, 5, 5), *unit(g), *weight, *unit(g), g.zeros(6, dtype=np.int32)))


@costs("MatMulInteger", 2 * 5 * 3 * 6, ONES, TOOL)
def matmul_integer(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    g.output(g.add("MatMulInteger", integers(g, 2, 5, 3), g.ones(3, 6, dtype=np.uint8)))


@costs("QLinearMatMul", 2 * 5 * 3 * 6, ONES, TOOL)
def qlinear_matmul(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    weight = (g.ones(3, 6, dtype=np.int8), *unit(g, np.int8))
    g.output(g.add("QLinearMatMul", integers(g, 2, 5, 3), *unit(g), *weight, *unit(g)))


@fused("QGemm", 4 * 3 * 6, ONES)
def qgemm(g: MacGraph) -> None:
    """4 rows, 3 columns in, 6 out."""
    weight = (g.ones(6, 3, dtype=np.int8), *unit(g, np.int8))
    given = (integers(g, 4, 3), *unit(g), *weight, g.zeros(6, dtype=np.int32), *unit(g))
    g.output(g.declare(g.contrib("QGemm", *given, transB=1), np.uint8, 4, 6))


@fused("MatMulIntegerToFloat", 2 * 5 * 3 * 6, ONES)
def matmul_integer_to_float(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    scale, zero = unit(g)
    given = (integers(g, 2, 5, 3), g.ones(3, 6, dtype=np.uint8), scale, scale, zero, zero)
    g.output(g.declare(g.contrib("MatMulIntegerToFloat", *given), np.float32, 2, 5, 6))


@fused("DynamicQuantizeMatMul", 2 * 5 * 3 * 6, ONES)
def dynamic_quantize_matmul(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    y = g.contrib("DynamicQuantizeMatMul", g.input(2, 5, 3), g.ones(3, 6, dtype=np.uint8), *unit(g))
    g.output(g.declare(y, np.float32, 2, 5, 6))


@fused("MatMulNBits", 2 * 5 * 64 * 6, ONES)
def matmul_nbits(g: MacGraph) -> None:
    """Batch 2, 5 rows, 64 between, 6 columns: numbers of four bits, of which 8 is zero and 9 is one."""
    weight = (g.store(np.full((6, 4, 8), 0x99), np.uint8), g.ones(24))
    y = g.contrib("MatMulNBits", g.input(2, 5, 64), *weight, N=6, K=64, bits=4, block_size=16)
    g.output(g.declare(y, np.float32, 2, 5, 6))
