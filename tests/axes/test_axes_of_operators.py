"""The axis algebra: one test for each case of the design's table.

These speak of operators but use `Axes` alone: what an operator's rule has to say is said here by hand.
"""

from __future__ import annotations

import pytest
from concluded import PAIR, frozen, gone, only_dim, same

from onnxprune.axes import Axes, Expr, Fixed, concat, count, free_dims, product, reasons, size


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
