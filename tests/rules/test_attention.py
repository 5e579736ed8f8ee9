"""Attention as one operator and rotary embeddings: heads, query-key width and value width, each on its own."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import onnx
import pytest
from graphs import Graph
from proof import prove, prove_by_reference, traced

MICROSOFT = "com.microsoft"
BATCH, POSITIONS, GIVEN = 2, 5, 8
KV, REPEATS, WIDTH, VALUE = 3, 2, 6, 4


def graph(opset: int = 23) -> Graph:
    g = Graph(opset)
    g.domains[MICROSOFT] = 1
    return g


def project(g: Graph, x: str, features: int) -> str:
    return g.add("MatMul", x, g.weight(GIVEN, features, fan_in=GIVEN))


def finish(g: Graph, y: str, width: int) -> None:
    g.output(g.add("MatMul", y, g.weight(width, 2, fan_in=width)))


def attribute(proto: onnx.ModelProto, op_type: str, name: str) -> float | int | list[int] | None:
    node = next(node for node in proto.graph.node if node.op_type == op_type)
    found = next((a for a in node.attribute if a.name == name), None)
    return None if found is None else onnx.helper.get_attribute_value(found)


def split_heads(g: Graph, x: str, heads: int) -> str:
    return g.transpose(g.reshape(x, 0, 0, heads, -1), 0, 2, 1, 3)


def inputs(g: Graph, query: int, kv: int, width: int = WIDTH, value: int = VALUE) -> list[str]:
    x = g.input(BATCH, POSITIONS, GIVEN)
    return [project(g, x, n) for n in (query * width, kv * width, kv * value)]


# ai.onnx


@pytest.mark.parametrize("repeats", [1, REPEATS])
def test_attention_of_packed_heads(repeats: int) -> None:
    g = graph()
    y = g.add("Attention", *inputs(g, KV * repeats, KV), q_num_heads=KV * repeats, kv_num_heads=KV)
    finish(g, y, KV * repeats * VALUE)
    dims = [KV, WIDTH, VALUE] + ([REPEATS] if repeats > 1 else [])
    for pruned in prove(g.model(), dims):
        assert attribute(pruned, "Attention", "scale") == pytest.approx(WIDTH**-0.5)
        assert attribute(pruned, "Attention", "kv_num_heads") < KV


@pytest.mark.parametrize("opset", [23, 24])
@pytest.mark.parametrize("repeats", [1, REPEATS])
def test_attention_of_heads_on_their_own_axis(repeats: int, opset: int) -> None:
    g = graph(opset)
    q, k, v = (split_heads(g, x, n) for x, n in zip(inputs(g, KV * repeats, KV), (KV * repeats, KV, KV), strict=True))
    y = g.add("Attention", q, k, v, is_causal=1)
    finish(g, g.reshape(g.transpose(y, 0, 2, 1, 3), 0, 0, -1), KV * repeats * VALUE)
    prove(g.model(), [KV, WIDTH, VALUE] + ([REPEATS] if repeats > 1 else []))


def test_grouped_attention_by_reference() -> None:
    g = graph()
    y = g.add("Attention", *inputs(g, KV * REPEATS, KV), q_num_heads=KV * REPEATS, kv_num_heads=KV, softcap=2.0)
    finish(g, y, KV * REPEATS * VALUE)
    prove_by_reference(g.model(), [KV, REPEATS, WIDTH, VALUE])


def test_given_scale_stays() -> None:
    g = graph()
    y = g.add("Attention", *inputs(g, KV, KV), q_num_heads=KV, kv_num_heads=KV, scale=0.5)
    finish(g, y, KV * VALUE)
    for pruned in prove(g.model(), [KV, WIDTH, VALUE]):
        assert attribute(pruned, "Attention", "scale") == 0.5


@pytest.mark.parametrize(
    "shape", [(POSITIONS, POSITIONS), (1, KV, POSITIONS, POSITIONS), (BATCH, 1, POSITIONS, POSITIONS)]
)
def test_bias_of_scores(shape: tuple[int, ...]) -> None:
    g = graph()
    y = g.add("Attention", *inputs(g, KV, KV), g.weight(*shape), q_num_heads=KV, kv_num_heads=KV)
    finish(g, y, KV * VALUE)
    prove(g.model(), [KV, WIDTH, VALUE])


def test_stored_past_follows() -> None:
    g = graph()
    past = [g.weight(BATCH, KV, 3, WIDTH), g.weight(BATCH, KV, 3, VALUE)]
    y, key, value = g.nodes_of("Attention", [*inputs(g, KV, KV), "", *past], 3, q_num_heads=KV, kv_num_heads=KV)
    finish(g, y, KV * VALUE)
    finish(g, key, WIDTH)
    finish(g, value, VALUE)
    prove(g.model(), [WIDTH, VALUE], check=False)


def test_past_that_is_an_input_of_the_model_leaves_the_repetitions() -> None:
    g = graph()
    past = [g.input(BATCH, KV, 3, WIDTH), g.input(BATCH, KV, 3, VALUE)]
    y, key, value = g.nodes_of(
        "Attention", [*inputs(g, KV * REPEATS, KV), "", *past], 3, q_num_heads=KV * REPEATS, kv_num_heads=KV
    )
    finish(g, y, KV * REPEATS * VALUE)
    g.output(key, value)
    for pruned in prove(g.model(), [REPEATS]):
        assert attribute(pruned, "Attention", "scale") is None


def test_scores_as_an_output_keep_the_heads() -> None:
    g = graph()
    y, *_, scores = g.nodes_of("Attention", inputs(g, KV, KV), 4, q_num_heads=KV, kv_num_heads=KV)
    g.nodes[-1].output[1] = g.nodes[-1].output[2] = ""
    finish(g, y, KV * VALUE)
    g.output(scores)
    prove_by_reference(g.model(), [WIDTH, VALUE])


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_rotary_embedding(packed: bool, partial: bool, interleaved: int) -> None:
    g = graph()
    rotated = 4 if partial else WIDTH
    q, k, v = inputs(g, KV, KV)
    caches = [g.weight(9, rotated // 2), g.weight(9, rotated // 2)]
    ids = g.store(np.tile(np.arange(POSITIONS), (BATCH, 1)), np.int64)
    more = {"interleaved": interleaved, **({"rotary_embedding_dim": rotated} if partial else {})}
    if packed:
        q, k = (g.add("RotaryEmbedding", x, *caches, ids, num_heads=KV, **more) for x in (q, k))
        y = g.add("Attention", q, k, v, q_num_heads=KV, kv_num_heads=KV)
    else:
        q, k, v = (split_heads(g, x, KV) for x in (q, k, v))
        q, k = (g.add("RotaryEmbedding", x, *caches, ids, **more) for x in (q, k))
        y = g.reshape(g.transpose(g.add("Attention", q, k, v), 0, 2, 1, 3), 0, 0, -1)
    finish(g, y, KV * VALUE)
    prove(g.model(), [KV, rotated // 2, VALUE] + ([WIDTH - rotated] if partial else []))


# com.microsoft


def fused(g: Graph, op_type: str, given: list[str], count: int = 1, **attributes: object) -> list[str]:
    return g.nodes_of(op_type, given, count, domain=MICROSOFT, **attributes)


@pytest.mark.parametrize("bias", [False, True])
def test_multi_head_attention(bias: bool) -> None:
    g = graph(17)
    given = [*inputs(g, KV, KV), *([g.weight(KV * (2 * WIDTH + VALUE))] if bias else [])]
    y = fused(g, "MultiHeadAttention", given, num_heads=KV)[0]
    finish(g, y, KV * VALUE)
    for pruned in prove(g.model(), [KV, WIDTH, VALUE], check=False):
        assert attribute(pruned, "MultiHeadAttention", "scale") == pytest.approx(WIDTH**-0.5)


def test_multi_head_attention_with_bias_of_scores_and_keys_by_head_ties_their_widths() -> None:
    g = graph(17)
    q, k, v = inputs(g, KV, KV, value=WIDTH)
    k, v = split_heads(g, k, KV), split_heads(g, v, KV)
    y = fused(g, "MultiHeadAttention", [q, k, v, "", "", g.weight(1, KV, POSITIONS, POSITIONS)], num_heads=KV)[0]
    finish(g, y, KV * WIDTH)
    prove(g.model(), [KV, WIDTH], check=False)


def test_multi_head_attention_of_a_packed_input_is_frozen() -> None:
    g = graph(17)
    x = g.reshape(project(g, g.input(BATCH, POSITIONS, GIVEN), 3 * KV * WIDTH), 0, 0, KV, 3, WIDTH)
    g.output(fused(g, "MultiHeadAttention", [x], num_heads=KV)[0])
    traced(g.model(), [])


@pytest.mark.skipif(version("onnxruntime") < "1.24", reason="older versions crash on a value width of its own")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("value", [WIDTH, VALUE])
def test_packed_attention(value: int, bias: bool) -> None:
    g = graph(17)
    x = project(g, g.input(BATCH, POSITIONS, GIVEN), 7)
    columns = KV * (2 * WIDTH + value)
    given = [x, g.weight(7, columns, fan_in=7), *([g.weight(columns)] if bias else [])]
    sizes = {"qkv_hidden_sizes": [KV * WIDTH, KV * WIDTH, KV * value]} if value != WIDTH else {}
    finish(g, fused(g, "Attention", given, num_heads=KV, **sizes)[0], KV * value)
    for pruned in prove(g.model(), [7, KV, WIDTH, value], check=False):
        query, key, _ = attribute(pruned, "Attention", "qkv_hidden_sizes")
        assert query == key < KV * WIDTH


def test_packed_attention_with_a_cache_ties_keys_and_values() -> None:
    g = graph(17)
    x = g.input(BATCH, POSITIONS, GIVEN)
    columns = 3 * KV * WIDTH
    given = [x, g.weight(GIVEN, columns, fan_in=GIVEN), g.weight(columns), "", g.weight(2, BATCH, KV, 3, WIDTH)]
    y, present = fused(g, "Attention", given, 2, num_heads=KV)
    finish(g, y, KV * WIDTH)
    finish(g, present, WIDTH)
    prove(g.model(), [WIDTH], check=False)


def test_packed_attention_that_only_gives_a_cache_ties_keys_and_values() -> None:
    g = graph(17)
    x = g.input(BATCH, POSITIONS, GIVEN)
    columns = 3 * KV * WIDTH
    given = [x, g.weight(GIVEN, columns, fan_in=GIVEN), g.weight(columns)]
    y, present = fused(g, "Attention", given, 2, num_heads=KV)
    shape = [2, BATCH, KV, POSITIONS, WIDTH]
    g.declared.append(onnx.helper.make_tensor_value_info(present, onnx.TensorProto.FLOAT, shape))
    finish(g, y, KV * WIDTH)
    finish(g, present, WIDTH)
    prove(g.model(), [WIDTH], check=False)


def rotary(g: Graph, x: str, **attributes: int) -> str:
    ids = g.store(np.tile(np.arange(POSITIONS), (BATCH, 1)), np.int64)
    caches = [g.weight(9, WIDTH // 2), g.weight(9, WIDTH // 2)]
    return fused(g, "RotaryEmbedding", [x, ids, *caches], **attributes)[0]


@pytest.mark.parametrize("interleaved", [0, 1])
def test_fused_rotary_embedding(interleaved: int) -> None:
    g = graph(17)
    q, k, v = inputs(g, KV, KV)
    q, k = rotary(g, q, interleaved=interleaved), rotary(g, k, interleaved=interleaved)
    finish(g, fused(g, "MultiHeadAttention", [q, k, v], num_heads=KV)[0], KV * VALUE)
    prove(g.model(), [KV, WIDTH // 2, VALUE], check=False)


def grouped(g: Graph, given: list[str], count: int, **attributes: object) -> list[str]:
    lengths, total = g.store([POSITIONS - 1] * BATCH, np.int32), g.store([POSITIONS], np.int32)
    cache = [g.store(np.zeros((BATCH, KV, 0, 8), np.float32)) for _ in range(2)]
    more = [*given, *[""] * (3 - len(given)), *cache, lengths, total]
    return fused(g, "GroupQueryAttention", more, count, num_heads=KV * REPEATS, kv_num_heads=KV, **attributes)


@pytest.mark.parametrize("packed", [False, True])
def test_group_query_attention(packed: bool) -> None:
    g = graph(17)
    query, kv = KV * REPEATS * 8, KV * 8
    x = g.input(BATCH, POSITIONS, GIVEN)
    given = [project(g, x, query + 2 * kv)] if packed else [project(g, x, n) for n in (query, kv, kv)]
    y, *_ = grouped(g, given, 3)
    finish(g, y, query)
    for pruned in prove(g.model(), [KV, REPEATS], check=False):
        heads = attribute(pruned, "GroupQueryAttention", "num_heads")
        assert heads % attribute(pruned, "GroupQueryAttention", "kv_num_heads") == 0
        assert attribute(pruned, "GroupQueryAttention", "scale") is None


@pytest.mark.parametrize("has_past", [False, True])
def test_multi_head_attention_with_a_cache_ties_keys_and_values_if_there_is_a_past(has_past: bool) -> None:
    g, value = graph(17), WIDTH if has_past else VALUE
    past = [g.weight(BATCH, KV, 3, WIDTH), g.weight(BATCH, KV, 3, value)] if has_past else []
    given = [*inputs(g, KV, KV, value=value), "", "", "", *past]
    y, present_key, present_value = fused(g, "MultiHeadAttention", given, 3, num_heads=KV)
    finish(g, y, KV * value)
    finish(g, present_key, WIDTH)
    finish(g, present_value, value)
    prove(g.model(), [WIDTH] if has_past else [WIDTH, VALUE], check=False)


def test_group_query_attention_with_a_cache_of_the_caller_leaves_the_repetitions() -> None:
    g = graph(17)
    x = g.input(1, 1, GIVEN)
    given = [project(g, x, n) for n in (KV * REPEATS * 8, KV * 8, KV * 8)]
    cache = [g.input(1, KV, POSITIONS, 8), g.input(1, KV, POSITIONS, 8)]
    lengths, total = g.store([POSITIONS], np.int32), g.store([POSITIONS + 1], np.int32)
    counts = {"num_heads": KV * REPEATS, "kv_num_heads": KV}
    y, key, value = fused(g, "GroupQueryAttention", [*given, *cache, lengths, total], 3, **counts)
    finish(g, y, KV * REPEATS * 8)
    g.output(key, value)
    for pruned in prove(g.model(), [REPEATS], check=False):
        assert attribute(pruned, "GroupQueryAttention", "num_heads") == KV
