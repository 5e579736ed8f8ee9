"""Every criterion, on every kind of dim: with and without consumers, stored in real numbers or quantized."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import branchy, plain, random_net, shared_scale, traced
from quantized_graphs import QuantizedGraph
from scored import statistics

from onnxprune.calibrate.statistics import Statistics
from onnxprune.criteria import CRITERIA, Needs, needs_of, score
from onnxprune.errors import UsageError
from onnxprune.tracing import Trace


def attention() -> onnx.ModelProto:
    """Heads, the width of queries and keys (which no linear layer sums over), and the width of values."""
    g = Graph()
    x = g.input(2, 6, 8)

    def heads(width: int, *order: int) -> str:
        return g.transpose(g.reshape(g.linear(x, 3 * width), 2, 6, 3, width), *order)

    weights = g.add("Softmax", g.add("MatMul", heads(4, 0, 2, 1, 3), heads(4, 0, 2, 3, 1)), axis=-1)
    mixed = g.transpose(g.add("MatMul", weights, heads(5, 0, 2, 1, 3)), 0, 2, 1, 3)
    g.output(g.linear(g.reshape(mixed, 2, 6, 15), 8))
    return g.model()


def recurrent() -> onnx.ModelProto:
    """The hidden units of an LSTM: four gates each, and fed back."""
    g = Graph()
    lstm = g.add("LSTM", g.input(4, 2, 3), g.weight(1, 20, 3), g.weight(1, 20, 5), g.weight(1, 40), hidden_size=5)
    g.output(g.linear(g.add("Squeeze", lstm, g.ints(1)), 2))
    return g.model()


def depthwise() -> onnx.ModelProto:
    """An inverted bottleneck."""
    g = Graph()
    g.finish(g.conv(g.conv(g.conv(g.image(), 6), 6, kernel=3, group=6), 4), hidden=5)
    return g.model()


def groups() -> onnx.ModelProto:
    """Whole groups, and the width within the groups, on either side."""
    g = Graph()
    g.finish(g.conv(g.conv(g.image(), 6), 8, group=2))
    return g.model()


def quantized() -> onnx.ModelProto:
    """Weights and activations in int8: the layers are not linear in a stored weight."""
    g = QuantizedGraph()
    x = g.qdq_conv(g.rounded(g.image()), 6, kernel=3)
    g.output(g.qdq_conv(g.qdq_conv(x, 4), 2))
    return g.model()


def vectors_alone() -> onnx.ModelProto:
    """A dim that no matrix has: a shift and a scale of the same six."""
    g = Graph()
    x = g.input(2, 5, 1)
    shifted, scaled = g.add("Add", x, g.weight(6)), g.add("Mul", x, g.weight(6))
    g.output(g.add("MatMul", shifted, g.transpose(scaled, 0, 2, 1)))
    return g.model()


NETWORKS: list[Callable[[], onnx.ModelProto]] = [
    plain, branchy, shared_scale, attention, recurrent, depthwise, groups, quantized, vectors_alone,
]  # fmt: skip


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda network: network.__name__)
def observed(request: pytest.FixtureRequest) -> tuple[Trace, dict[str, Statistics]]:
    found = traced(request.param())
    assert found.dims
    return found, statistics(found)


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_every_unit_of_every_dim_gets_a_finite_number_at_least_zero(
    name: str, observed: tuple[Trace, dict[str, Statistics]]
) -> None:
    found, seen = observed
    saliency = score(found, name, 0, seen)
    assert saliency.keys() == set(found.dims)
    for dim, values in saliency.items():
        assert values.shape == (dim.size,) and values.dtype == np.float64
        assert np.isfinite(values).all() and (values >= 0).all() and values.any()


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"random"}))
@pytest.mark.parametrize("residual", [False, True])
def test_units_are_told_apart_and_the_order_is_the_same_each_time(name: str, residual: bool) -> None:
    first, again = (traced(random_net(3, [6, 8, 7], residual)) for _ in range(2))
    once, twice = score(first, name, 0, statistics(first)), score(again, name, 1, statistics(again))
    assert all(len(np.unique(once[dim])) > 1 for dim in first.dims)
    assert all(np.array_equal(once[a], twice[b]) for a, b in zip(first.dims, again.dims, strict=True))


@pytest.mark.parametrize("name", [name for name in sorted(CRITERIA) if needs_of(name) > Needs.WEIGHTS])
def test_without_calibration_a_criterion_that_looks_at_activations_says_so(name: str) -> None:
    with pytest.raises(UsageError, match=f"--criterion {name} looks at activations"):
        score(traced(plain()), name, 0)


@pytest.mark.parametrize("name", [name for name in sorted(CRITERIA) if needs_of(name) == Needs.WEIGHTS])
def test_a_criterion_of_weights_needs_no_statistics(name: str) -> None:
    found = traced(plain())
    assert score(found, name, 0).keys() == set(found.dims)
