"""Gemm and MatMul as matrix products; what is none is left alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import check_bias_change, check_equation, in_constant_nodes, model_of, only_layer

from onnxprune.linear import layers

SCALES = st.sampled_from([1.0, -0.5, 2.0])


def gemm(seed: int = 0, n: int = 4, c: tuple[int, ...] | None = None, **attributes: Any) -> Graph:
    """A [3, 5] times B [5, n], plus a C of a shape."""
    g = Graph(seed=seed)
    b = g.weight(*((n, 5) if attributes.get("transB") else (5, n)))
    g.add("Gemm", g.input(3, 5), b, *([] if c is None else [g.weight(*c)]), **attributes)
    return g


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 99), st.sampled_from([None, (4,), (1, 4)]), st.integers(0, 1), SCALES, SCALES)
def test_gemm(seed: int, c: tuple[int, ...] | None, trans_b: int, alpha: float, beta: float) -> None:
    layer = only_layer(gemm(seed, 4, c, transB=trans_b, alpha=alpha, beta=beta))
    check_equation(layer)
    if c is not None:
        check_bias_change(layer)


@pytest.mark.parametrize("c", [(), (1,), (1, 1)])
def test_one_number_is_a_bias_of_one_column_only(c: tuple[int, ...]) -> None:
    assert not list(layers(model_of(gemm(n=4, c=c))))
    if c:
        check_equation(only_layer(gemm(n=1, c=c)))


@pytest.mark.parametrize("c", [(3, 4), (3, 1)])
def test_numbers_that_differ_from_row_to_row_are_no_bias(c: tuple[int, ...]) -> None:
    assert not list(layers(model_of(gemm(c=c))))


def test_a_bias_that_counts_nothing_is_none() -> None:
    layer = only_layer(gemm(c=(3, 4), beta=0.0))
    assert layer.bias is None
    check_equation(layer)


def test_a_turned_activation_is_no_layer() -> None:
    g = Graph()
    g.add("Gemm", g.input(5, 3), g.weight(5, 4), transA=1)
    assert not list(layers(model_of(g)))


def test_a_product_of_activations_is_no_layer() -> None:
    g = Graph()
    g.add("MatMul", g.input(2, 3), g.input(3, 4))
    assert not list(layers(model_of(g)))
    g = Graph()
    g.add("Gemm", g.input(2, 3), g.input(3, 4))
    assert not list(layers(model_of(g)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 3), max_size=3), st.booleans(), st.integers(0, 99))
def test_matmul_with_the_weight_on_either_side(front: list[int], on_the_left: bool, seed: int) -> None:
    g = Graph(seed=seed)
    if on_the_left:
        shape = [*front[:-1], 5, *front[-1:]]
        g.add("MatMul", g.weight(4, 5), g.input(*shape))
    else:
        g.add("MatMul", g.input(*front, 5), g.weight(5, 4))
    layer = only_layer(g)
    assert (layer.x_slot, layer.w_slot, layer.bias) == ((1, 0, None) if on_the_left else (0, 1, None))
    check_equation(layer)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 4), (1, 5, 4)])
def test_vectors_and_stacks_of_matrices_are_no_weights_of_a_matmul(shape: tuple[int, ...]) -> None:
    g = Graph()
    g.add("MatMul", g.input(2, 3, 5), g.weight(*shape))
    assert not list(layers(model_of(g)))


def test_a_product_of_constants_is_no_layer() -> None:
    g = Graph()
    g.add("Mul", g.input(4), g.add("MatMul", g.weight(3, 5), g.weight(5, 4)))
    assert not list(layers(model_of(g)))


def test_weights_may_sit_in_constant_nodes() -> None:
    [layer] = layers(in_constant_nodes(model_of(gemm(c=(4,)))))
    check_equation(layer)
    check_bias_change(layer)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_numbers_keep_their_type(dtype: Any) -> None:
    layer = only_layer(gemm(c=(4,), alpha=0.5, beta=2.0))
    x, bias = np.ones((3, 5), dtype), np.ones(4, dtype)
    changed = layer.biased(bias, np.ones((1, 4)))
    assert {layer.inputs(x, np.arange(3)).dtype, layer.biases(bias).dtype, changed.dtype} == {np.dtype(dtype)}
