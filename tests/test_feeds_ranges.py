"""Inputs to verify on lie within what the graph can take, by whatever way it reads them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import plain, traced
from numpy.typing import NDArray
from onnx import TensorProto, helper
from quantized_graphs import MICROSOFT, QuantizedGraph

from onnxprune import prune
from onnxprune.errors import ModelError
from onnxprune.feeds import random_feeds, usable_feeds, vocabulary
from onnxprune.ranges import readings

INT32, INT64, BOOL = TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL
ROWS = 7


def drawn(
    build: Callable[[Graph, str], object], *shape: int | str, dtype: int = INT64, name: str = ""
) -> NDArray[np.generic]:
    """What is drawn for an input that a graph reads in some way; open axes are 40 long."""
    g = QuantizedGraph(opset=17)
    x = g.input(*shape, dtype=dtype)
    result = build(g, x)
    g.output(str(result))
    proto = g.model()
    if name:
        rename(proto, x, name)
    name = name or x
    sizes = tuple(40 if isinstance(length, str) else length for length in shape)
    others = {info.name: (40, 3) for info in proto.graph.input if info.name != name}
    return random_feeds(traced(proto), {name: sizes, **others})[name]


def rename(proto: onnx.ModelProto, old: str, new: str) -> None:
    """Give an input of the main graph another name."""
    proto.graph.input[0].name = new
    for node in proto.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]


def table(g: Graph, rows: int = ROWS) -> str:
    return g.weight(rows, 3)


def looked_up(prepare: Callable[[Graph, str], str]) -> Callable[[Graph, str], str]:
    return lambda g, x: g.add("Gather", table(g), prepare(g, x))


def embedded(slot: int) -> Callable[[Graph, str], str]:
    """An embedding in one node, of which the input is one of three kinds of numbers."""

    def build(g: Graph, x: str) -> str:
        fixed = g.store(np.zeros((2, 40)), np.int32)
        ids = [x if place == slot else fixed for place in (0, 1, 8)]
        tables = [g.weight(rows, 8) for rows in (11, 9, 3)]
        given = [*ids[:2], *tables, g.weight(8), g.weight(8), "", ids[2]]
        return g.nodes_of("EmbedLayerNormalization", given, 2, domain=MICROSOFT)[0]

    return build


def in_both_branches(g: Graph, x: str) -> str:
    bodies = {}
    for side, rows in (("then_branch", ROWS), ("else_branch", 30)):
        picked = helper.make_node("Gather", [table(g, rows), x], [f"{side}_y"])
        given = helper.make_tensor_value_info(f"{side}_y", TensorProto.FLOAT, [40, 3])
        bodies[side] = helper.make_graph([picked], side, [], [given])
    return g.add("If", g.store(True), **bodies)


def in_a_loop(g: Graph, x: str) -> str:
    """What the loop carries is looked up inside."""
    names = {"i": INT64, "go": BOOL, "ids": INT64}
    nodes = [
        helper.make_node("Gather", [table(g), "ids"], ["rows"]),
        helper.make_node("Identity", ["go"], ["go_on"]),
        helper.make_node("Identity", ["ids"], ["same"]),
    ]
    shapes = {"i": [], "go": [], "ids": [40]}
    given = [helper.make_tensor_value_info(name, dtype, shapes[name]) for name, dtype in names.items()]
    results = [("go_on", BOOL, []), ("same", INT64, [40]), ("rows", TensorProto.FLOAT, [40, 3])]
    body = helper.make_graph(nodes, "body", given, [helper.make_tensor_value_info(*each) for each in results])
    return g.nodes_of("Loop", [g.store(2), "", x], 2, body=body)[1]


RANGES: dict[str, tuple[Callable[[Graph, str], str], int, int]] = {
    "behind a cast": (looked_up(lambda g, x: g.add("Cast", g.add("Cast", x, to=INT32), to=INT64)), 0, 6),
    "behind a clip": (looked_up(lambda g, x: g.add("Clip", x, g.store(0), g.store(5))), 0, 6),
    "behind an offset": (looked_up(lambda g, x: g.add("Add", x, g.store(2))), -2, 4),
    "behind an offset in front": (looked_up(lambda g, x: g.add("Add", g.store(2), x)), -2, 4),
    "behind a negative offset": (looked_up(lambda g, x: g.add("Sub", x, g.store(1))), 1, 7),
    "behind several offsets": (looked_up(lambda g, x: g.add("Add", g.add("Sub", x, g.store(4)), g.store(1))), 3, 9),
    "behind a remainder": (looked_up(lambda g, x: g.add("Mod", x, g.store(ROWS))), 0, 6),
    "behind moves": (looked_up(lambda g, x: g.reshape(g.add("Unsqueeze", x, g.ints(0)), 8, 5)), 0, 6),
    "along another axis": (lambda g, x: g.add("Gather", g.weight(3, 20), x, axis=1), 0, 19),
    "along the last axis": (lambda g, x: g.add("Gather", g.weight(3, 20), x, axis=-1), 0, 19),
    "of a computed table": (lambda g, x: g.add("Gather", g.linear(table(g, 9), 4), x), 0, 8),
    "of elements": (lambda g, x: g.add("GatherElements", g.weight(3, 40), g.reshape(x, 1, 40), axis=0), 0, 2),
    "of several axes": (lambda g, x: g.add("GatherND", g.weight(9, 4, 5), g.reshape(x, 20, 2)), 0, 3),
    "in branches": (in_both_branches, 0, 6),
    "in a loop": (in_a_loop, 0, 6),
    "of scattered updates": (
        lambda g, x: g.add("ScatterElements", g.weight(12), x, g.weight(40), reduction="add"),
        0,
        11,
    ),
    "of a one-hot code": (lambda g, x: g.add("OneHot", x, g.ints(6), g.store([0, 1], np.float32)), 0, 5),
}


@pytest.mark.parametrize("how", RANGES)
def test_numbers_lie_within_what_is_read(how: str) -> None:
    build, low, high = RANGES[how]
    values = drawn(build, "tokens")
    assert (values.min(), values.max()) == (low, high)


@pytest.mark.parametrize(("slot", "rows"), [(0, 11), (1, 3), (8, 9)])
def test_an_embedding_in_one_node_has_three_tables(slot: int, rows: int) -> None:
    values = np.concatenate([drawn(embedded(slot), 2, 5, dtype=INT32).ravel() for _ in range(1)])
    assert values.min() >= 0 and values.max() < rows and (rows < 5 or values.max() > 2)


def test_of_two_tables_the_smaller_counts() -> None:
    def build(g: Graph, x: str) -> str:
        return g.add("Add", g.add("Gather", table(g, 50), x), g.add("Gather", table(g, 4), x))

    assert drawn(build, "tokens").max() == 3


def test_the_vocabulary_is_less_what_is_added() -> None:
    g = Graph()
    x = g.input(4, dtype=INT64)
    g.output(g.add("Gather", table(g), g.add("Add", x, g.store(2))))
    assert vocabulary(traced(g.model()), x) == 5


def test_contradictions_say_nothing() -> None:
    def build(g: Graph, x: str) -> str:
        high = g.add("Gather", table(g), g.add("Sub", x, g.store(100)))
        return g.add("Add", high, g.add("Gather", table(g), x))

    assert set(drawn(build, "tokens").tolist()) == {0, 1}


@pytest.mark.parametrize("op_type", ["LSTM", "GRU", "RNN"])
def test_lengths_of_sequences_are_at_least_1_and_at_most_the_steps(op_type: str) -> None:
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op_type]

    def build(g: Graph, x: str) -> str:
        steps = g.linear(g.input(6, 30, 3), 4)
        weights = [g.weight(1, gates * 5, 4), g.weight(1, gates * 5, 5), ""]
        return g.nodes_of(op_type, [steps, *weights, x], 1, hidden_size=5)[0]

    values = drawn(build, 30, dtype=INT32)
    assert (values.min(), values.max()) == (1, 6)


def test_positions_of_an_open_axis_are_those_that_it_has() -> None:
    g = Graph()
    tokens, place = g.input("batch", "tokens", 3), g.input("batch", dtype=INT64)
    g.output(g.add("Gather", tokens, place, axis=1))
    feeds = random_feeds(traced(g.model()), {tokens: (50, 6, 3), place: (50,)})
    assert (feeds[place].min(), feeds[place].max()) == (0, 5)


# Masks


def added_to_scores(g: Graph, x: str) -> str:
    real = g.add("Cast", g.add("Unsqueeze", x, g.ints(1)), to=TensorProto.FLOAT)
    bias = g.add("Mul", g.add("Sub", g.store(1, np.float32), real), g.store(-1e4, np.float32))
    return g.add("Softmax", g.add("Add", g.weight(3, 1, 8), bias))


@pytest.mark.parametrize("dtype", [INT32, INT64, BOOL, TensorProto.FLOAT])
def test_a_mask_is_known_by_what_is_done_with_it(dtype: int) -> None:
    values = drawn(added_to_scores, 3, 8, dtype=dtype).astype(np.float64)
    assert set(values.ravel()) == {0, 1} and values[:, 0].all() and not values[:, -1].any()


def test_a_row_of_one_position_is_not_masked() -> None:
    assert drawn(lambda g, x: g.add("Cast", x, to=1), 3, 1, name="attention_mask").all()


def test_rows_of_one_sample_are_masked_alike() -> None:
    values = drawn(lambda g, x: g.add("Cast", x, to=1), 4, 1, 5, 5, dtype=BOOL, name="attention_mask")
    assert (values == values[:, :, :1]).all() and not (values == values[:1]).all()


def test_what_is_added_to_scores_is_any_real_number() -> None:
    values = drawn(lambda g, x: g.add("Neg", x), 2, 1, 5, 5, dtype=TensorProto.FLOAT, name="attention_mask")
    assert len(np.unique(values)) == values.size


def test_what_indexes_is_no_mask_whatever_its_name() -> None:
    assert drawn(looked_up(lambda g, x: x), "tokens", name="mask_positions").max() == ROWS - 1


def test_a_model_that_masks_give_nan_is_fed_without_masked_positions() -> None:
    g = Graph()
    mask, x = g.input(2, 4, dtype=TensorProto.FLOAT), g.input(2, 4, 3)
    column = g.add("Log", g.add("Sub", g.add("Mul", mask, g.store(2, np.float32)), g.store(1, np.float32)))
    g.output(g.linear(g.linear(g.add("Add", x, g.add("Unsqueeze", column, g.ints(2))), 6), 2))
    proto = g.model()
    rename(proto, mask, "mask")
    assert usable_feeds(traced(proto))["mask"].all()
    assert prune(proto, 0.3, calibration="none").report.verified["verdict"] == "proved"


# Types


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(TensorProto.INT8, -128, 127), (TensorProto.UINT8, 0, 255), (TensorProto.INT4, -8, 7), (TensorProto.UINT4, 0, 15)],
)
def test_narrow_integers_take_their_whole_range(dtype: int, low: int, high: int) -> None:
    info = helper.make_tensor_value_info("x", dtype, [64, 64])
    y = helper.make_tensor_value_info("y", dtype, [64, 64])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [info], [y])
    found = traced(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))
    values = random_feeds(found, {"x": (64, 64)})["x"]
    assert values.dtype == helper.tensor_dtype_to_np_dtype(dtype)
    assert (values.astype(int).min(), values.astype(int).max()) == (low, high)


@pytest.mark.parametrize("name", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT16", "DOUBLE"])
def test_reals_have_the_type_that_is_declared(name: str) -> None:
    dtype = getattr(TensorProto, name)
    info = helper.make_tensor_value_info("x", dtype, [64])
    y = helper.make_tensor_value_info("y", dtype, [64])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [info], [y])
    found = traced(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)]))
    values = random_feeds(found, {"x": (64,)})["x"]
    assert values.dtype == helper.tensor_dtype_to_np_dtype(dtype) and values.astype(np.float32).std() > 0.5


def test_a_single_number_is_drawn() -> None:
    assert drawn(lambda g, x: g.add("Cast", x, to=1)).shape == ()


def test_a_half_precision_model_that_cannot_be_run_is_proved_as_a_float32_twin() -> None:
    """This onnxruntime has no convolution in bfloat16."""
    proto = plain()
    kept = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(kept), tensor.name))
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = TensorProto.BFLOAT16
    verified = prune(proto, 0.3, calibration="none").report.verified
    assert verified["verdict"] == "proved" and verified["float32_twin"]


def test_what_is_optional_cannot_be_drawn() -> None:
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    node = helper.make_node("OptionalGetElement", ["maybe"], ["y"])
    graph = helper.make_graph([node], "g", [helper.make_value_info("maybe", kind)], [y])
    found = traced(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]))
    with pytest.raises(ModelError, match=r"input 'maybe' is not a tensor.*--no-verify"):
        random_feeds(found, {"maybe": (2,)})


def test_open_axes_of_one_name_are_equally_long() -> None:
    g = Graph()
    one, other = g.input("batch", "tokens", dtype=INT64), g.input("batch", "tokens", dtype=INT64)
    g.output(g.add("Add", g.add("Gather", table(g), one), g.add("Gather", table(g), other)))
    feeds = usable_feeds(traced(g.model()))
    assert feeds[one].shape == feeds[other].shape
    assert readings(traced(g.model()), one).range == readings(traced(g.model()), other).range
