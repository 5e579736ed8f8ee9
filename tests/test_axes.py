"""The axis algebra: one test for each case of the design's table, the rules one by one, then properties.

The table's tests speak of operators but use `Axes` alone: what an operator's rule has to say is said here by hand.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import Recipe, World, histories, pairs, random_masks, recipes, seeds, vanishing

from onnxprune.axes import (
    ONE,
    Axes,
    Dim,
    Expr,
    Fixed,
    Product,
    Sum,
    concat,
    count,
    free_dims,
    keep,
    places,
    product,
    reasons,
    show,
    size,
    spread,
)

PAIR = Fixed(2, "the size of a pair")
SYMBOLIC = Fixed(None, "known only at run time", "N")


@pytest.fixture
def axes() -> Axes:
    return Axes()


def same(axes: Axes, *exprs: Expr) -> bool:
    """Whether all of `exprs` are known to be the same axis."""
    first, *others = (axes.resolve(expr) for expr in exprs)
    return all(other == first for other in others)


def frozen(axes: Axes, *exprs: Expr) -> bool:
    return not any(free_dims(axes.resolve(expr)) for expr in exprs)


def only_dim(axes: Axes, expr: Expr) -> Dim:
    """The one dim of an axis that has only one."""
    (dim,) = free_dims(axes.resolve(expr))
    return dim


def gone(axes: Axes, expr: Expr, **removed: tuple[Expr, int]) -> list[int]:
    """The positions of `expr` that vanish with the `removed` (dim, unit); the names are for the reader."""
    masks = {}
    for dim, unit in removed.values():
        free = axes.resolve(dim)
        assert isinstance(free, Dim)
        masks[free] = np.arange(free.size) != unit
    return np.flatnonzero(~keep(axes.resolve(expr), masks)).tolist()


# --- The table --------------------------------------------------------------------------------------------------------


def test_residual_add_ties_both_branches_unit_by_unit(axes: Axes) -> None:
    left, right = axes.dim(8), axes.dim(8)
    assert axes.unify(left, right, "Add")
    assert gone(axes, left, channel=(right, 5)) == gone(axes, right, channel=(right, 5)) == [5]


def test_a_chain_of_residual_adds_is_one_dim_whatever_their_order(axes: Axes) -> None:
    dims = [axes.dim(8) for _ in range(6)]
    for i, j in [(4, 5), (0, 1), (2, 3), (1, 4), (3, 0)]:
        assert axes.unify(dims[i], dims[j], "Add")
    assert same(axes, *dims)


def test_the_consumer_of_a_concat_sees_the_producers_laid_end_to_end(axes: Axes) -> None:
    a, b, consumer = axes.dim(4), axes.dim(6), axes.dim(10)
    assert axes.unify(consumer, concat(a, b), "Concat")
    assert gone(axes, consumer, a=(a, 1), b=(b, 2)) == [1, 4 + 2]


def test_a_split_at_the_boundary_of_a_concat_gives_back_its_inputs(axes: Axes) -> None:
    a, b, head, tail = axes.dim(4), axes.dim(6), axes.dim(4), axes.dim(6)
    assert axes.unify(concat(a, b), concat(head, tail), "Split")
    assert same(axes, a, head)
    assert same(axes, b, tail)
    assert len(free_dims(axes.resolve(concat(a, b, head, tail)))) == 2


def test_a_split_beside_the_boundary_of_a_concat_splits_the_longer_terms(axes: Axes) -> None:
    a, b, head, tail = axes.dim(4), axes.dim(6), axes.dim(7), axes.dim(3)
    assert axes.unify(concat(a, b), concat(head, tail), "Split")
    _, b_head, b_tail = free_dims(axes.resolve(concat(a, b)))
    assert axes.resolve(b) == concat(b_head, b_tail)
    assert axes.resolve(head) == concat(a, b_head)
    assert axes.resolve(tail) == b_tail
    assert [part.size for part in (b_head, b_tail)] == [3, 3]


def test_a_slice_splits_the_axis_that_it_is_cut_from(axes: Axes) -> None:
    whole, before, taken, after = axes.dim(10), axes.dim(3), axes.dim(5), axes.dim(2)
    assert axes.unify(whole, concat(before, taken, after), "Slice")
    assert gone(axes, whole, unit=(taken, 4)) == [7]


def test_dense_blocks_with_several_concats_keep_every_producer_separate(axes: Axes) -> None:
    stem, first, second = axes.dim(16), axes.dim(8), axes.dim(8)
    consumers = [axes.dim(24), axes.dim(32)]
    assert axes.unify(consumers[0], concat(stem, first), "Concat_1")
    assert axes.unify(consumers[1], concat(concat(stem, first), second), "Concat_2")
    assert gone(axes, consumers[0], unit=(first, 0)) == gone(axes, consumers[1], unit=(first, 0)) == [16]
    assert free_dims(axes.resolve(consumers[1])) == [stem, first, second]


def test_adding_two_different_concats_ties_the_overlapping_parts(axes: Axes) -> None:
    x, y = concat(axes.dim(2), axes.dim(6)), concat(axes.dim(4), axes.dim(4))
    assert axes.unify(x, y, "Add")
    assert same(axes, x, y)
    assert [dim.size for dim in free_dims(axes.resolve(x))] == [2, 2, 4]


def test_concat_of_the_same_tensor_twice_loses_both_copies_of_a_unit(axes: Axes) -> None:
    x, consumer = axes.dim(4), axes.dim(8)
    assert axes.unify(consumer, concat(x, x), "Concat")
    assert gone(axes, consumer, unit=(x, 1)) == [1, 5]


def test_splitting_a_doubled_axis_off_its_boundary_ties_the_units_in_a_ring(axes: Axes) -> None:
    x, head, tail = axes.dim(4), axes.dim(2), axes.dim(6)
    assert axes.unify(concat(x, x), concat(head, tail), "Split")
    assert axes.unify(tail, concat(head, head, head), "Add")
    assert axes.resolve(x) == concat(head, head)


def test_flatten_then_gemm_removes_the_whole_plane_of_a_channel(axes: Axes) -> None:
    channels, features = axes.dim(8), axes.dim(8 * 49)
    assert axes.unify(features, product(channels, Fixed(49, "spatial")), "Flatten")
    assert gone(axes, features, channel=(channels, 3)) == list(range(3 * 49, 4 * 49))
    assert count(axes.resolve(features), {only_dim(axes, channels): 5}) == 5 * 49
    assert reasons(axes.resolve(features)) == ["spatial"]


def test_flatten_of_channels_last_removes_every_nth_feature(axes: Axes) -> None:
    channels, features = axes.dim(8), axes.dim(8 * 4)
    assert axes.unify(features, product(Fixed(4, "spatial"), channels), "Flatten")
    assert gone(axes, features, channel=(channels, 3)) == [3, 11, 19, 27]


def test_grouped_conv_loses_a_whole_group_on_both_sides(axes: Axes) -> None:
    x, y, groups = axes.dim(12), axes.dim(6), axes.dim(3)
    assert axes.unify(x, product(groups, axes.dim(4)), "Conv")
    assert axes.unify(y, product(groups, axes.dim(2)), "Conv")
    assert gone(axes, x, group=(groups, 1)) == [4, 5, 6, 7]
    assert gone(axes, y, group=(groups, 1)) == [2, 3]


def test_grouped_conv_loses_the_same_channel_of_every_group_on_one_side_only(axes: Axes) -> None:
    x, y, groups, inner = axes.dim(12), axes.dim(6), axes.dim(3), axes.dim(4)
    assert axes.unify(x, product(groups, inner), "Conv")
    assert axes.unify(y, product(groups, axes.dim(2)), "Conv")
    assert gone(axes, x, channel=(inner, 3)) == [3, 7, 11]
    assert gone(axes, y, channel=(inner, 3)) == []


def test_two_grouped_convs_of_different_group_counts_share_the_coarser_groups(axes: Axes) -> None:
    x = axes.dim(24)
    four, two = axes.dim(4), axes.dim(2)
    assert axes.unify(x, product(four, axes.dim(6)), "Conv_1")
    assert axes.unify(x, product(two, axes.dim(12)), "Conv_2")
    assert axes.resolve(four) == product(two, free_dims(axes.resolve(four))[1])
    assert gone(axes, x, group=(two, 1)) == list(range(12, 24))


def test_grouped_convs_whose_groups_do_not_line_up_freeze(axes: Axes) -> None:
    x = axes.dim(12)
    assert axes.unify(x, product(axes.dim(4), axes.dim(3)), "Conv_1")
    assert not axes.unify(x, product(axes.dim(6), axes.dim(2)), "Conv_2")
    assert frozen(axes, x)


def test_depthwise_conv_ties_input_and_output_channels_one_to_one(axes: Axes) -> None:
    x, y, groups = axes.dim(8), axes.dim(8), axes.dim(8)
    assert axes.unify(x, product(groups, axes.dim(1)), "Conv")
    assert axes.unify(y, product(groups, axes.dim(1)), "Conv")
    assert same(axes, x, y, groups)
    assert gone(axes, y, channel=(x, 2)) == [2]


def test_depthwise_conv_with_a_multiplier_loses_a_block_of_outputs_per_input(axes: Axes) -> None:
    x, y, groups, multiplier = axes.dim(4), axes.dim(12), axes.dim(4), axes.dim(3)
    assert axes.unify(x, product(groups, axes.dim(1)), "Conv")
    assert axes.unify(y, product(groups, multiplier), "Conv")
    assert gone(axes, y, channel=(x, 2)) == [6, 7, 8]
    assert gone(axes, x, output=(multiplier, 0)) == []


def shuffle(axes: Axes, first: Expr, second: Expr, node: str) -> tuple[Expr, Expr]:
    """ShuffleNet: Concat, Reshape to [2, n], Transpose to [n, 2], Reshape, Split in halves; returns the halves."""
    n = axes.dim(size(first) or 0)
    assert axes.unify(concat(first, second), product(axes.dim(2), n), f"{node} Reshape")
    halves = axes.dim(n.size), axes.dim(n.size)
    assert axes.unify(product(n, PAIR), concat(*halves), f"{node} Split")
    return halves


def test_channel_shuffle_ties_the_two_branches_unit_by_unit(axes: Axes) -> None:
    c1, c2, n = axes.dim(8), axes.dim(8), axes.dim(8)
    pair = axes.dim(2)
    assert axes.unify(concat(c1, c2), product(pair, n), "Reshape")
    assert same(axes, c1, c2, n)
    assert frozen(axes, pair)  # at one, a whole branch would be empty
    assert gone(axes, product(n, pair), channel=(c1, 3)) == [6, 7]


def test_the_halves_of_an_interleaved_shuffle_split_the_channels_into_outer_and_inner(axes: Axes) -> None:
    c1, c2 = axes.dim(8), axes.dim(8)
    h1, h2 = shuffle(axes, c1, c2, "stage 1")
    low, high = free_dims(axes.resolve(c1))
    assert axes.resolve(c1) == axes.resolve(c2) == concat(low, high)
    assert axes.resolve(h1) == product(low, PAIR)
    assert axes.resolve(h2) == product(high, PAIR)
    assert gone(axes, h2, channel=(high, 1)) == [2, 3]


def test_a_second_shuffle_ties_the_halves_of_the_first(axes: Axes) -> None:
    c1, c2 = axes.dim(8), axes.dim(8)
    h1, h2 = shuffle(axes, c1, c2, "stage 1")
    conv = axes.dim(8)
    assert axes.unify(h2, conv, "depthwise Conv")
    shuffle(axes, h1, conv, "stage 2")
    assert same(axes, h1, h2, conv)
    low, high = free_dims(axes.resolve(h1))
    assert axes.resolve(c1) == concat(low, high, low, high)
    assert gone(axes, c1, channel=(low, 0)) == [0, 4]
    assert gone(axes, h1, channel=(low, 0)) == [0, 1]


def test_halving_an_odd_shuffle_freezes_because_a_pair_is_cut(axes: Axes) -> None:
    n, h1, h2 = axes.dim(5), axes.dim(5), axes.dim(5)
    assert not axes.unify(product(n, PAIR), concat(h1, h2), "Split")
    assert frozen(axes, n, h1, h2)


def attention(axes: Axes, heads: Expr, q: Expr, k: Expr, v: Expr) -> tuple[Expr, Expr, Expr]:
    """Q K^T, then weights times V: returns the heads, the query-key width and the value width."""
    shared, qk_width, v_width = (axes.dim(n) for n in (4, 6, 5))
    assert axes.unify(heads, shared, "Reshape")
    assert axes.unify(q, product(shared, qk_width), "Reshape q")
    assert axes.unify(k, product(shared, qk_width), "Reshape k")
    assert axes.unify(v, product(shared, v_width), "Reshape v")
    return shared, qk_width, v_width


def test_attention_has_heads_query_key_width_and_value_width_as_three_dims(axes: Axes) -> None:
    q, k, v, out = axes.dim(24), axes.dim(24), axes.dim(20), axes.dim(20)
    heads, qk, width = attention(axes, axes.dim(4), q, k, v)
    assert axes.unify(out, product(heads, width), "output projection")
    assert free_dims(axes.resolve(concat(q, k, v, out))) == free_dims(axes.resolve(concat(heads, qk, width)))
    assert gone(axes, q, head=(heads, 1)) == gone(axes, k, head=(heads, 1)) == list(range(6, 12))
    assert gone(axes, out, head=(heads, 1)) == list(range(5, 10))
    assert gone(axes, q, width=(qk, 0)) == [0, 6, 12, 18]
    assert gone(axes, v, width=(qk, 0)) == []
    assert gone(axes, out, width=(width, 4)) == [4, 9, 14, 19]


def test_fused_attention_split_in_three_gives_the_same_dims_as_separate_projections(axes: Axes) -> None:
    fused, q, k, v = axes.dim(68), axes.dim(24), axes.dim(24), axes.dim(20)
    assert axes.unify(fused, concat(q, k, v), "Split")
    heads, qk, width = attention(axes, axes.dim(4), q, k, v)
    assert gone(axes, fused, head=(heads, 0)) == [*range(6), *range(24, 30), *range(48, 53)]
    assert gone(axes, fused, width=(qk, 0)) == [0, 6, 12, 18, 24, 30, 36, 42]
    assert gone(axes, fused, width=(width, 0)) == [48, 53, 58, 63]


def test_fused_attention_reshaped_to_three_heads_width_ties_the_three_widths(axes: Axes) -> None:
    fused, heads, width = axes.dim(72), axes.dim(4), axes.dim(6)
    q, k, v = axes.dim(24), axes.dim(24), axes.dim(24)
    assert axes.unify(fused, product(Fixed(3, "q, k, v"), heads, width), "Reshape")
    assert axes.unify(fused, concat(q, k, v), "Split")
    assert same(axes, q, k, v, product(heads, width))
    assert gone(axes, fused, head=(heads, 3)) == [*range(18, 24), *range(42, 48), *range(66, 72)]


def test_rope_rotate_half_removes_both_halves_of_a_rotation_in_every_head(axes: Axes) -> None:
    q, heads, width = axes.dim(24), axes.dim(3), axes.dim(8)
    assert axes.unify(q, product(heads, width), "Reshape")
    first, second = axes.dim(4), axes.dim(4)
    assert axes.unify(width, concat(first, second), "Split")
    assert axes.unify(width, concat(second, first), "Add")  # x * cos + rotate_half(x) * sin
    assert axes.resolve(q) == product(heads, concat(first, first))
    assert gone(axes, q, rotation=(second, 1)) == [1, 5, 9, 13, 17, 21]


def test_grouped_query_attention_loses_a_key_value_head_with_all_its_query_heads(axes: Axes) -> None:
    q, k, groups, repeats, width = (axes.dim(n) for n in (48, 16, 2, 3, 8))
    query_heads = axes.dim(6)
    assert axes.unify(q, product(query_heads, width), "Reshape q")
    assert axes.unify(k, product(groups, width), "Reshape k")
    assert axes.unify(query_heads, product(groups, repeats), "Expand")
    assert axes.resolve(q) == product(groups, repeats, width)
    assert gone(axes, q, group=(groups, 1)) == list(range(24, 48))
    assert gone(axes, k, group=(groups, 1)) == list(range(8, 16))
    assert gone(axes, q, repeat=(repeats, 0)) == [*range(8), *range(24, 32)]
    assert gone(axes, k, repeat=(repeats, 0)) == []


def test_multi_query_attention_has_only_repeats(axes: Axes) -> None:
    query_heads, repeats = axes.dim(6), axes.dim(6)
    assert axes.unify(query_heads, product(axes.dim(1), repeats), "Expand")
    assert same(axes, query_heads, repeats)


@pytest.mark.parametrize(("mode", "removed"), [("DCR", [1, 4, 7, 10]), ("CRD", [4, 5, 6, 7])])
def test_pixel_shuffle_loses_every_subpixel_of_a_channel(axes: Axes, mode: str, removed: list[int]) -> None:
    x, channels, pixels = axes.dim(12), axes.dim(3), Fixed(4, "sub-pixels")
    factors = (pixels, channels) if mode == "DCR" else (channels, pixels)
    assert axes.unify(x, product(*factors), "DepthToSpace")
    assert gone(axes, x, channel=(channels, 1)) == removed
    assert free_dims(axes.resolve(x)) == [channels]


def test_lstm_loses_a_hidden_unit_in_every_gate_and_state(axes: Axes) -> None:
    hidden, gates = axes.dim(5), Fixed(4, "gates")
    w_rows, r_rows, r_columns, bias, state = (axes.dim(n) for n in (20, 20, 5, 40, 5))
    assert axes.unify(w_rows, product(gates, hidden), "LSTM W")
    assert axes.unify(r_rows, product(gates, hidden), "LSTM R")
    assert axes.unify(r_columns, hidden, "LSTM R")
    assert axes.unify(bias, concat(product(gates, hidden), product(gates, hidden)), "LSTM B")
    assert axes.unify(state, hidden, "LSTM initial_h")
    assert gone(axes, w_rows, unit=(hidden, 2)) == gone(axes, r_rows, unit=(state, 2)) == [2, 7, 12, 17]
    assert gone(axes, r_columns, unit=(hidden, 2)) == [2]
    assert gone(axes, bias, unit=(hidden, 2)) == [2, 7, 12, 17, 22, 27, 32, 37]


def test_lstm_directions_laid_end_to_end_share_their_units(axes: Axes) -> None:
    hidden, features = axes.dim(5), axes.dim(10)
    assert axes.unify(features, product(Fixed(2, "directions"), hidden), "Reshape")
    forward, backward = axes.dim(5), axes.dim(5)
    assert axes.unify(features, concat(forward, backward), "Split")
    assert same(axes, forward, backward, hidden)


def test_per_channel_quantization_shares_the_axis_of_the_weight(axes: Axes) -> None:
    weight, scale, zero_point, consumer = (axes.dim(8) for _ in range(4))
    assert axes.unify(scale, weight, "DequantizeLinear")
    assert axes.unify(zero_point, weight, "DequantizeLinear")
    assert axes.unify(weight, consumer, "Conv")
    for axis in (weight, scale, zero_point):
        assert gone(axes, axis, channel=(consumer, 6)) == [6]


def test_blocked_quantization_has_one_scale_for_a_block(axes: Axes) -> None:
    weight, scale = axes.dim(32), axes.dim(4)
    assert axes.unify(weight, product(scale, Fixed(8, "quantization block")), "DequantizeLinear")
    assert gone(axes, weight, block=(scale, 1)) == list(range(8, 16))
    assert gone(axes, scale, block=(scale, 1)) == [1]


def test_einsum_letters_are_axes(axes: Axes) -> None:
    operands = {"bij": [axes.dim(n) for n in (2, 3, 4)], "bjk": [axes.dim(n) for n in (2, 4, 5)]}
    result = [axes.dim(n) for n in (2, 3, 5)]
    letters: dict[str, Expr] = {}
    for term, operand in [*operands.items(), ("bik", result)]:
        for letter, axis in zip(term, operand, strict=True):
            assert axes.unify(axis, letters.setdefault(letter, axis), "Einsum")
    left, right = operands.values()
    assert same(axes, left[0], right[0], result[0])
    assert same(axes, left[2], right[1])
    assert same(axes, left[1], result[1])
    assert same(axes, right[2], result[2])
    assert len(free_dims(axes.resolve(concat(*left, *right, *result)))) == 4


def test_an_einsum_letter_of_two_sizes_freezes(axes: Axes) -> None:
    left, right = axes.dim(4), axes.dim(5)
    assert not axes.unify(left, right, "Einsum")
    assert frozen(axes, left, right)


def test_padded_channels_stay_and_the_rest_follows_the_residual(axes: Axes) -> None:
    x, y, zeros = axes.dim(4), axes.dim(8), Fixed(2, "padding")
    assert axes.unify(y, concat(zeros, x, zeros), "Pad")
    assert gone(axes, y, channel=(x, 0)) == [2]
    assert reasons(axes.resolve(y)) == ["padding"]


def test_a_square_of_one_dim_loses_a_row_and_a_column(axes: Axes) -> None:
    x, flat = axes.dim(3), axes.dim(9)
    assert axes.unify(flat, product(x, x), "Reshape")
    assert gone(axes, flat, unit=(x, 1)) == [1, 3, 4, 5, 7]
    assert count(axes.resolve(flat), {only_dim(axes, flat): 2}) == 4


# --- Normal form ------------------------------------------------------------------------------------------------------


def test_factors_of_size_one_vanish(axes: Axes) -> None:
    d, e = axes.dim(3), axes.dim(4)
    assert product(axes.dim(1), d, Fixed(1, "broadcast")) == d
    assert product(d, ONE, e) == Product((d, e))
    assert size(product(ONE, ONE)) == size(product()) == 1
    assert axes.resolve(Product((d, Fixed(1), e))) == Product((d, e))


def test_a_factor_that_turns_out_to_be_fixed_merges_with_its_neighbour(axes: Axes) -> None:
    d, e = axes.dim(3), axes.dim(4)
    grid = product(d, Fixed(5, "plane"), e)
    axes.freeze(e, "softmax")
    assert axes.resolve(grid) == Product((d, Fixed(20)))


def test_nested_products_and_sums_are_flat(axes: Axes) -> None:
    a, b, c = (axes.dim(n) for n in (2, 3, 4))
    assert product(product(a, b), c) == product(a, product(b, c)) == Product((a, b, c))
    assert concat(concat(a, b), c) == concat(a, concat(b, c)) == Sum((a, b, c))


def test_a_bound_factor_or_term_is_flattened_when_resolved(axes: Axes) -> None:
    a, b, c, d = (axes.dim(n) for n in (2, 3, 6, 5))
    grid, line = product(c, d), concat(c, d)
    axes.unify(c, product(a, b), "Reshape")
    assert axes.resolve(grid) == Product((a, b, d))
    axes.unify(d, concat(axes.dim(2), axes.dim(3)), "Split")
    assert len(axes.resolve(line).terms) == 3


def test_empty_terms_vanish(axes: Axes) -> None:
    d = axes.dim(3)
    assert concat(Fixed(0), d, axes.dim(0)) == d
    assert size(concat()) == size(concat(Fixed(0), Fixed(0))) == 0
    assert axes.unify(d, concat(Fixed(0), axes.dim(3)), "Concat")


@pytest.mark.parametrize("other", [Dim(1, 3), Fixed(3), SYMBOLIC])
def test_a_product_with_an_empty_factor_is_empty(other: Expr) -> None:
    assert size(product(other, Fixed(0))) == size(product(Fixed(0), other)) == 0


def test_an_axis_of_one_or_no_positions_is_fixed(axes: Axes) -> None:
    assert axes.dim(1) == Fixed(1)
    assert axes.dim(0) == Fixed(0)
    assert isinstance(axes.dim(2), Dim)


def test_dims_are_the_same_only_if_unified(axes: Axes) -> None:
    d, e = axes.dim(4), axes.dim(4)
    assert not same(axes, d, e)
    axes.unify(d, e, "Add")
    assert same(axes, d, e)


# --- Failed unification -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [False, True])
def test_a_failed_unification_leaves_nothing_half_bound(axes: Axes, swap: bool) -> None:
    """The first terms fit and the second ones do not: the first ones are not tied either, and all are frozen."""
    x, y = axes.dim(4), axes.dim(4)
    outside = axes.dim(9)
    sides = concat(x, product(axes.dim(2), axes.dim(3))), concat(y, product(axes.dim(3), axes.dim(2)))
    assert not axes.unify(*(reversed(sides) if swap else sides), "Add_7")
    assert axes.resolve(x) == axes.resolve(y) == Fixed(4)
    assert all(axes.resolve(side) == Fixed(10) for side in sides)
    assert axes.resolve(outside) == outside


def test_a_failed_unification_takes_back_what_it_froze_on_the_way(axes: Axes) -> None:
    """x meets a constant before the sides turn out not to fit: it is frozen by the failure, not by the constant."""
    x = axes.dim(4)
    first = concat(x, product(axes.dim(2), axes.dim(3)))
    second = concat(Fixed(4, "constant"), product(axes.dim(3), axes.dim(2)))
    assert not axes.unify(first, second, "Add_7")
    (reason,) = reasons(axes.resolve(x))
    assert reason.startswith("Add_7: ")


def test_a_failed_unification_names_the_place_and_the_reason_on_both_sides(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(5)
    assert not axes.unify(x, y, "Add_7")
    for side in (x, y):
        (reason,) = reasons(axes.resolve(side))
        assert reason.startswith("Add_7: ")
        assert "4" in reason
        assert "5" in reason


def test_a_failed_unification_keeps_what_was_concluded_before(axes: Axes) -> None:
    x, a, b = axes.dim(6), axes.dim(2), axes.dim(3)
    assert axes.unify(x, product(a, b), "Reshape_1")
    axes.freeze(b, "an earlier reason")
    assert not axes.unify(x, axes.dim(7), "Add_2")
    assert axes.resolve(b) == Fixed(3)
    assert reasons(axes.resolve(b)) == ["an earlier reason"]
    assert reasons(axes.resolve(a))[0].startswith("Add_2: ")


def test_a_failed_unification_freezes_what_shares_a_dim_with_it(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.unify(x, y, "Add_1")
    axes.unify(x, axes.dim(3), "Add_2")
    assert frozen(axes, y)


def test_axes_of_different_sizes_never_unify_not_even_one_by_broadcasting(axes: Axes) -> None:
    x = axes.dim(4)
    assert not axes.unify(axes.dim(1), x, "Mul")
    assert frozen(axes, x)


def test_an_axis_that_would_contain_itself_freezes(axes: Axes) -> None:
    x = axes.dim(4)
    assert not axes.unify(x, concat(x, SYMBOLIC), "Concat")
    assert axes.resolve(x) == Fixed(4)


def test_a_boundary_inside_a_unit_freezes(axes: Axes) -> None:
    grid, line = product(axes.dim(2), axes.dim(3)), concat(axes.dim(2), axes.dim(4))
    assert not axes.unify(grid, line, "Split")
    assert frozen(axes, grid, line)


# --- Freezing and its reasons -----------------------------------------------------------------------------------------


def test_freezing_one_of_two_tied_axes_freezes_both_for_the_same_reason(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.unify(x, y, "Add")
    axes.freeze(x, "graph output")
    assert reasons(axes.resolve(y)) == ["graph output"]


def test_a_frozen_axis_freezes_what_is_tied_to_it_later(axes: Axes) -> None:
    x, a, b = axes.dim(6), axes.dim(2), axes.dim(3)
    axes.freeze(x, "graph input")
    assert axes.unify(product(a, b), x, "Reshape")
    assert reasons(axes.resolve(a)) == reasons(axes.resolve(b)) == ["graph input"]


def test_freezing_one_term_leaves_the_others_free(axes: Axes) -> None:
    a, b, consumer = axes.dim(4), axes.dim(6), axes.dim(10)
    axes.unify(consumer, concat(a, b), "Concat")
    axes.freeze(a, "softmax")
    assert axes.resolve(consumer) == concat(Fixed(4), b)
    assert reasons(axes.resolve(consumer)) == ["softmax"]


def test_a_fixed_term_freezes_only_the_part_that_it_meets(axes: Axes) -> None:
    x, y = axes.dim(10), axes.dim(6)
    assert axes.unify(x, concat(Fixed(4, "constant"), y), "Concat")
    assert axes.unify(x, concat(axes.dim(2), axes.dim(8)), "Split")
    assert axes.resolve(x) == concat(Fixed(4), y)


def test_freezing_twice_keeps_the_first_reason(axes: Axes) -> None:
    x = axes.dim(4)
    axes.freeze(x, "first")
    axes.freeze(x, "second")
    assert reasons(axes.resolve(x)) == ["first"]


def test_two_frozen_axes_unify_and_each_keeps_its_reason(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.freeze(x, "softmax")
    axes.freeze(y, "graph output")
    assert axes.unify(x, y, "Add")
    assert reasons(axes.resolve(x)) == ["softmax"]
    assert reasons(axes.resolve(y)) == ["graph output"]


def test_reasons_lists_each_reason_once_and_none_for_single_positions() -> None:
    d = Dim(1, 3)
    expr = concat(Fixed(2, "padding"), d, ONE, product(d, Fixed(2, "padding")), d, Fixed(5, "graph output"))
    assert reasons(expr) == ["padding", "graph output"]
    assert reasons(d) == []


def test_merging_fixed_neighbours_never_gives_a_single_position_as_the_reason_for_more(axes: Axes) -> None:
    assert reasons(concat(ONE, Fixed(3, "padding"))) == ["padding"]
    pair = axes.dim(2)
    assert axes.unify(concat(axes.dim(4), axes.dim(4)), product(pair, axes.dim(4)), "Reshape")
    assert ONE.reason not in reasons(axes.resolve(pair))


def test_show_writes_sizes_with_a_mark_on_fixed_parts() -> None:
    d, e = Dim(1, 32), Dim(2, 12)
    assert show(d) == "32"
    assert show(Fixed(7, "reason")) == "7!"
    assert show(SYMBOLIC) == "N!"
    assert show(Fixed(None)) == "?!"
    assert show(product(e, Fixed(4), d)) == "12*4!*32"
    assert show(concat(d, Fixed(3), product(e, d))) == "32+3!+12*32"
    assert show(product(e, concat(d, d))) == "12*(32+32)"


def test_messages_show_both_sides(axes: Axes) -> None:
    x = product(axes.dim(2), axes.dim(3))
    axes.unify(x, product(axes.dim(3), axes.dim(2)), "Add_7")
    assert "2*3" in reasons(axes.resolve(x))[0]
    assert "3*2" in reasons(axes.resolve(x))[0]


# --- The least that stays ---------------------------------------------------------------------------------------------


def test_a_dim_keeps_one_unit_and_two_where_one_would_change_meaning(axes: Axes) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.keep_plural(x)
    assert axes.minimum(only_dim(axes, x)) == 2
    assert axes.minimum(only_dim(axes, y)) == 1


@pytest.mark.parametrize("plural_first", [False, True])
def test_what_is_tied_to_a_plural_dim_is_plural(axes: Axes, plural_first: bool) -> None:
    x, y = axes.dim(4), axes.dim(4)
    axes.keep_plural(x if plural_first else y)
    axes.unify(x, y, "Add")
    assert axes.minimum(only_dim(axes, x)) == 2


def least(axes: Axes, expr: Expr) -> int:
    """The number of positions when every dim is at its minimum."""
    resolved = axes.resolve(expr)
    return count(resolved, {dim: axes.minimum(dim) for dim in free_dims(resolved)})


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_plural_axis_that_is_split_keeps_two_positions_and_no_more(axes: Axes, when: str) -> None:
    forms = [
        product(axes.dim(2), axes.dim(6)),
        product(axes.dim(3), PAIR, axes.dim(2)),
        product(concat(axes.dim(2), axes.dim(2)), axes.dim(3)),
        product(axes.dim(3), concat(axes.dim(2), axes.dim(2))),
        concat(axes.dim(5), axes.dim(7)),
    ]
    for form in forms:
        x = axes.dim(12)
        if when == "before":
            axes.keep_plural(x)
        assert axes.unify(x, form, "Reshape")
        if when == "after":
            axes.keep_plural(x)
        assert least(axes, x) == 2, show(form)


def test_a_plural_axis_that_is_later_split_again_still_keeps_two(axes: Axes) -> None:
    x, outer = axes.dim(24), axes.dim(12)
    axes.keep_plural(x)
    axes.unify(x, product(outer, axes.dim(2)), "Reshape_1")
    axes.unify(outer, product(axes.dim(3), axes.dim(4)), "Reshape_2")
    assert least(axes, x) == 2


def test_a_symbolic_factor_may_be_one_so_it_does_not_make_an_axis_plural(axes: Axes) -> None:
    d = axes.dim(4)
    axes.keep_plural(product(SYMBOLIC, d))
    assert axes.minimum(only_dim(axes, d)) == 2


# --- Symbolic sizes ---------------------------------------------------------------------------------------------------


def test_a_symbolic_axis_freezes_what_it_meets(axes: Axes) -> None:
    x, grid = axes.dim(4), product(axes.dim(2), axes.dim(3))
    assert axes.unify(x, SYMBOLIC, "Add_1")
    assert axes.unify(SYMBOLIC, grid, "Add_2")
    assert axes.resolve(x) == Fixed(4)
    assert reasons(axes.resolve(x)) == reasons(axes.resolve(grid)) == ["known only at run time"]
    assert frozen(axes, grid)


@pytest.mark.parametrize("form", [product, concat])
@pytest.mark.parametrize("swap", [False, True])
def test_a_partly_symbolic_axis_takes_no_size_away_from_what_it_meets(axes: Axes, form: type, swap: bool) -> None:
    """A dim of 8 against N*4 or N+4 stays an axis of 8 positions that can be masked and counted."""
    x, y = axes.dim(8), axes.dim(4)
    sides = (x, form(SYMBOLIC, y))
    axes.unify(*(reversed(sides) if swap else sides), "Reshape")
    assert size(axes.resolve(x)) == 8
    assert keep(axes.resolve(x), {}).shape == (8,)


def test_products_tie_the_inner_factors_up_to_a_symbolic_one(axes: Axes) -> None:
    heads, width, flat = axes.dim(4), axes.dim(8), axes.dim(32)
    outer = axes.dim(5)
    assert axes.unify(product(SYMBOLIC, heads, width), product(outer, flat), "Reshape")
    assert axes.resolve(flat) == product(heads, width)
    assert not frozen(axes, flat)
    assert axes.resolve(outer) == Fixed(5)


def test_the_same_symbolic_factor_on_both_sides_lines_up(axes: Axes) -> None:
    x, y, inner, other = (axes.dim(n) for n in (3, 3, 4, 4))
    assert axes.unify(product(x, SYMBOLIC, inner), product(y, SYMBOLIC, other), "Add")
    assert same(axes, x, y) and same(axes, inner, other)
    assert not frozen(axes, x)


def test_what_lies_outside_different_symbolic_factors_freezes(axes: Axes) -> None:
    x, y, inner, other = (axes.dim(n) for n in (2, 3, 4, 4))
    another = Fixed(None, "known only at run time", "M")
    assert axes.unify(product(x, SYMBOLIC, inner), product(y, another, other), "Add")
    assert frozen(axes, x, y)
    assert same(axes, inner, other)
    assert not frozen(axes, inner)


def test_a_boundary_at_a_symbolic_place_freezes(axes: Axes) -> None:
    x, y = axes.dim(3), axes.dim(4)
    assert not axes.unify(concat(x, SYMBOLIC), concat(SYMBOLIC, y), "Add")
    assert frozen(axes, x, y)


def test_the_same_symbolic_axis_is_itself(axes: Axes) -> None:
    x = axes.dim(4)
    assert axes.unify(product(SYMBOLIC, x), product(SYMBOLIC, x), "Add")
    assert not frozen(axes, x)


def test_a_symbolic_axis_has_no_size_and_no_mask() -> None:
    assert size(product(Dim(1, 4), SYMBOLIC)) is None
    assert size(concat(Dim(1, 4), SYMBOLIC)) is None
    with pytest.raises(ValueError, match="symbolic"):
        keep(concat(Dim(1, 4), SYMBOLIC), {})
    with pytest.raises(ValueError, match="symbolic"):
        count(concat(Dim(1, 4), SYMBOLIC), {})
    with pytest.raises(ValueError, match="symbolic"):
        places(concat(Dim(1, 4), SYMBOLIC), {})


# --- keep, places, count, spread --------------------------------------------------------------------------------------


def test_keep_is_row_major_and_laid_end_to_end() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    masks = {d: np.array([True, False]), e: np.array([True, False, True])}
    assert keep(product(d, e), masks).tolist() == [True, False, True, False, False, False]
    assert keep(concat(e, d), masks).tolist() == [True, False, True, True, False]
    assert keep(product(d, Fixed(2), e), masks).tolist() == [True, False, True] * 2 + [False] * 6


def test_places_are_row_major_and_laid_end_to_end() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    orders = {d: np.array([1, 0]), e: np.array([2, 0])}
    assert places(product(d, e), orders).tolist() == [5, 3, 2, 0]
    assert places(concat(e, Fixed(2), d), orders).tolist() == [2, 0, 3, 4, 6, 5]
    assert places(product(d, Fixed(2)), {}).tolist() == [0, 1, 2, 3]


def test_a_dim_without_a_mask_stays_whole() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    assert keep(product(d, e), {d: np.array([True, False])}).tolist() == [True] * 3 + [False] * 3
    assert count(product(d, e), {}) == 6


def test_spread_adds_up_over_the_other_factors_and_over_repeated_terms() -> None:
    d, e = Dim(1, 2), Dim(2, 3)
    grid = spread(product(d, e), np.arange(6.0))
    assert grid[d].tolist() == [0 + 1 + 2, 3 + 4 + 5]
    assert grid[e].tolist() == [0 + 3, 1 + 4, 2 + 5]
    line = spread(concat(d, Fixed(1), d), np.arange(5.0))
    assert line[d].tolist() == [0 + 3, 1 + 4]


# --- Properties -------------------------------------------------------------------------------------------------------

tried = settings(max_examples=200, deadline=5000, suppress_health_check=[HealthCheck.too_slow])


def dim_sizes(world: World) -> dict[tuple[int, str], int | None]:
    return {key: size(expr) for key, expr in world.resolved().items()}


@tried
@given(histories(symbolic=True, most=8))
def test_random_unifications_never_raise_and_sizes_never_drift(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    assert dim_sizes(world) == {key: key[0] for key in world.dims}


@tried
@given(histories(most=8))
def test_sizes_add_up_after_resolve(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    for recipe in (recipe for pair in history for recipe in pair):
        resolved = world.axes.resolve(world.build(recipe))
        assert size(resolved) == count(resolved, {}) == keep(resolved, {}).size == recipe.size


def normal(expr: Expr) -> bool:
    """Whether an expression is flat, has no trivial parts and no fixed neighbours that could be one."""
    if isinstance(expr, (Dim, Fixed)):
        return True
    parts = expr.factors if isinstance(expr, Product) else expr.terms
    neighbours = pairwise(parts)
    return (
        len(parts) > 1
        and not any(isinstance(part, type(expr)) for part in parts)
        and not any(size(part) == (1 if isinstance(expr, Product) else 0) for part in parts)
        and not any(isinstance(a, Fixed) and isinstance(b, Fixed) for a, b in neighbours)
        and all(normal(part) for part in parts)
    )


@tried
@given(histories(most=6))
def test_what_is_resolved_is_in_normal_form_and_resolved_for_good(history: list[tuple[Recipe, Recipe]]) -> None:
    world = World()
    world.unify_all(history)
    for recipe in (recipe for pair in history for recipe in pair):
        resolved = world.axes.resolve(world.build(recipe))
        assert normal(resolved)
        assert world.axes.resolve(resolved) == resolved


@tried
@given(histories(), pairs(), seeds)
def test_unified_axes_always_keep_the_same_positions(
    history: list[tuple[Recipe, Recipe]], pair: tuple[Recipe, Recipe], seed: int
) -> None:
    world = World()
    world.unify_all(history)
    first, second = (world.build(recipe) for recipe in pair)
    assume(world.axes.unify(first, second, "test"))
    first, second = world.axes.resolve(first), world.axes.resolve(second)
    assert set(free_dims(first)) == set(free_dims(second))
    masks = random_masks(free_dims(first), seed)
    assert keep(first, masks).tolist() == keep(second, masks).tolist()


@tried
@given(histories(), pairs(symbolic=True))
def test_unifying_again_changes_nothing(history: list[tuple[Recipe, Recipe]], pair: tuple[Recipe, Recipe]) -> None:
    world = World()
    world.unify_all(history)
    first, second = (world.build(recipe) for recipe in pair)
    world.axes.unify(first, second, "test")
    before = world.resolved()
    world.axes.unify(first, second, "again")
    assert world.resolved() == before


def test_unifying_again_changes_nothing_after_a_shared_part_was_split(axes: Axes) -> None:
    """a+b tied to 2*n and then n split: a+b and 2*n are still the same positions and must not freeze."""
    line, n = concat(axes.dim(4), axes.dim(4)), axes.dim(4)
    assert axes.unify(line, product(PAIR, n), "Reshape")
    assert axes.unify(n, concat(axes.dim(2), axes.dim(2)), "Split")
    before = axes.resolve(line)
    assert axes.unify(line, product(PAIR, n), "Add")
    assert axes.resolve(line) == before


@tried
@given(histories(most=5))
def test_the_sides_of_a_unification_can_be_swapped(history: list[tuple[Recipe, Recipe]]) -> None:
    worlds = World(), World()
    for first, second in history:
        sides = [(world.build(first), world.build(second)) for world in worlds]
        plain, swapped = worlds[0].axes.unify(*sides[0], "test"), worlds[1].axes.unify(*sides[1][::-1], "test")
        assert plain == swapped
    assert worlds[0].conclusions() == worlds[1].conclusions()


def test_conclusions_tell_apart_what_is_tied_differently() -> None:
    """The property above is worth nothing if all conclusions look alike."""
    eight = [Recipe("dim", 8, name) for name in "abc"]
    grids = [Recipe("product", parts=(Recipe("dim", 2, "a"), Recipe("dim", 4, "a")))]
    grids += [Recipe("product", parts=(Recipe("dim", 4, "a"), Recipe("dim", 2, "a")))]
    seen = []
    for pair in [(eight[0], eight[1]), (eight[0], eight[2]), (eight[0], grids[0]), (eight[0], grids[1])]:
        world = World()
        for recipe in (*eight, *grids):
            world.build(recipe)
        seen.append(world.conclusions())
        world.unify_all([pair])
        seen.append(world.conclusions())
    assert seen[0] == seen[2] == seen[4] == seen[6]
    assert all(seen[i] != seen[j] for i in (0, 1, 3, 5, 7) for j in (0, 1, 3, 5, 7) if i < j)


def causes(world: World) -> dict[tuple[int, str], list[str]]:
    """Where each named dim was frozen, without the details after the colon."""
    return {key: [reason.split(":")[0] for reason in reasons(expr)] for key, expr in world.resolved().items()}


@tried
@given(st.sampled_from((4, 8, 12)).flatmap(lambda n: st.tuples(recipes(n), recipes(n))), histories(symbolic=True))
def test_a_failed_unification_does_exactly_what_freezing_both_sides_does(
    prefixes: tuple[Recipe, Recipe], history: list[tuple[Recipe, Recipe]]
) -> None:
    """Both sides start with parts that fit, so that there is something to take back."""
    two, three = Recipe("dim", 2, "x"), Recipe("dim", 3, "x")
    tails = Recipe("product", parts=(two, three)), Recipe("product", parts=(three, two))
    failing, freezing = World(), World()
    for world in (failing, freezing):
        world.unify_all(history)
        sides = [world.build(Recipe("sum", parts=both)) for both in zip(prefixes, tails, strict=True)]
        if world is failing:
            assert not world.axes.unify(*sides, "test")
        else:
            for side in sides:
                world.axes.freeze(side, "test")
        assert frozen(world.axes, *sides)
    assert failing.resolved() == freezing.resolved()
    assert causes(failing) == causes(freezing)


@tried
@given(histories(), recipes(24), seeds)
def test_count_is_the_number_of_positions_that_keep_keeps(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    masks = random_masks(free_dims(expr), seed)
    assert count(expr, {dim: int(mask.sum()) for dim, mask in masks.items()}) == keep(expr, masks).sum()


@tried
@given(histories(), recipes(24), seeds)
def test_places_of_units_in_their_old_order_are_those_that_keep_keeps(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    masks = random_masks(free_dims(expr), seed)
    orders = {dim: np.flatnonzero(mask) for dim, mask in masks.items()}
    assert places(expr, orders).tolist() == np.flatnonzero(keep(expr, masks)).tolist()


@tried
@given(recipes(24), seeds)
def test_places_under_one_order_after_another_are_those_under_both(recipe: Recipe, seed: int) -> None:
    world, rng = World(), np.random.default_rng(seed)
    expr = world.axes.resolve(world.build(recipe))
    first, second = ({dim: rng.permutation(dim.size) for dim in free_dims(expr)} for _ in range(2))
    both = {dim: first[dim][second[dim]] for dim in first}
    assert places(expr, first)[places(expr, second)].tolist() == places(expr, both).tolist()


def occurrences(expr: Expr, dim: Dim) -> int:
    parts = getattr(expr, "factors", getattr(expr, "terms", ()))
    return (expr == dim) + sum(occurrences(part, dim) for part in parts)


@tried
@given(histories(), recipes(24), seeds)
def test_spread_gives_a_unit_what_vanishes_when_only_it_goes(
    history: list[tuple[Recipe, Recipe]], recipe: Recipe, seed: int
) -> None:
    world = World()
    world.unify_all(history)
    expr = world.axes.resolve(world.build(recipe))
    once = [dim for dim in free_dims(expr) if occurrences(expr, dim) == 1]
    assume(once)
    values = np.random.default_rng(seed).integers(0, 100, recipe.size)
    totals = spread(expr, values)
    assert set(totals) == set(free_dims(expr))
    for dim in once:
        assert totals[dim].tolist() == [values[vanishing(expr, dim, unit)].sum() for unit in range(dim.size)]


@tried
@given(st.lists(st.tuples(st.booleans(), st.integers(2, 5), st.integers(0, 2)), min_size=1, max_size=6), seeds)
def test_spread_is_the_adjoint_of_keep_on_sums(terms: list[tuple[bool, int, int]], seed: int) -> None:
    """A dim may occur several times: what its units lose then adds up."""
    expr = concat(*(Fixed(n) if fixed else Dim(10 * n + name, n) for fixed, n, name in terms))
    values = np.random.default_rng(seed).integers(0, 100, size(expr))
    masks = random_masks(free_dims(expr), seed)
    lost = sum(int(total[~masks[dim]].sum()) for dim, total in spread(expr, values).items())
    assert values[keep(expr, masks)].sum() == values.sum() - lost


@tried
@given(recipes(24, symbolic=True))
def test_freezing_freezes_every_dim_and_nothing_else(recipe: Recipe) -> None:
    world = World()
    expr, outside = world.build(recipe), world.axes.dim(24)
    world.axes.freeze(expr, "test")
    assert frozen(world.axes, expr)
    assert world.axes.resolve(outside) == outside
    assert dim_sizes(world) == {key: key[0] for key in world.dims}


@tried
@given(st.sampled_from((12, 24)), st.data())
def test_a_plural_axis_keeps_at_least_two_positions_whatever_it_is_tied_to(total: int, data: st.DataObject) -> None:
    world = World()
    plural = world.axes.dim(total)
    world.axes.keep_plural(plural)
    for recipe in data.draw(st.lists(recipes(total), min_size=1, max_size=4)):
        world.axes.unify(plural, world.build(recipe), "test")
    assert 2 <= least(world.axes, plural) <= total


@tried
@given(st.permutations([2, 2, 2, 3]), st.permutations([2, 2, 2, 3]))
def test_products_of_the_same_primes_unify_exactly_if_their_boundaries_can_be_shared(
    left: list[int], right: list[int]
) -> None:
    """Grids line up if, of the inner sizes of both in order, each divides the next."""
    axes = Axes()
    inner = sorted({math.prod(sizes[cut:]) for sizes in (left, right) for cut in range(len(sizes))})
    fits = all(large % small == 0 for small, large in pairwise(inner))
    grids = [product(*(axes.dim(n) for n in sizes)) for sizes in (left, right)]
    assert axes.unify(*grids, "Reshape") == fits
    assert frozen(axes, *grids) != fits
