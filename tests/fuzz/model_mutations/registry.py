"""What a mutation is, and the few ways in which they find something to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import TypeAlias, TypeVar

import onnx
from drafts import Draft

Mutation: TypeAlias = Callable[[Draft, Random], None]
T = TypeVar("T")

MUTATIONS: dict[str, Mutation] = {}
"""Name -> what changes a draft in place; the name is that of the function, in words."""


class NothingToChangeError(Exception):
    """The draft has nothing that a mutation could be made to."""


def mutation(change: Mutation) -> Mutation:
    """Register a mutation under the name of its function."""
    name = change.__name__.replace("_", " ").strip()
    assert name not in MUTATIONS, f"two mutations are called '{name}'"
    MUTATIONS[name] = change
    return change


def mutate(draft: Draft, names: Sequence[str], seed: int) -> list[str]:
    """Apply mutations by name, one after the other; return those that found something to change."""
    done = []
    for place, name in enumerate(names):
        try:
            MUTATIONS[name](draft, Random(f"{seed} {place} {name}"))
        except (NothingToChangeError, ValueError):  # protobuf does not take every number
            continue
        done.append(name)
    return done


def pick(rng: Random, things: Sequence[T]) -> T:
    """Return one of some things, or give up where there are none."""
    if not things:
        raise NothingToChangeError
    return rng.choice(things)


def graphs(draft: Draft) -> list[onnx.GraphProto]:
    """Return the main graph and all bodies; the main graph is there twice, to be picked more often."""
    return [draft.proto.graph, *_graphs_in(draft.proto.graph)]


def nodes(draft: Draft, *op_types: str) -> list[onnx.NodeProto]:
    """Return the nodes of all graphs and functions, perhaps only those of some operators."""
    found = [node for graph in graphs(draft)[1:] for node in graph.node]
    found += [node for function in draft.proto.functions for node in function.node]
    return [node for node in found if not op_types or node.op_type in op_types]


def initializers(draft: Draft) -> list[onnx.TensorProto]:
    """Return the stored tensors of all graphs."""
    return [tensor for graph in graphs(draft)[1:] for tensor in graph.initializer]


def tensors(draft: Draft) -> list[onnx.TensorProto]:
    """Return all tensors: initializers, those in attributes, and the parts of sparse ones."""
    found = initializers(draft)
    found += [attribute.t for node in nodes(draft) for attribute in node.attribute if attribute.HasField("t")]
    for graph in graphs(draft)[1:]:
        found += [part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices)]
    return found


def attributes(draft: Draft, *names: str) -> list[onnx.AttributeProto]:
    """Return the attributes of all nodes, perhaps only those of some names."""
    found = [attribute for node in nodes(draft) for attribute in node.attribute]
    return [attribute for attribute in found if not names or attribute.name in names]


def infos(draft: Draft) -> list[onnx.ValueInfoProto]:
    """Return what is declared of inputs, outputs and other values of all graphs."""
    return [info for graph in graphs(draft)[1:] for info in (*graph.input, *graph.output, *graph.value_info)]


def _graphs_in(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs_in(attribute.g)
