"""Attention: every query with every key over the width of both, every weight with the width of a value.

There are batch x query heads x queries x keys x (width + value width) products; past keys count, and a mask saves none.
"""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from mac_cases.case import MICROSOFT, MacGraph, costs, fused


@costs("Attention", 2 * 6 * 5 * 7 * (8 + 4), opset=23)
def attention_of_heads_on_their_own_axis(g: MacGraph) -> None:
    """Batch 2, 6 query heads on 3, 5 queries, 7 keys, widths 8 and 4."""
    g.output(g.add("Attention", g.input(2, 6, 5, 8), g.input(2, 3, 7, 8), g.input(2, 3, 7, 4), is_causal=1))


@costs("Attention", 2 * 6 * 5 * 7 * (8 + 4), opset=23)
def attention_of_packed_heads(g: MacGraph) -> None:
    """Batch 2, 6 query heads on 3, 5 queries, 7 keys, widths 8 and 4."""
    given = [g.input(2, 5, 48), g.input(2, 7, 24), g.input(2, 7, 12)]
    g.output(g.add("Attention", *given, q_num_heads=6, kv_num_heads=3))


@costs("Attention", 2 * 3 * 5 * (9 + 5) * (8 + 4), opset=23)
def attention_with_a_past(g: MacGraph) -> None:
    """Batch 2, 3 heads, 5 queries, 9 + 5 keys, widths 8 and 4."""
    given = [
        g.input(2, 3, 5, 8),
        g.input(2, 3, 5, 8),
        g.input(2, 3, 5, 4),
        "",
        g.input(2, 3, 9, 8),
        g.input(2, 3, 9, 4),
    ]
    g.output(*g.nodes_of("Attention", given, 3))


def _result(g: MacGraph, op_type: str, given: list[str], width: int, outputs: int = 1, **attributes: int) -> None:
    """Add a node of onnxruntime's; its first result is [2, 5, width]."""
    y, *_ = g.nodes_of(op_type, given, outputs, domain=MICROSOFT, **attributes)
    g.output(g.declare(y, np.float32, 2, 5, width))


@fused("MultiHeadAttention", 2 * 3 * 5 * 7 * (8 + 4))
def multi_head_attention(g: MacGraph) -> None:
    """Batch 2, 3 heads, 5 queries, 7 keys, widths 8 and 4."""
    _result(g, "MultiHeadAttention", [g.input(2, 5, 24), g.input(2, 7, 24), g.input(2, 7, 12)], 12, num_heads=3)


@fused("MultiHeadAttention", 2 * 3 * 5 * 7 * (8 + 8))
def multi_head_attention_with_keys_by_head(g: MacGraph) -> None:
    """Batch 2, 3 heads, 5 queries, 7 keys, widths 8 and 8."""
    _result(g, "MultiHeadAttention", [g.input(2, 5, 24), g.input(2, 3, 7, 8), g.input(2, 3, 7, 8)], 24, num_heads=3)


@fused("MultiHeadAttention", 2 * 3 * 5 * (9 + 5) * (8 + 8))
def multi_head_attention_with_a_past(g: MacGraph) -> None:
    """Batch 2, 3 heads, 5 queries, 9 + 5 keys, widths 8 and 8."""
    past = [g.input(2, 3, 9, 8), g.input(2, 3, 9, 8)]
    given = [g.input(2, 5, 24), g.input(2, 5, 24), g.input(2, 5, 24), "", "", "", *past]
    _result(g, "MultiHeadAttention", given, 24, 3, num_heads=3)


@fused("Attention", 2 * 5 * 7 * (24 + 24 + 24) + 2 * 3 * 5 * 5 * (8 + 8))
def packed_attention(g: MacGraph) -> None:
    """Batch 2, 5 positions, 7 numbers to queries, keys and values; then 3 heads, 5 queries, 5 keys, widths 8 and 8."""
    _result(g, "Attention", [g.input(2, 5, 7), g.ones(7, 72), g.ones(72)], 24, num_heads=3)


@fused("Attention", 2 * 5 * 7 * (24 + 24 + 24) + 2 * 3 * 5 * (9 + 5) * (8 + 8))
def packed_attention_with_a_past(g: MacGraph) -> None:
    """The same with 9 past keys."""
    given = [g.input(2, 5, 7), g.ones(7, 72), g.ones(72), "", g.input(2, 2, 3, 9, 8)]
    _result(g, "Attention", given, 24, 2, num_heads=3)


def _grouped(g: MacGraph, given: list[str], past: int) -> None:
    cache = [g.input(2, 3, past, 8), g.input(2, 3, past, 8)] if past else ["", ""]
    lengths = [g.input(2, dtype=TensorProto.INT32), g.input(1, dtype=TensorProto.INT32)]
    _result(g, "GroupQueryAttention", [*given, *cache, *lengths], 48, 3, num_heads=6, kv_num_heads=3)


@fused("GroupQueryAttention", 2 * 6 * 5 * 5 * (8 + 8))
def group_query_attention(g: MacGraph) -> None:
    """Batch 2, 6 query heads on 3, 5 queries, 5 keys, widths 8 and 8."""
    _grouped(g, [g.input(2, 5, 48), g.input(2, 5, 24), g.input(2, 5, 24)], 0)


@fused("GroupQueryAttention", 2 * 6 * 5 * (9 + 5) * (8 + 8))
def group_query_attention_of_a_packed_input_with_a_past(g: MacGraph) -> None:
    """Batch 2, 6 query heads on 3, 5 queries, 9 + 5 keys, widths 8 and 8."""
    _grouped(g, [g.input(2, 5, 96), "", ""], 9)
