"""Matrix products: values of the result times the length of the axis that is summed over."""

from __future__ import annotations

from itertools import product

from mac_cases.case import ONES, TOOL, MacGraph, costs, fused


def _gemm(trans_a: int, trans_b: int) -> None:
    def build(g: MacGraph) -> None:
        """4 rows, 3 columns in, 6 out."""
        x, w = g.input(*((3, 4) if trans_a else (4, 3))), g.ones(*((6, 3) if trans_b else (3, 6)))
        g.output(g.add("Gemm", x, w, transA=trans_a, transB=trans_b))

    build.__name__ = f"gemm_transA{trans_a}_transB{trans_b}"
    costs("Gemm", 4 * 3 * 6, ONES, TOOL)(build)


for _a, _b in product((0, 1), (0, 1)):
    _gemm(_a, _b)


@costs("Gemm", 4 * 3 * 6, TOOL)
def gemm_with_bias(g: MacGraph) -> None:
    """4 rows, 3 columns in, 6 out; the bias costs nothing."""
    g.output(g.add("Gemm", g.input(4, 3), g.ones(3, 6), g.ones(6)))


@costs("MatMul", 2 * 5 * 3 * 6, ONES, TOOL)
def matmul_with_a_weight(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 columns in, 6 out."""
    g.output(g.add("MatMul", g.input(2, 5, 3), g.ones(3, 6)))


@costs("MatMul", 2 * 6 * 3 * 5, ONES, TOOL)
def matmul_with_a_weight_on_the_left(g: MacGraph) -> None:
    """Batch 2, 6 rows out, 3 in, 5 columns."""
    g.output(g.add("MatMul", g.ones(6, 3), g.input(2, 3, 5)))


@costs("MatMul", 2 * 4 * 5 * 3 * 7, ONES, TOOL)
def matmul_of_two_activations(g: MacGraph) -> None:
    """2 x 4 products of 5 rows, 3 between, 7 columns."""
    g.output(g.add("MatMul", g.input(2, 4, 5, 3), g.input(2, 4, 3, 7)))


@costs("MatMul", 3 * 5 * 4 * 2 * 6, ONES)
def matmul_where_both_sides_broadcast(g: MacGraph) -> None:
    """3 x 5 products of 4 rows, 2 between, 6 columns."""
    g.output(g.add("MatMul", g.input(3, 1, 4, 2), g.ones(5, 2, 6)))


@costs("MatMul", 2 * 5 * 3, ONES)
def matmul_by_a_vector(g: MacGraph) -> None:
    """2 x 5 rows of 3."""
    g.output(g.add("MatMul", g.input(2, 5, 3), g.ones(3)))


@costs("MatMul", 2 * 3 * 6, ONES)
def matmul_of_a_vector(g: MacGraph) -> None:
    """Batch 2, 3 in, 6 out."""
    g.output(g.add("MatMul", g.input(3), g.ones(2, 3, 6)))


@costs("MatMul", 7, ONES)
def matmul_of_two_vectors(g: MacGraph) -> None:
    """7 products."""
    g.output(g.add("MatMul", g.input(7), g.ones(7)))


@costs("Einsum", 2 * 5 * 3 * 6, ONES, TOOL)
def einsum_of_a_weight(g: MacGraph) -> None:
    """b = 2, s = 5, i = 3, o = 6."""
    g.output(g.add("Einsum", g.input(2, 5, 3), g.ones(6, 3), equation="bsi,oi->bso"))


@costs("Einsum", 2 * 4 * 5 * 7 * 3, ONES, TOOL)
def einsum_of_queries_and_keys(g: MacGraph) -> None:
    """b = 2, h = 4, q = 5, k = 7, d = 3."""
    g.output(g.add("Einsum", g.input(2, 4, 5, 3), g.input(2, 4, 7, 3), equation="bhqd,bhkd->bhqk"))


@costs("Einsum", 2 * 5 * 3 * 6, ONES)
def einsum_with_an_ellipsis(g: MacGraph) -> None:
    """2 x 5 rows, i = 3, o = 6."""
    g.output(g.add("Einsum", g.input(2, 5, 3), g.ones(3, 6), equation="...i,io->...o"))


@costs("Einsum", 2 * 3 * 6 + 2 * 6 * 7)
def einsum_of_three_operands_from_the_left(g: MacGraph) -> None:
    """b = 2, i = 3, j = 6, then k = 7: two products, not one over b, i, j and k at once."""
    g.output(g.add("Einsum", g.input(2, 3), g.ones(3, 6), g.ones(6, 7), equation="bi,ij,jk->bk"))


@costs("Einsum", 0)
def einsum_of_one_operand(g: MacGraph) -> None:
    """A sum and a transposition: nothing is multiplied."""
    g.output(g.add("Einsum", g.input(2, 5, 3), equation="bsi->ib"))


@fused("FusedMatMul", 2 * 5 * 3 * 6, ONES)
def fused_matmul_with_transposed_operands(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    y = g.contrib("FusedMatMul", g.input(2, 3, 5), g.input(2, 6, 3), transA=1, transB=1)
    g.output(g.declare(y, "float32", 2, 5, 6))


@fused("FusedMatMul", 2 * 5 * 3 * 6, ONES)
def fused_matmul_with_the_batch_behind_the_rows(g: MacGraph) -> None:
    """Batch 2, 5 rows, 3 between, 6 columns."""
    y = g.contrib("FusedMatMul", g.input(5, 2, 3), g.input(2, 3, 6), transBatchA=1)
    g.output(g.declare(y, "float32", 2, 5, 6))


@fused("FusedGemm", 4 * 3 * 6, ONES)
def fused_gemm(g: MacGraph) -> None:
    """4 rows, 3 columns in, 6 out."""
    y = g.contrib("FusedGemm", g.input(4, 3), g.ones(6, 3), g.zeros(6), transB=1, activation="Relu")
    g.output(g.declare(y, "float32", 4, 6))
