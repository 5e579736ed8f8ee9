"""Candidates: which widths the amounts come to, which units go, and what is not measured twice."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, plain, random_net, traced

from onnxprune.criteria import score
from onnxprune.errors import UsageError
from onnxprune.sensitivity.candidates import AMOUNTS, BLOCKS, DIMS, Grid, candidates_of, kept_units, subjects_of

networks = st.builds(
    random_net,
    seed=st.integers(0, 9),
    widths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    residual=st.booleans(),
    group=st.sampled_from([1, 2]),
)


def squeezed() -> onnx.ModelProto:
    """A Squeeze without axes, at which `conv1` must keep two channels or change its meaning."""
    net = Net(batch=2, side=1)
    x = net.node("Squeeze", [net.conv("conv1", "x", 3)], "squeezed")
    net.node("Gemm", [x, net.weight("fc.weight", 4, 3)], "fc", transB=1)
    return net.model("fc")


@settings(deadline=None, max_examples=20)
@given(networks, st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5), st.sampled_from(["dim", "block", "both"]))
def test_the_least_salient_units_go_and_no_dim_falls_below_its_minimum(
    proto: onnx.ModelProto, amounts: list[float], by: str
) -> None:
    found = traced(proto)
    saliency = score(found, "l2", 0)
    by_name = {name: dim for dim, name in found.names.items()}
    for subject in subjects_of(found, (), by):
        candidates = list(candidates_of(found, saliency, subject, amounts))
        assert sorted(amount for candidate in candidates for amount in candidate.amounts) == sorted(amounts)
        for candidate in candidates:
            left = subject.size - sum(int((~mask).sum()) for mask in candidate.masks.values())
            assert candidate.kept == left
            for name, mask in candidate.masks.items():
                dim, values = by_name[name], saliency[by_name[name]]
                assert dim in subject.dims and found.axes.minimum(dim) <= mask.sum() < dim.size
                assert values[~mask].max() <= values[mask].min()


@pytest.mark.parametrize(("amount", "kept"), [(0.05, 8), (0.1, 7), (0.3, 6), (0.5, 4), (0.9, 1), (0.99, 1)])
def test_amounts_mean_the_nearest_whole_number_of_units(amount: float, kept: int) -> None:
    found = traced(plain())
    dim = next(dim for dim in found.dims if dim.size == 8)
    assert kept_units(found, dim, amount) == kept


def test_a_dim_that_must_keep_two_units_does() -> None:
    found = traced(squeezed())
    (dim,) = found.dims
    assert found.axes.minimum(dim) == 2 and kept_units(found, dim, 0.9) == 2


def test_amounts_of_the_same_width_are_one_candidate() -> None:
    found = traced(plain())
    subject = next(subject for subject in subjects_of(found, (), "dim") if subject.size == 8)
    candidates = list(candidates_of(found, score(found, "l2", 0), subject, (0.5, 0.1, 0.15, 0.02)))
    assert [(c.amounts, c.kept) for c in candidates] == [((0.02,), 8), ((0.1, 0.15), 7), ((0.5,), 4)]
    assert not candidates[0].masks


def test_a_block_loses_the_share_from_each_of_its_dims() -> None:
    net = Net()
    x = net.conv("layer1.conv1", "x", 8)
    found = traced(net.model(net.head(net.conv("layer1.conv2", net.relu(x), 4))))
    (block,) = subjects_of(found, (), "block")
    (candidate,) = candidates_of(found, score(found, "l2", 0), block, [0.5])
    assert (block.kind, block.name, block.size, candidate.kept) == (BLOCKS, "layer1", 12, 6)
    assert block.members == ("layer1.conv1.weight[0]", "layer1.conv2.weight[0]")
    assert {name: int(mask.sum()) for name, mask in candidate.masks.items()} == dict(
        zip(block.members, (4, 2), strict=True)
    )


def test_protected_dims_are_no_subjects() -> None:
    found = traced(plain())
    first, second = found.dims
    (subject,) = subjects_of(found, {first}, "dim")
    assert (subject.kind, subject.dims) == (DIMS, (second,))
    (block,) = subjects_of(found, {first}, "block")
    assert block.dims == (second,)


def test_units_of_equal_saliency_go_in_order() -> None:
    found = traced(plain())
    subject = subjects_of(found, (), "dim")[0]
    saliency = {dim: np.ones(dim.size) for dim in found.dims}
    (candidate,) = candidates_of(found, saliency, subject, [0.25])
    assert [list(np.flatnonzero(~mask)) for mask in candidate.masks.values()] == [[0, 1]]


def test_a_grid_has_each_amount_once_and_in_order() -> None:
    assert Grid((0.5, 0.25, 0.5)).amounts == (0.25, 0.5)
    assert Grid().amounts == AMOUNTS and AMOUNTS[0] == 0.1 and AMOUNTS[-1] == 0.9


@pytest.mark.parametrize(
    ("amounts", "by", "words"),
    [((0.5, 1.0), "dim", "--amounts 1:"), ((0.0,), "dim", "--amounts 0:"), ((float("nan"),), "dim", "--amounts nan:"),
     ((), "dim", "at least one"), ((0.5,), "layer", "--by layer: it must be one of dim, block, both")],
)  # fmt: skip
def test_what_can_never_be_measured_is_refused(amounts: tuple[float, ...], by: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Grid(amounts, by)
