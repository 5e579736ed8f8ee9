"""FPGM: the filter that the others can stand in for, by the weights that make the units."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net, branchy, edit, plain, traced, values
from quantized_graphs import QuantizedGraph
from scored import column

from onnxprune.criteria import geometric_median, score
from onnxprune.criteria.producers import producing_sides

CROSS = np.array([[0, 0, 0], [2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
"""Five filters of three weights: the first is at the centre of the others."""


def distances(filters: np.ndarray) -> np.ndarray:
    """The sum of the distances of each row to all others, divided by its mean."""
    apart = np.linalg.norm(filters[:, None] - filters[None], axis=2).sum(axis=1)
    return np.asarray(apart / apart.mean())


def cross(consumer: float = 1) -> onnx.ModelProto:
    net = Net()
    proto = net.model(net.head(net.conv("conv1", "x", 5)))
    proto = edit(proto, "fc.weight", lambda w: w * np.float32(consumer))
    return edit(proto, "conv1.weight", lambda w: CROSS[..., None, None])


def fpgm(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    found = traced(proto)
    saliency = score(found, "fpgm", 0)
    return {found.names[dim]: saliency[dim] for dim in found.dims}


def sides(proto: onnx.ModelProto) -> dict[str, set[int]]:
    """Weight -> the axes along which it makes a dim."""
    made: dict[str, set[int]] = {}
    for (_, name), _, place, _ in producing_sides(traced(proto)):
        made.setdefault(name, set()).add(place)
    return made


def test_the_filter_at_the_centre_is_least() -> None:
    found = fpgm(cross())["conv1.weight[0]"]
    assert found.argmin() == 0
    np.testing.assert_allclose(found, distances(CROSS))


def test_what_reads_the_unit_does_not_count() -> None:
    np.testing.assert_array_equal(fpgm(cross(1))["conv1.weight[0]"], fpgm(cross(100))["conv1.weight[0]"])


def test_moving_all_filters_changes_nothing() -> None:
    moved = edit(cross(), "conv1.weight", lambda w: w + np.float32(3))
    np.testing.assert_allclose(fpgm(moved)["conv1.weight[0]"], distances(CROSS), rtol=1e-6)


def test_filters_that_are_all_the_same_are_worth_nothing() -> None:
    assert not fpgm(edit(cross(), "conv1.weight", np.ones_like))["conv1.weight[0]"].any()


def test_distances_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = fpgm(plain())
    monkeypatch.setattr(geometric_median, "BLOCK", 3)
    for name, expected in at_once.items():
        np.testing.assert_allclose(fpgm(plain())[name], expected)


def test_layers_that_make_the_same_units_add_up() -> None:
    net = Net()
    proto = net.model(net.head(net.node("Add", [net.conv("conv1", "x", 5), net.conv("conv2", "x", 5, 3)], "sum")))
    total = 0
    for name in ("conv1.weight", "conv2.weight"):
        filters = values(proto)[name].reshape(5, -1)
        total = total + np.linalg.norm(filters[:, None] - filters[None], axis=2).sum(axis=1)
    np.testing.assert_allclose(fpgm(proto)["conv1.weight[0]"], total / np.mean(total), rtol=1e-5)


def test_each_side_of_a_concatenation_has_filters_of_its_own() -> None:
    """`joined` is what two layers behind a split make; `mix` makes what is split."""
    proto = branchy()
    filters = values(proto)["side.weight"].reshape(6, -1)
    np.testing.assert_allclose(fpgm(proto)["side.weight[0]"], distances(filters), rtol=1e-5)
    found = fpgm(proto)
    mixed = values(proto)["mix.weight"].reshape(12, -1)
    np.testing.assert_allclose(found["mix.weight[0].0"], distances(mixed[:4]), rtol=1e-5)
    np.testing.assert_allclose(found["mix.weight[0].1"], distances(mixed[4:]), rtol=1e-5)


def test_all_gates_of_a_hidden_unit_are_one_filter() -> None:
    g = Graph()
    w, r = g.weight(1, 20, 3), g.weight(1, 20, 5)
    lstm = g.add("LSTM", g.input(4, 2, 3), w, r, hidden_size=5)
    g.output(g.linear(g.add("Squeeze", lstm, g.ints(1)), 2))
    proto = g.model()
    total = 0
    for name in (w, r):
        filters = values(proto)[name].reshape(4, 5, -1).swapaxes(0, 1).reshape(5, -1)
        total = total + np.linalg.norm(filters[:, None] - filters[None], axis=2).sum(axis=1)
    (found,) = fpgm(proto).values()
    np.testing.assert_allclose(found, total / np.mean(total), rtol=1e-5)


def test_a_depthwise_filter_makes_its_channel() -> None:
    assert sides(branchy())["depthwise.weight"] == {0}


def test_quantized_weights_make_what_they_give_with_an_activation() -> None:
    g = QuantizedGraph()
    x = g.rounded(g.image())
    first, second = g.dequantized(6, 3, 1, 1, axis=0), g.dequantized(4, 6, 1, 1, axis=0)
    g.finish(g.add("Conv", g.add("Conv", x, first), second))
    made = sides(g.model())
    stored = {node.output[0]: node.input[0] for node in g.nodes}
    assert made[stored[first]] == {0} and made[stored[second]] == {0}


def test_a_transposed_weight_makes_units_along_its_first_axis() -> None:
    g = Graph()
    weight = g.weight(6, 3)
    reader = g.weight(2, 6)
    hidden = g.add("MatMul", g.input(4, 3), g.transpose(weight, 1, 0))
    g.output(g.add("MatMul", hidden, g.transpose(reader, 1, 0)))
    assert sides(g.model()) == {weight: {0}}


def test_a_dim_that_no_weight_makes_is_judged_by_those_that_read_it() -> None:
    g = Graph()
    copies = g.add("Expand", g.input(2, 1), g.ints(2, 6))
    reader = g.weight(6, 3)
    g.output(g.add("MatMul", g.add("Mul", copies, g.weight(6)), reader))
    (found,) = fpgm(g.model()).values()
    np.testing.assert_allclose(found, distances(values(g.model())[reader]), rtol=1e-5)


def test_scaling_a_layer_ranks_no_dim_above_another() -> None:
    loud = edit(plain(), "conv1.weight", lambda w: w * column(np.full(8, 100, np.float32)))
    np.testing.assert_allclose(fpgm(loud)["conv1.weight[0]"], fpgm(plain())["conv1.weight[0]"], rtol=1e-5)
