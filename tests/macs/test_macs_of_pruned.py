"""Costs at kept counts are those of the model that is really sliced, counted by other means."""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx
from counters import by_onnx_tool, by_running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mac_cases import bodies
from mac_cases.case import MacGraph
from networks import branchy, traced
from pruning import random_masks
from random_graphs import STEPS, Drawn, Opening, drawn, grow, openings

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.cost import cost_of
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model

SEEDS = st.integers(0, 1_000)

LAYERS = sorted(STEPS.keys() - {"constant_scale", "recurrent", "shared_weight"})
"""Steps of whose real numbers every one that may go is a parameter, and is stored once.

The others may have bounds or first states of zeros, which are none, or copies that turn out to be the same.
"""


def counts_of(masks: Mapping[Dim, Mask]) -> dict[Dim, int]:
    return {dim: int(mask.sum()) for dim, mask in masks.items()}


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(openings, drawn(sorted(STEPS)), SEEDS)
def test_macs_at_any_widths_are_those_of_a_run_of_the_pruned_model(opening: Opening, steps: Drawn, seed: int) -> None:
    proto = grow(opening, steps, seed)
    found = traced(proto)
    masks = random_masks(found, seed)
    pruned, _ = apply_masks(found, masks)
    ran = by_running(pruned, usable_feeds(found)).total()
    assert cost_of(found).macs(counts_of(masks)) == ran > 0


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_macs_at_any_widths_are_those_that_onnx_tool_counts(seed: int) -> None:
    found = traced(branchy())
    masks = random_masks(found, seed)
    pruned, _ = apply_masks(found, masks)
    counted = by_onnx_tool(pruned.proto, usable_feeds(found)).total()
    assert cost_of(found).macs(counts_of(masks)) == counted > 0


def real_numbers(model: Model) -> int:
    return sum(math.prod(tensor.dims) for tensor in model.tensors() if tensor.data_type == onnx.TensorProto.FLOAT)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(openings, drawn(LAYERS), SEEDS)
def test_as_many_parameters_go_as_real_numbers_of_the_stored_model(opening: Opening, steps: Drawn, seed: int) -> None:
    found = traced(grow(opening, steps, seed))
    masks = random_masks(found, seed)
    pruned, _ = apply_masks(found, masks)
    params = cost_of(found).params
    gone = params({}) - params(counts_of(masks))
    assert gone == real_numbers(found.model) - real_numbers(pruned)


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_work_in_a_body_follows_the_widths_around_it(seed: int) -> None:
    """A Scan of 7 steps; 4 rows of 3 numbers in, then two widths that may shrink, then 2."""
    g = MacGraph()
    hidden = g.add("MatMul", g.input(7, 4, 3), g.weight(3, 5))
    x_t = onnx.helper.make_tensor_value_info("x_t", onnx.TensorProto.FLOAT, [4, 5])
    inner = bodies.body("step", 6, [x_t], [bodies.result(6)], "x_t")
    g.output(g.add("MatMul", g.add("Scan", hidden, body=inner, num_scan_inputs=1), g.weight(6, 2)))
    found = traced(g.model())
    masks = random_masks(found, seed)
    first, second = sorted(masks, key=lambda dim: dim.size)
    counts = counts_of(masks)
    a, b = counts[first], counts[second]
    assert (first.size, second.size) == (5, 6)
    assert cost_of(found).macs(counts) == 7 * 4 * (3 * a + a * b + b * 2)
