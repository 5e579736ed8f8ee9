"""Measures: what one dim costs at many widths at once is what each of them costs by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import branchy, plain, random_net, shared_scale
from random_graphs import NORMS, STEPS, drawn, grow, openings

from onnxprune.axes import Dim
from onnxprune.cost import Cost, Term, cost_of
from onnxprune.measure import Measure
from onnxprune.model import Model
from onnxprune.tracing import Trace, trace

MEASURES = ("params", "macs", "size", "channels")

networks = st.builds(
    random_net,
    st.integers(0, 9),
    st.lists(st.integers(2, 12), min_size=2, max_size=4),
    st.booleans(),
    st.sampled_from([1, 2]),
) | st.sampled_from([plain(), branchy(), shared_scale()])
graphs = st.builds(grow, openings, drawn([*STEPS, *NORMS]))


def random_counts(found: Trace, seed: int) -> dict[Dim, int]:
    """Widths of some of the dims; the others are left out."""
    rng = np.random.default_rng(seed)
    return {dim: int(rng.integers(1, dim.size + 1)) for dim in found.dims if rng.random() < 0.7}


def lstm(hidden: int = 6) -> onnx.ModelProto:
    g = Graph()
    w, r = g.weight(1, 4 * hidden, 5), g.weight(1, 4 * hidden, hidden)
    out = g.nodes_of("LSTM", [g.input(4, 2, 5), w, r], 1, hidden_size=hidden)[0]
    g.output(g.linear(g.add("Squeeze", out, g.ints(1)), 3))
    return g.model()


def check(proto: onnx.ModelProto, seed: int) -> None:
    found = trace(Model(proto), allow_norm=True)
    cost, counts = cost_of(found), random_counts(found, seed)
    for measure in (cost.measures[name] for name in MEASURES):
        for dim in found.dims:
            check_curve(measure, dim, counts)
        check_arrays(measure, found, seed)


def check_curve(measure: Measure, dim: Dim, counts: dict[Dim, int]) -> None:
    widths = np.arange(1, dim.size + 1)
    curve = measure.curve(dim, widths, counts)
    each = np.array([measure.at({**counts, dim: int(width)}) for width in widths])
    assert curve.shape == widths.shape
    assert np.diff(curve) == pytest.approx(np.diff(each), abs=1e-6 * max(measure.dense, 1))


def check_arrays(measure: Measure, found: Trace, seed: int) -> None:
    """Several dims at once: an array of candidates for each."""
    candidates = [random_counts(found, seed + n) for n in range(5)]
    arrays: Any = {dim: np.array([counts.get(dim, dim.size) for counts in candidates]) for dim in found.dims}
    together = np.broadcast_to(measure.at(arrays), len(candidates))
    assert together.tolist() == pytest.approx([measure.at(counts) for counts in candidates])


@settings(deadline=None, max_examples=25)
@given(networks, st.integers(0, 999))
def test_curves_and_arrays_of_networks_agree_with_single_widths(proto: onnx.ModelProto, seed: int) -> None:
    check(proto, seed)


@settings(deadline=None, max_examples=25)
@given(graphs, st.integers(0, 999))
def test_curves_and_arrays_of_random_graphs_agree_with_single_widths(proto: onnx.ModelProto, seed: int) -> None:
    check(proto, seed)


def test_curves_and_arrays_of_a_recurrent_layer_agree_with_single_widths() -> None:
    check(lstm(), 0)


@settings(deadline=None, max_examples=25)
@given(graphs, st.integers(0, 999))
def test_nothing_costs_more_than_the_dense_model_but_for_copies(proto: onnx.ModelProto, seed: int) -> None:
    cost = Cost(found := trace(Model(proto)), {})
    counts = random_counts(found, seed)
    for name in ("macs", "channels"):
        assert 0 <= cost.measures[name].at(counts) <= cost.measures[name].dense


def test_the_dense_value_is_that_at_no_counts_and_at_all() -> None:
    cost = cost_of(found := trace(Model(branchy())))
    for measure in cost.measures.values():
        assert measure.dense == measure.at({}) == measure.at({dim: dim.size for dim in found.dims})


def test_parts_without_the_dim_are_left_out_of_its_curve() -> None:
    first, second = Dim(0, 4), Dim(1, 4)
    measure = Measure([Term(2, (first,)), Term(10, (second,)), Term(1, (first, second))], fixed=100)
    assert measure.curve(first, np.array([1, 3]), {second: 2}).tolist() == [2 + 2, 6 + 6]
    assert measure.curve(Dim(2, 9), np.array([1, 2]), {}).tolist() == [0, 0]


def test_a_measure_of_no_parts_is_what_is_fixed() -> None:
    measure = Measure([], fixed=7)
    assert measure.dense == measure.at({Dim(0, 3): 1}) == 7
