"""The same graphs, written in other ways: every case of the table finds the same dims, and prunes as exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import onnx
import pytest
from _pytest.mark import ParameterSet
from graphs import Graph
from older_versions import check_model
from onnx import helper, shape_inference
from pruning import frozen_reasons, prune_and_check, random_masks
from rule_cases import CASES, Case

from onnxprune.apply import apply_masks
from onnxprune.model import Model
from onnxprune.tracing import trace

Rewrite = Callable[[onnx.ModelProto], onnx.ModelProto]


def without_names(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Names of nodes are optional."""
    for node in proto.graph.node:
        node.ClearField("name")
    return proto


def with_declared_shapes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The shapes of all intermediate tensors are declared, and have to follow."""
    return shape_inference.infer_shapes(proto, data_prop=True)


def with_the_long_domain(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The default domain has a second name."""
    proto.opset_import[0].domain = "ai.onnx"
    return proto


def with_weights_in_constant_nodes(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Every initializer, sizes and indices included, is a Constant node."""
    nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in proto.graph.initializer]
    nodes += proto.graph.node
    del proto.graph.initializer[:], proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return proto


def with_weights_as_inputs(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Up to IR version 3 every initializer is an input as well."""
    proto.ir_version = 3
    for tensor in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return proto


REWRITES = (
    without_names,
    with_declared_shapes,
    with_the_long_domain,
    with_weights_in_constant_nodes,
    with_weights_as_inputs,
)
FAMILIES = "indexing joining layout normalization patterns resizing weights".split()
"""Where graphs hold sizes and indices, or weights that are shared: what can be stored in several ways."""


def pairs() -> Iterator[ParameterSet]:
    """Every case of those families with every rewrite."""
    for case, rewrite in product(CASES.values(), REWRITES):
        if case.build.__module__.split(".")[-1] in FAMILIES:
            yield pytest.param(case, rewrite, id=f"{case.name}-{rewrite.__name__}")


@pytest.mark.parametrize(("case", "rewrite"), list(pairs()))
def test_the_same_dims_are_found_and_pruned_exactly(case: Case, rewrite: Rewrite) -> None:
    proto = rewrite(case.model())
    check_model(proto)
    found = trace(Model(proto))
    assert sorted(dim.size for dim in found.dims) == list(case.dims)
    prune_and_check(found, random_masks(found, seed=4))


def test_an_unknown_operator_freezes_what_it_touches_and_nothing_else() -> None:
    g = Graph()
    before = g.conv(g.conv(g.image(), 5), 6)
    after = g.unknown(before, shape=(2, 7, 6, 6))
    g.finish(after, hidden=8)
    found = trace(Model(g.model()))
    assert sorted(dim.size for dim in found.dims) == [5, 8]
    assert "no rule for operator acme::Frobnicate" in frozen_reasons(found)


def test_an_unknown_operator_keeps_all_of_a_weight_that_it_reads() -> None:
    """The layer that shares the weight may shrink all the same, by a copy."""
    g = Graph()
    zeros = g.store([0.0] * 6, np.float32)
    x = g.add("Conv", g.image(), g.weight(6, 3, 1, 1), zeros)
    g.finish(x)
    g.output(g.unknown(zeros, shape=(4,)))
    found = trace(Model(g.model()))
    assert [dim.size for dim in found.dims] == [6]
    pruned, changes = apply_masks(found, random_masks(found, seed=5))
    (copy,) = changes.copies
    assert pruned.constants["", zeros].dims == [6]
    assert pruned.constants["", copy].dims[0] < 6
