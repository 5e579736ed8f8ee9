"""What repair met in exported models: each case here once crashed it, or made it say or store something wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import Net
from onnx import TensorProto, helper
from repairs import Pairs, Repaired, repaired

from onnxprune.calibrate.stages import Stages
from onnxprune.errors import ModelError
from onnxprune.recover import RECOVERIES, Correction, Recovery, Rows
from onnxprune.recover.least_squares import fit
from onnxprune.runtime import Feeds

Make = Callable[[], onnx.ModelProto]


def stored(done: Repaired, name: str) -> np.ndarray:
    return done.model.array(done.model.constants["", name])


def test_a_bias_in_a_list_of_floats_becomes_a_tensor() -> None:
    """Such an attribute cannot be written back in place."""
    g = Pairs()
    x = g.relu(g.add("Gemm", g.input(20, 5), g.pair(8, 5), g.pair(8), transB=1))
    bias = g.add("Constant", value_floats=[1.0, 2.0, 3.0])
    g.output(g.add("Gemm", x, g.weight(8, 3), bias))
    done = repaired(g.model(), method="bias")
    assert done.repair.added == (f"{bias}_2",) and done.drift() < done.drift(done.sliced)
    assert not np.array_equal(stored(done, f"{bias}_2"), [1, 2, 3])


def test_before_ir_version_4_an_added_bias_is_an_input_too() -> None:
    net = Net()
    x = net.relu(net.conv("first", "x", 8))
    proto = net.model(net.head(net.conv("second", x, 6, bias=False)))
    proto.ir_version = 3
    stored = [helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in proto.graph.initializer]
    proto.graph.input.extend(stored)
    done = repaired(proto)
    assert done.repair.added == ("second_bias",)
    assert "second_bias" in {info.name for info in done.model.proto.graph.input}


# Values that cannot be fitted to


def not_a_number() -> onnx.ModelProto:
    """The logarithm of what may be negative."""
    g = Graph()
    x = g.add("Relu", g.gemm(g.input(20, 5), 8))
    g.output(g.gemm(g.add("Log", g.gemm(x, 6)), 3))
    return g.model()


def nothing() -> onnx.ModelProto:
    """No row is chosen, of an image."""
    g = Graph()
    x = g.add("Relu", g.conv(g.image(), 8))
    x = g.add("Compress", x, g.store([False, False], bool), axis=0)
    g.output(g.conv(x, 3))
    return g.model()


@pytest.mark.parametrize("method", RECOVERIES)
def test_a_layer_that_is_given_no_numbers_is_left(method: str) -> None:
    done = repaired(not_a_number(), method=method)
    assert [*done.repair.left.values()] == ["its values on the samples are not finite"]
    assert len(done.repair.layers) == 1


@pytest.mark.parametrize("method", RECOVERIES)
def test_a_layer_that_nothing_reaches_is_left(method: str) -> None:
    done = repaired(nothing(), method=method)
    assert [*done.repair.left.values()] == ["nothing reaches it on the samples"]


def test_a_weight_that_would_overflow_its_type_is_left() -> None:
    """Half precision ends at 65504: what is kept of a pair would have to weigh twice 40000."""
    g = Graph()
    x = g.add("Relu", g.add("MatMul", g.input(20, 4, dtype=TensorProto.FLOAT16), g.store(np.eye(4), np.float16)))
    twice = np.repeat(np.eye(4), 2, axis=1)
    x = g.add("Relu", g.add("MatMul", x, g.store(twice, np.float16)))
    weight = g.store(np.full((8, 3), 40000), np.float16)
    g.output(g.add("Mul", g.add("MatMul", x, weight), g.store(1e-4, np.float16)))
    done = repaired(g.model())
    assert [*done.repair.left.values()] == ["its corrected weights are too large for the type that they are stored in"]
    assert (stored(done, weight) == 40000).all()


def test_a_model_that_cannot_be_run_in_parts_is_pruned_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(stages: Stages, names: Sequence[str]) -> Iterator[Feeds]:
        raise ModelError("onnxruntime cannot run the model: no such kernel")

    monkeypatch.setattr(Stages, "advance", advance)
    g = Pairs()
    g.finish(g.hidden(g.image(), 8))
    done = repaired(g.model())
    assert done.repair.layers == () and all("no such kernel" in reason for reason in done.repair.left.values())
    assert len(done.repair.left) == 1


# Rows that are others in the pruned model


def sorted_rows() -> onnx.ModelProto:
    """Rows sorted by a score that no repair can restore, as a detector sorts its proposals."""
    g = Pairs()
    rows = g.input(40, 5)
    x = g.relu(g.add("MatMul", rows, g.pair(5, 8, axis=1)))
    scores = g.reshape(g.linear(g.relu(g.linear(rows, 8)), 1), -1)
    _, order = g.nodes_of("TopK", [scores, g.ints(40)], 2)
    g.output(g.linear(g.add("Gather", x, order, axis=0), 3))
    return g.model()


def test_rows_behind_a_choice_are_fitted_to_themselves() -> None:
    """The last layer is given other rows than in the dense model; what it makes of each can still be restored."""
    sequential, at_once = (repaired(sorted_rows(), method=method) for method in ("sequential", "least-squares"))
    assert not sequential.repair.left
    assert [layer.after < 1e-6 for layer in sequential.repair.layers] == [False, True]
    name = sequential.repair.recovered[-1]
    assert np.array_equal(stored(sequential, name), stored(at_once, name))


# Too few rows


def test_a_single_row_to_judge_by_shows_what_is_missed() -> None:
    """Its distance from itself is no variance to compare with."""
    g = Graph()
    g.output(g.gemm(g.add("Relu", g.gemm(g.input(1, 5), 8)), 3))
    done = repaired(g.model(), batches=5)
    assert done.repair.layers[0].before > 0


@pytest.mark.parametrize("batches", [1, 4])
def test_of_few_batches_neighbours_are_held_back_together(batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one sample resemble each other: fitted to one, another says nothing about what is new."""
    held: list[np.ndarray] = []

    def look(rows: Rows) -> Correction:
        held.append(rows.held)
        return Correction(np.zeros_like(rows.matrix), np.zeros_like(rows.bias))

    monkeypatch.setitem(RECOVERIES, "look", Recovery("look", True, look))
    g = Graph()
    g.output(g.gemm(g.add("Relu", g.gemm(g.input(10, 5), 8)), 3))
    repaired(g.model(), method="look", batches=batches)
    rows = 10 * batches
    assert np.flatnonzero(held[0]).tolist() == list(range(2 * rows // 5, 3 * rows // 5))


def test_inputs_that_are_not_zero_in_the_rows_held_back_alone_can_be_fitted() -> None:
    """Such as one bright pixel: centred, the other rows hold nothing but rounding, which no matrix can be made of."""
    held = np.arange(980) % 5 == 2
    inputs = np.zeros((1, 980, 9), np.float32)
    inputs[0, np.flatnonzero(held)[:9]] = 13.655388 * np.eye(9)
    residual = np.random.default_rng(0).normal(size=(1, 980, 1)).astype(np.float32)
    found = fit(inputs, residual, held)
    assert np.isfinite(found.weight).all() and found.after < 1.01 * found.before
