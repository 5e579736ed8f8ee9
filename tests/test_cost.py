"""Cost: parameters and MACs of candidate widths are those of the model that is really sliced to them."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CLASSES, Net, branchy, plain, random_net, shared_scale, traced, values
from onnx import TensorProto, helper

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.cost import Cost, Term, cost_of
from onnxprune.tracing import Trace


def random_masks(found: Trace, seed: int, least: int = 2) -> dict[Dim, Mask]:
    """Masks that keep a random number of units of each dim."""
    rng = np.random.default_rng(seed)
    masks: dict[Dim, Mask] = {}
    for dim in found.dims:
        mask = np.zeros(dim.size, bool)
        mask[rng.permutation(dim.size)[: rng.integers(least, dim.size + 1)]] = True
        masks[dim] = mask
    return masks


def stored_parameters(proto: onnx.ModelProto) -> int:
    return sum(value.size for value in values(proto).values() if value.dtype == np.float32)


def check_against_slicing(proto: onnx.ModelProto, seed: int, least: int = 2) -> None:
    found = traced(proto)
    masks = random_masks(found, seed, least)
    counts = {dim: int(mask.sum()) for dim, mask in masks.items()}
    pruned, _ = apply_masks(found, masks)
    cost, after = cost_of(found), cost_of(traced(pruned.proto))
    assert cost.params(counts) == after.params({}) == stored_parameters(pruned.proto)
    assert cost.macs(counts) == after.macs({})


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 9),
    st.lists(st.sampled_from([2, 3, 4, 6, 9, 12]), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([1, 2]),
    st.integers(0, 99),
)
def test_candidates_cost_what_the_sliced_model_costs(
    seed: int, widths: list[int], residual: bool, group: int, mask_seed: int
) -> None:
    check_against_slicing(random_net(seed, widths, residual, group), mask_seed)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
def test_candidates_of_a_network_with_branches_cost_what_it_costs_when_sliced(seed: int) -> None:
    check_against_slicing(branchy(), seed)


def test_a_dim_of_one_unit_still_counts_its_bias() -> None:
    for seed in range(5):
        check_against_slicing(plain(), seed, least=1)
    assert cost_of(traced(random_net(0, [1]))).params({}) == (3 + 1) + (CLASSES + CLASSES)


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 999))
def test_a_shared_weight_costs_a_copy_once_its_uses_shrink_differently(seed: int) -> None:
    found = traced(shared_scale())
    masks = random_masks(found, seed)
    first, second = masks.values()
    pruned, _ = apply_masks(found, masks)
    counts = {dim: int(mask.sum()) for dim, mask in masks.items()}
    saved_by_luck = int(first.sum()) if np.array_equal(first, second) and not first.all() else 0
    assert cost_of(found).params(counts) - saved_by_luck == stored_parameters(pruned.proto)


def test_parameters_by_hand() -> None:
    cost = cost_of(traced(plain()))
    assert cost.params({}) == (27 * 8 + 8) + 4 * 8 + (8 * 12 + 12) + (12 * CLASSES + CLASSES)
    assert cost.measures["channels"].dense == 8 + 12


def macs(net: Net, output: str, shape: list[int]) -> int:
    return cost_of(traced(net.model(output, shape))).macs({})


def test_other_operators_cost_no_macs() -> None:
    net = Net()
    assert macs(net, net.relu(net.bn("bn", "x")), [2, 3, 5, 5]) == 0


def test_an_open_batch_counts_once() -> None:
    assert cost_of(traced(plain(batch="N"))).macs({}) * 2 == cost_of(traced(plain(batch=2))).macs({})


def test_open_sizes_take_the_values_they_are_given() -> None:
    found = traced(plain(batch="N"))
    assert Cost(found, {"N": 5}).macs({}) == 5 * Cost(found, {"N": 1}).macs({})


def test_a_symbol_of_an_open_image_is_counted_at_its_usual_size() -> None:
    net = Net()
    proto = net.model(net.head(net.relu(net.conv("conv", "x", 8, 3))))
    for place, name in enumerate(("N", "H", "W")):
        proto.graph.input[0].type.tensor_type.shape.dim[(0, 2, 3)[place]].dim_param = name
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("fc", TensorProto.FLOAT, ["N", CLASSES]))
    assert cost_of(traced(proto)).macs({}) == 224 * 224 * 27 * 8 + 8 * CLASSES


def test_a_term_is_a_factor_times_the_counts_of_its_axes() -> None:
    a, b = Dim(1, 10), Dim(2, 20)
    term = Term(3, (a, b, a))
    assert term.at({}) == 3 * 10 * 20 * 10
    assert term.at({a: 2}) == 3 * 2 * 20 * 2
