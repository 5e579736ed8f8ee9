"""Einsum: letters as axes, sums as contractions, ellipses and broadcasting."""

from __future__ import annotations

import pytest
from graphs import Graph
from proof import prove, traced

from onnxprune.axes import size


def test_linear_layer() -> None:
    g = Graph()
    x = g.add("Einsum", g.input(2, 5, 3), g.weight(6, 3), equation="bsi,oi->bso")
    g.output(g.linear(x, 2))
    prove(g.model(), [6])


def test_weight_first() -> None:
    g = Graph()
    x = g.linear(g.input(2, 5, 3), 4)
    g.output(g.linear(g.add("Einsum", g.weight(6, 4), x, equation="oi,bsi->bso"), 2))
    prove(g.model(), [4, 6])


def test_ellipsis() -> None:
    g = Graph()
    x = g.linear(g.input(2, 5, 3), 4)
    g.output(g.linear(g.add("Einsum", x, g.weight(4, 6), equation="...i, io -> ...o"), 2))
    prove(g.model(), [4, 6])


def test_without_an_arrow() -> None:
    g = Graph()
    x = g.linear(g.input(5, 3), 4)
    g.output(g.linear(g.add("Einsum", x, g.weight(4, 6), equation="ab,bc"), 2))
    prove(g.model(), [4, 6])


def test_attention_of_two_products() -> None:
    g = Graph()
    x = g.input(2, 5, 8)
    q, k, v = (g.add("Einsum", x, g.weight(8, 4, width, fan_in=8), equation="bsi,ihd->bshd") for width in (6, 6, 3))
    scores = g.add("Softmax", g.add("Einsum", q, k, equation="bqhd,bkhd->bhqk"), axis=-1)
    y = g.add("Einsum", scores, v, equation="bhqk,bkhe->bqhe")
    g.output(g.add("Einsum", y, g.weight(4, 3, 2, fan_in=12), equation="bqhe,heo->bqo"))
    prove(g.model(), [4, 6, 3])


def test_axis_of_one_position_is_broadcast() -> None:
    g = Graph()
    x = g.linear(g.input(2, 5, 3), 4)
    g.output(g.linear(g.add("Einsum", x, g.weight(1, 4), equation="bsi,si->bsi"), 2))
    prove(g.model(), [4])


def test_sum_over_a_letter_of_one_operand() -> None:
    g = Graph()
    x = g.linear(g.input(2, 5, 3), 4)
    g.output(g.add("Einsum", x, equation="bsi->bs"))
    prove(g.model(), [4])


def test_diagonal_freezes() -> None:
    g = Graph()
    x = g.linear(g.input(2, 4, 3), 4)
    g.output(g.add("Einsum", x, equation="bii->bi"))
    traced(g.model(), [])


@pytest.mark.parametrize(("equation", "macs"), [("bsi,oi->bso", 2 * 5 * 4 * 6), ("bsi,oi->bo", 2 * 5 * 4 * 6)])
def test_work_is_the_product_of_all_letters(equation: str, macs: int) -> None:
    g = Graph()
    g.output(g.add("Einsum", g.input(2, 5, 4), g.weight(6, 4), equation=equation))
    total = 1
    for axis in traced(g.model(), []).work[0].axes:
        total *= size(axis) or 0
    assert total == macs
