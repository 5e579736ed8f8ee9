"""Reordering: every constant follows, nothing else changes, and the model computes what it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import branchy, plain, shared_scale, traced, values
from onnx import TensorProto
from quantized_graphs import QuantizedGraph
from random_graphs import NORMS, STEPS, Drawn, Opening, drawn, grow, openings
from reordering import check_reordered, in_order, random_orders

from onnxprune.apply.reorder import reorder, reorderable
from onnxprune.errors import UsageError
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.tracing import Trace, trace

MODELS = Path(__file__).parents[1] / "models"
EVERY_STEP = [*STEPS, *NORMS]


def check_many(names: list[str], examples: int) -> None:
    seen: list[int] = []

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(openings, drawn(names), st.integers(0, 1_000))
    def check(opening: Opening, steps: Drawn, seed: int) -> None:
        _, orders = check_reordered(grow(opening, steps, seed), seed)
        seen.append(len(orders))

    check()
    assert np.mean(seen) > 2


def test_every_tensor_of_random_graphs_stands_in_the_new_order() -> None:
    check_many(EVERY_STEP, 25)


@pytest.mark.slow
def test_every_tensor_of_many_random_graphs_stands_in_the_new_order() -> None:
    check_many(EVERY_STEP, 1_000)


@pytest.mark.parametrize("name", ["recurrent", "attention", *NORMS])
def test_a_step_alone_may_stand_in_any_order(name: str) -> None:
    found, _ = check_reordered(grow(Opening(), [(name, 0, 5, 4)]))
    assert reorderable(found)


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_tensor_of_a_trained_model_stands_in_the_new_order(path: Path) -> None:
    check_reordered(onnx.load(path))


def test_scales_and_zero_points_follow_their_channels() -> None:
    g = QuantizedGraph()
    x = g.image()
    for channels in (8, 6):
        w = g.random(channels, g.shape(x)[1], 3, 3, fan_in=20)
        scale = (np.abs(w).max(axis=(1, 2, 3)) / 127).astype(np.float32)
        stored = g.store(np.round(w / scale[:, None, None, None]).astype(np.int8))
        kernel = g.add("DequantizeLinear", stored, g.store(scale), g.store(np.zeros(channels, np.int8)), axis=0)
        x = g.add("Relu", g.add("Conv", x, kernel))
    g.finish(x)
    found, orders = check_reordered(g.model())
    assert sorted(dim.size for dim in orders) == [6, 8]
    new = values(reorder(found, orders).proto)
    scales = [use for use in found.uses if found.model.node(use.slot[0]).op_type == "DequantizeLinear"]
    for use in scales:
        name = use.constant[1]
        assert np.array_equal(new[name], in_order(values(found.model.proto)[name], use.axes, orders))
    assert len(scales) == 6


def test_the_unit_at_a_place_is_the_one_that_its_order_names() -> None:
    found = traced(plain())
    dim = next(dim for dim, name in found.names.items() if name == "conv1.weight[0]")
    order = np.array([3, 1, 2, 0, 7, 6, 5, 4])
    old, new = values(plain()), values(reorder(found, {dim: order}).proto)
    assert np.array_equal(new["conv1.weight"], old["conv1.weight"][order])
    assert np.array_equal(new["bn1.mean"], old["bn1.mean"][order])
    assert np.array_equal(new["conv2.weight"], old["conv2.weight"][:, order])
    assert np.array_equal(new["conv2.bias"], old["conv2.bias"]) and np.array_equal(new["fc.weight"], old["fc.weight"])


@pytest.mark.parametrize("network", [plain, branchy, shared_scale])
def test_units_in_their_old_order_change_no_byte(network: Callable[[], onnx.ModelProto]) -> None:
    found = traced(network())
    same = reorder(found, {dim: np.arange(dim.size) for dim in reorderable(found)})
    assert same.proto.SerializeToString() == network().SerializeToString()


@pytest.mark.parametrize("ir", [3, 8])
def test_a_constant_that_is_needed_in_two_orders_is_copied(ir: int) -> None:
    proto = shared_scale(ir)
    for tensor in proto.graph.initializer:
        if tensor.name == "ones":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.arange(1, 9, dtype=np.float32), "ones"))
    found, orders = check_reordered(proto)
    copies = [new for name, new in values(reorder(found, orders).proto).items() if name.startswith("ones")]
    assert len(copies) == 2 and not np.array_equal(*copies)
    assert all(sorted(copy) == list(range(1, 9)) for copy in copies)


def test_a_list_of_positions_picks_what_it_did() -> None:
    """Its entries change places and its numbers change, which for a shuffle comes to the list that it was."""
    shuffle = [0, 4, 1, 5, 2, 6, 3, 7]
    g = Graph()
    g.finish(g.add("Gather", g.conv(g.image(), 8), g.ints(*shuffle), axis=1))
    found, orders = check_reordered(g.model())
    assert sorted(dim.size for dim in orders) == [2, 4]
    (index,) = found.record.indices
    name = next(use.constant[1] for use in found.uses if use.slot == index.slot)
    assert values(reorder(found, orders).proto)[name].tolist() == shuffle


def test_the_width_that_a_norm_averages_over_may_stand_in_any_order() -> None:
    g = Graph()
    x = g.linear(g.input(2, 3, 5), 8)
    x = g.add("Add", x, g.linear(g.add("LayerNormalization", x, g.weight(8), g.weight(8)), 8))
    g.output(g.linear(x, 4))
    found, orders = check_reordered(g.model())
    assert [dim.size for dim in orders] == [8]
    assert not trace(found.model).dims


def sizes_in_int32() -> onnx.ModelProto:
    """A Reshape to a target that is stored as int32 and cast."""
    g = Graph()
    target = g.add("Cast", g.store([2, 8, 36], np.int32), to=TensorProto.INT64)
    x = g.add("Reshape", g.conv(g.image(), 8), target)
    g.output(g.add("MatMul", g.weight(4, 8), x))
    return g.model()


def test_sizes_are_no_units_in_whatever_type_they_are_stored() -> None:
    found, orders = check_reordered(sizes_in_int32())
    assert [dim.size for dim in found.dims] == [dim.size for dim in orders] == [8]


def with_dropout(mode: bool | None) -> Trace:
    g = Graph()
    x = g.conv(g.image(), 8)
    inputs = [x, g.store(0.5, np.float32), *([] if mode is None else [g.store(mode)])]
    g.finish(g.add("Dropout", *inputs, seed=7), hidden=6)
    return trace(Model(g.model()))


def test_what_is_dropped_at_random_is_dropped_by_position() -> None:
    """So that the order of its units would matter, even where a seed makes it the same every time."""
    found = with_dropout(True)
    assert sorted(dim.size for dim in reorderable(found)) == [6]
    (dropped,) = set(found.dims) - set(reorderable(found))
    with pytest.raises(UsageError, match="order that matters"):
        reorder(found, {dropped: np.arange(8)[::-1]})
    assert sorted(dim.size for dim in reorderable(with_dropout(False))) == [6, 8]
    assert sorted(dim.size for dim in reorderable(with_dropout(None))) == [6, 8]


def test_bodies_follow() -> None:
    """The constants that an If reads stand inside its branches and outside."""
    g = Graph()
    x = g.conv(g.image(), 8)
    inside = onnx.helper.make_tensor_value_info("inside", TensorProto.FLOAT, None)
    shift = onnx.numpy_helper.from_array(g.random(8, 1, 1), "shift")
    branches = {
        "then_branch": onnx.helper.make_graph(
            [onnx.helper.make_node("Add", [x, "shift"], ["inside"])], "then", [], [inside], [shift]
        ),
        "else_branch": onnx.helper.make_graph(
            [onnx.helper.make_node("Mul", [x, g.weight(1, 8, 1, 1)], ["inside"])], "else", [], [inside]
        ),
    }
    chosen = g.add("If", g.input(dtype=TensorProto.BOOL), **branches)
    g.output(g.add("Conv", chosen, g.weight(2, 8, 1, 1)))
    _, orders = check_reordered(g.model())
    assert [dim.size for dim in orders] == [8]


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5, 6, 6], [0, 1], [1, 2, 3, 4, 5, 6, 7, 8]])
def test_an_order_that_is_none_is_refused_by_name(order: list[int]) -> None:
    found = traced(plain())
    dim = next(dim for dim, name in found.names.items() if name == "conv1.weight[0]")
    with pytest.raises(UsageError, match=r"conv1\.weight\[0\].* from 0 to 7 once"):
        reorder(found, {dim: np.array(order)})


def test_the_outputs_are_those_of_the_dense_model_where_sizes_are_open() -> None:
    """Traced as a user's model is: with a batch that only the running model knows."""
    model = Model(plain(batch="N"))
    found = trace(model, allow_norm=True)
    feeds = random_feeds(found, concrete_inputs(model))
    new = reorder(found, random_orders(found))
    assert np.allclose(run(model, feeds)[0], run(new, feeds)[0], atol=1e-5)
