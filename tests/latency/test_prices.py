"""From points to prices: made-up ones are found again, none is negative, and a table of something else is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import MACHINE
from networks import Net, plain, traced

from onnxprune.axes import Dim
from onnxprune.cost import cost_of
from onnxprune.errors import DataError
from onnxprune.latency.fit import MILLISECONDS, latency_of, misfit
from onnxprune.latency.nodes import Node, nodes_of
from onnxprune.latency.table import Table
from onnxprune.measure import Measure

BLOCK = 8
Time = Callable[[Node, dict[Dim, int]], float]


def wide(*widths: int) -> onnx.ModelProto:
    net = Net()
    x = "x"
    for n, width in enumerate(widths):
        x = net.relu(net.conv(f"conv{n}", x, width, 3))
    return net.model(net.head(x))


def nodes(proto: onnx.ModelProto) -> list[Node]:
    found = traced(proto)
    return list(nodes_of(found, cost_of(found).symbols))


def table_of(found: Sequence[Node], time: Time, step: int = BLOCK, points: int = 30, around: float = 100.0) -> Table:
    """A table of times that a function gives, at widths that are multiples of `step`, and the dense ones."""
    rng = np.random.default_rng(0)
    table = Table(MACHINE, 1)
    for node in {node.signature: node for node in found}.values():
        for n in range(points if node.dims else 1):
            counts = {
                dim: dim.size if not n else step * int(rng.integers(1, max(dim.size // step, 1) + 1))
                for dim in node.dims
            }
            table.add(node.signature, node.operator, list(counts.values()), time(node, counts))
    table.add("whole", "", [], around)
    return table


def priced(prices: Sequence[float], block: int = BLOCK) -> Time:
    """Microseconds of what a node multiplies and moves at whole blocks: a constant, products, values."""

    def time(node: Node, counts: dict[Dim, int]) -> float:
        features = node.features(node.lengths(counts), block)
        known = [prices[0], *(prices[1:] if node.work else prices[2:])]
        return float(features[: len(known)] @ known)

    return time


def latency(found: Sequence[Node], table: Table) -> Measure:
    return latency_of(table, found, BLOCK, "whole")


def test_made_up_prices_are_found_again_at_any_width() -> None:
    found = nodes(wide(32, 48, 64))
    time = priced([5.0, 1e-3, 1e-2])
    measure = latency(found, table_of(found, time))
    dims = list(dict.fromkeys(dim for node in found for dim in node.dims))
    rng = np.random.default_rng(1)
    for _ in range(20):
        counts = {dim: int(rng.integers(1, dim.size // BLOCK + 1)) * BLOCK for dim in dims}
        expected = sum(time(node, counts) for node in found) + 100.0
        assert measure.at(counts) == pytest.approx(expected * MILLISECONDS, rel=1e-3)


def test_what_is_around_the_nodes_counts_once_whatever_the_widths() -> None:
    found = nodes(wide(32, 32))
    times = [latency(found, table_of(found, priced([5.0, 1e-3, 1e-2]), around=around)) for around in (0.0, 1000.0)]
    dim = found[0].dims[0]
    for counts in ({}, {dim: 8}):
        assert times[1].at(counts) - times[0].at(counts) == pytest.approx(1.0)


def test_widths_between_two_blocks_cost_what_the_wider_block_does() -> None:
    found = nodes(wide(64, 64))
    measure = latency(found, table_of(found, priced([5.0, 1e-3, 1e-2])))
    dim = found[0].dims[0]
    curve = measure.curve(dim, np.arange(4, 65, 4), {})
    assert curve[0::2] == pytest.approx(curve[1::2], rel=1e-2)
    assert np.all(np.diff(curve[1::2]) > 0)


def test_widths_that_were_measured_to_be_dearer_have_prices_of_their_own() -> None:
    found = nodes(wide(64, 64))
    staircase = priced([5.0, 1e-3, 1e-2])

    def time(node: Node, counts: dict[Dim, int]) -> float:
        return (3.0 if node.is_unaligned(node.lengths(counts)) else 1.0) * staircase(node, counts)

    table = table_of(found, time, step=1, points=120)
    measure = latency(found, table)
    dim = found[0].dims[0]
    unaligned, aligned = measure.curve(dim, np.array([31, 32]), {})
    assert unaligned > 2 * aligned
    assert misfit(table, found, BLOCK) < 0.02


def test_where_no_odd_widths_were_measured_they_cost_what_the_next_block_does() -> None:
    found = nodes(wide(64, 64))
    measure = latency(found, table_of(found, priced([5.0, 1e-3, 1e-2])))
    curve = measure.curve(found[0].dims[0], np.array([29, 32]), {})
    assert curve[0] == pytest.approx(curve[1], rel=1e-2)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999))
def test_no_model_gets_faster_by_more_work_however_noisy_the_times(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = nodes(wide(32, 48))
    measure = latency(found, table_of(found, lambda node, counts: float(rng.exponential(20.0)), points=6))
    for node in found:
        for dim in node.dims:
            curve = measure.curve(dim, np.arange(BLOCK, dim.size + 1, BLOCK), {})
            assert np.all(np.diff(curve) >= -1e-12) and np.all(curve >= 0)


def test_curves_and_arrays_agree_with_single_widths() -> None:
    found = nodes(wide(24, 40))
    measure = latency(found, table_of(found, priced([5.0, 1e-3, 1e-2]), step=1))
    first, second = dict.fromkeys(dim for node in found for dim in node.dims)
    widths = np.arange(1, first.size + 1)
    each = [measure.at({first: int(width), second: 7}) for width in widths]
    assert np.diff(measure.curve(first, widths, {second: 7})) == pytest.approx(np.diff(each))
    assert measure.at({first: widths, second: np.full(len(widths), 7)}) == pytest.approx(each)


def test_a_node_that_was_fused_into_another_costs_nothing() -> None:
    found = nodes(wide(32, 32))
    time = priced([5.0, 1e-3, 1e-2])
    table = table_of(found, lambda node, counts: 0.0 if node.operator == "Relu" else time(node, counts))
    measure = latency(found, table)
    assert measure.dense * 1e3 == pytest.approx(
        100.0 + sum(time(node, {}) for node in found if node.operator != "Relu"), rel=1e-3
    )


def test_the_misfit_is_that_of_what_cannot_be_priced() -> None:
    found = nodes(wide(32, 32))
    assert misfit(table_of(found, priced([5.0, 1e-3, 1e-2])), found, BLOCK) < 1e-3
    falling = table_of(found, lambda node, counts: 1000.0 / min(counts.values(), default=1))
    assert misfit(falling, found, BLOCK) > 0.1


# Tables of something else


def test_a_table_of_another_model_is_refused_by_the_node_it_lacks() -> None:
    found, others = nodes(wide(32, 32)), nodes(wide(32, 40))
    with pytest.raises(DataError) as failure:
        latency(others, table_of(found, priced([5.0, 1e-3, 1e-2])))
    assert "conv1" in str(failure.value) and "onnxprune profile" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_row_that_has_other_dims_than_its_node_is_refused() -> None:
    found = nodes(wide(32, 32))
    table = table_of(found, priced([5.0, 1e-3, 1e-2]))
    row = table.rows[found[0].signature]
    row.points = [([*widths, 8], time) for widths, time in row.points]
    with pytest.raises(DataError, match="another model"):
        latency(found, table)


def test_a_table_without_what_is_around_the_nodes_counts_the_nodes_alone() -> None:
    found = nodes(plain())
    table = table_of(found, priced([5.0, 1e-3, 1e-2]), around=0.0)
    whole = latency(found, table)
    del table.rows["whole"]
    assert latency(found, table).dense == whole.dense
