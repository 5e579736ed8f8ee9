"""Nodes with inputs and outputs that their operators do not have, and operators that there are not."""

from __future__ import annotations

from random import Random

import onnx
from drafts import Draft

from model_mutations.registry import graphs, mutation, nodes, pick

STANDARD = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})
CONTRIBUTED = ["Attention", "FusedConv", "FusedGemm", "MatMulNBits", "QGemm", "QLinearAdd", "QLinearConcat"]
CONTRIBUTED += [
    "SkipLayerNormalization",
    "GroupQueryAttention",
    "MultiHeadAttention",
    "EmbedLayerNormalization",
    "Gelu",
]


@mutation
def an_input_missing(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.input])
    if rng.random() < 0.5:
        node.input[rng.randrange(len(node.input))] = ""
    else:
        node.input.pop(rng.randrange(len(node.input)))


@mutation
def every_input_missing(draft: Draft, rng: Random) -> None:
    del pick(rng, nodes(draft)).input[:]


@mutation
def an_input_too_many(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.input])
    node.input.extend([rng.choice([*node.input, ""])] * rng.choice([1, 2, 50]))


@mutation
def an_input_of_another_node(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.input])
    others = [name for other in nodes(draft) for name in other.input]
    node.input[rng.randrange(len(node.input))] = pick(rng, others)


@mutation
def inputs_in_another_order(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if len(node.input) > 1])
    names = list(node.input)
    rng.shuffle(names)
    node.input[:] = names


@mutation
def an_output_missing(draft: Draft, rng: Random) -> None:
    node = pick(rng, [node for node in nodes(draft) if node.output])
    if rng.random() < 0.5:
        node.output[rng.randrange(len(node.output))] = ""
    else:
        node.output.pop()


@mutation
def an_output_too_many(draft: Draft, rng: Random) -> None:
    pick(rng, nodes(draft)).output.extend(f"more{place}" for place in range(rng.choice([1, 3, 300])))


@mutation
def another_operator(draft: Draft, rng: Random) -> None:
    node = pick(rng, nodes(draft))
    node.op_type, node.domain = rng.choice(STANDARD), ""


@mutation
def another_operator_with_the_attributes_that_it_knows(draft: Draft, rng: Random) -> None:
    another_operator(draft, rng)
    for node in nodes(draft):
        if not node.domain and onnx.defs.has(node.op_type):
            known = onnx.defs.get_schema(node.op_type).attributes
            kept = [attribute for attribute in node.attribute if attribute.name in known]
            del node.attribute[:]
            node.attribute.extend(kept)


@mutation
def an_operator_of_onnxruntime(draft: Draft, rng: Random) -> None:
    node = pick(rng, nodes(draft))
    node.op_type, node.domain = rng.choice(CONTRIBUTED), "com.microsoft"
    if rng.random() < 0.7:
        draft.proto.opset_import.add(domain="com.microsoft", version=1)


@mutation
def an_unknown_operator(draft: Draft, rng: Random) -> None:
    pick(rng, nodes(draft)).op_type = rng.choice(["Frobnicate", "conv", "Conv ", "Constant"])


@mutation
def an_unknown_domain(draft: Draft, rng: Random) -> None:
    pick(rng, nodes(draft)).domain = rng.choice(["nobody.knows", "ai.onnx", "ai.onnx.ml", "ai.onnx.training"])


@mutation
def a_node_missing(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.node.remove(pick(rng, graph.node))


@mutation
def every_node_missing(draft: Draft, rng: Random) -> None:
    del rng.choice(graphs(draft)).node[:]


@mutation
def a_node_twice(draft: Draft, rng: Random) -> None:
    graph = rng.choice(graphs(draft))
    graph.node.append(pick(rng, graph.node))


@mutation
def an_empty_node(draft: Draft, rng: Random) -> None:
    rng.choice(graphs(draft)).node.add()


@mutation
def a_node_of_another_overload(draft: Draft, rng: Random) -> None:
    node = pick(rng, nodes(draft))
    if not hasattr(node, "overload"):
        return
    node.overload = rng.choice(["other", "é"])
