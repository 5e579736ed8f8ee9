"""Width rules: in which steps dims shrink, and what that makes of the weights of really pruned models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Net, branchy, plain, random_net, traced
from random_graphs import NORMS, STEPS, Drawn, Opening, drawn, grow, openings

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Expr, Sum, keep
from onnxprune.cost import cost_of
from onnxprune.criteria import score
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.select import Losses, Selection, select
from onnxprune.select import selection as selection_module
from onnxprune.select.widths import admissible, off_width, steps, width_of_this_machine
from onnxprune.tracing import Trace, trace


def by_name(found: Trace, width: int) -> dict[str, int]:
    return {found.names[dim]: step for dim, step in steps(found, width).items()}


def chosen(proto: onnx.ModelProto, amount: float, criterion: str = "l2", **options: object) -> tuple[Trace, Selection]:
    found = trace(Model(proto), allow_norm=bool(options.get("allow_norm")))
    asked = Options(**{"amount": amount, "best_effort": True, **options})  # type: ignore[arg-type]
    return found, select(found, Losses(score(found, criterion, 0)), cost_of(found), asked, asked.limits())


# Steps


def test_a_dim_that_is_an_axis_by_itself_shrinks_in_the_rule() -> None:
    assert by_name(traced(plain()), 4) == {"conv1.weight[0]": 4, "conv2.weight[0]": 4}
    assert set(by_name(traced(plain()), 1).values()) == {1}


def heads_of(count: int, width: int) -> Trace:
    """So many heads: taken apart, a stored number added to each, and put together, as attention with a bias does."""
    g = Graph()
    x = g.input(2, 5, 6)
    heads = g.reshape(g.linear(x, count * width), 2, 5, count, width)
    added = g.add("Add", heads, g.weight(count, 1))
    g.output(g.linear(g.reshape(added, 2, 5, count * width), 3))
    return trace(Model(g.model()))


@pytest.mark.parametrize(("width", "head_step"), [(64, 1), (16, 1), (8, 2), (4, 4), (12, 4), (3, 16)])
def test_heads_shrink_in_what_the_width_of_a_head_leaves_of_the_rule(width: int, head_step: int) -> None:
    found = heads_of(count=5, width=width)
    rule = {dim.size: step for dim, step in steps(found, 16).items()}
    assert rule == {5: head_step, width: 16}


def test_channels_before_a_flatten_shrink_in_what_the_positions_leave_of_the_rule() -> None:
    g = Graph()
    flat = g.add("Flatten", g.conv(g.image(side=2), 12, kernel=3))
    g.output(g.gemm(flat, 3))
    # Four positions of each channel in the layer behind, but an axis by itself in the convolution.
    assert list(steps(trace(Model(g.model())), 16).values()) == [16]


def test_groups_go_by_what_a_group_has_of_channels() -> None:
    g = Graph()
    g.finish(g.conv(g.conv(g.image(), 5 * 8, bias=False), 5 * 8, kernel=3, group=5, bias=False))
    found = trace(Model(g.model()))
    groups, within = (next(step for dim, step in steps(found, 16).items() if dim.size == size) for size in (5, 8))
    assert (groups, within) == (2, 16)


def test_a_dim_that_nothing_multiplies_with_goes_by_what_else_it_has() -> None:
    g = Graph()
    table = g.add("Gather", g.weight(9, 32), g.input(2, dtype=onnx.TensorProto.INT64))
    g.output(g.add("ReduceSum", g.add("Mul", table, g.weight(32)), g.ints(1)))
    found = trace(Model(g.model()), allow_norm=True)
    assert [(dim.size, step) for dim, step in steps(found, 16).items()] == [(32, 16)]


def test_parts_of_a_concatenation_shrink_in_the_rule_each() -> None:
    found = traced(branchy())
    assert all(step % 4 == 0 for step in steps(found, 4).values())


def test_gates_of_an_lstm_keep_the_hidden_width_a_multiple() -> None:
    g = Graph()
    sequence = g.input(5, 2, 6)
    hidden = 32
    w, r = (g.weight(1, 4 * hidden, given, fan_in=given) for given in (6, hidden))
    out = g.nodes_of("LSTM", [sequence, w, r], 1, hidden_size=hidden)[0]
    g.output(g.linear(g.add("Squeeze", out, g.ints(1)), 3))
    found = trace(Model(g.model()))
    # Four gates of it would do with a quarter, but it is an axis of the recurrent weights by itself.
    assert list(steps(found, 16).values()) == [16]


# Admissible widths


@given(st.integers(1, 300), st.integers(1, 32), st.data())
def test_widths_rise_from_the_floor_in_steps_to_what_the_dim_has(size: int, step: int, data: st.DataObject) -> None:
    floor = data.draw(st.integers(0, size))
    widths = admissible(Dim(0, size), step, floor)
    assert widths[-1] == size
    assert np.all(np.diff(widths) > 0) and np.all(widths[:-1] % step == 0)
    assert widths[0] > 0 and widths[0] >= floor
    every = [width for width in range(max(floor, 1), size) if width % step == 0]
    assert widths[:-1].tolist() == every


@pytest.mark.parametrize(("size", "widths"), [(7, [7]), (16, [16]), (17, [16, 17]), (40, [16, 32, 40])])
def test_a_dim_no_wider_than_one_step_keeps_what_it_has(size: int, widths: list[int]) -> None:
    assert admissible(Dim(0, size), 16, 1).tolist() == widths


# Pruned models


def parts(axis: Expr) -> Iterator[Expr]:
    """What lies end to end along an axis."""
    for part in axis.terms if isinstance(axis, Sum) else (axis,):
        yield from parts(part) if isinstance(part, Sum) else (part,)


@settings(deadline=None, max_examples=40)
@given(openings, drawn([*STEPS, *NORMS]), st.floats(0.1, 0.9), st.sampled_from([2, 4, 8]), st.booleans())
def test_every_axis_of_a_pruned_weight_is_a_multiple_or_has_its_dense_size(
    opening: Opening, steps_drawn: Drawn, amount: float, width: int, allow_norm: bool
) -> None:
    proto = grow(opening, steps_drawn)
    found, selection = chosen(proto, amount, round_to=width, allow_norm=allow_norm)
    pruned, _ = apply_masks(found, selection.masks)
    left, whole = pruned.constants, found.model.constants
    multiplied = {work.node for work in found.work}
    for use in (use for use in found.uses if use.slot[0] in multiplied):
        for part in (part for axis in use.axes for part in parts(axis)):
            kept = keep(part, selection.masks)
            assert kept.sum() % width == 0 or kept.all()
        if use.constant in left and not any(isinstance(axis, Sum) for axis in use.axes):
            sizes = zip(left[use.constant].dims, whole[use.constant].dims, strict=True)
            assert all(now % width == 0 or now == before for now, before in sizes)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9), st.lists(st.sampled_from([16, 24, 32, 48]), min_size=2, max_size=3), st.floats(0.1, 0.8))
def test_the_rule_of_this_machine_is_kept_or_said_to_be_relaxed(seed: int, widths: list[int], amount: float) -> None:
    found, selection = chosen(random_net(seed, widths), amount, round_to="auto")
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    assert off_width(found, counts, selection.width) == []
    off = off_width(found, counts, width_of_this_machine())
    if any(dim.size > width_of_this_machine() for dim in off):
        assert selection.relaxed_from == width_of_this_machine() > selection.width


def two_layers(first: int, second: int) -> onnx.ModelProto:
    net = Net(side=4)
    x = net.relu(net.conv("conv1", "x", first, 3))
    return net.model(net.head(net.relu(net.conv("conv2", x, second, 3))))


@pytest.fixture
def avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine have kernels that take 16 channels at a time."""
    monkeypatch.setattr(selection_module, "width_for", lambda target: 16)


@pytest.mark.usefixtures("avx512")
def test_auto_takes_the_widths_that_kernels_take_whole_where_they_do() -> None:
    _, selection = chosen(two_layers(24, 48), 0.3, round_to="auto")
    assert (selection.width, selection.relaxed_from) == (16, None)
    assert [mask.sum() for mask in selection.masks.values()] == [32]


@pytest.mark.usefixtures("avx512")
@pytest.mark.parametrize(("widths", "amount", "width"), [((128, 128), 0.5, 8), ((24, 24), 0.4, 4), ((20, 20), 0.3, 1)])
def test_auto_halves_the_rule_until_the_amount_is_met_and_not_overshot_by_much(
    widths: tuple[int, int], amount: float, width: int
) -> None:
    _, selection = chosen(two_layers(*widths), amount, round_to="auto")
    assert (selection.width, selection.relaxed_from) == (width, 16)
    assert amount <= selection.hardest.removed <= amount + 0.05


@pytest.mark.usefixtures("avx512")
def test_auto_says_that_it_was_relaxed_also_where_the_amount_cannot_be_met() -> None:
    found, selection = chosen(two_layers(20, 20), 0.999, round_to="auto")
    assert not selection.is_met and selection.masks
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    assert off_width(found, counts, 16) and selection.relaxed_from == 16


@pytest.mark.usefixtures("avx512")
def test_dims_narrower_than_the_rule_do_not_count_as_relaxed() -> None:
    _, selection = chosen(two_layers(8, 8), 0.4, round_to="auto")
    assert selection.masks and selection.relaxed_from is None


@pytest.mark.usefixtures("avx512")
def test_no_further_rule_is_tried_once_one_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(selection_module, "steps", lambda found, width: tried.append(width) or steps(found, width))
    chosen(two_layers(24, 48), 0.3, round_to="auto")
    assert tried == [16]


def test_round_to_none_takes_any_width() -> None:
    found, selection = chosen(two_layers(64, 64), 0.37, round_to="none")
    assert (selection.width, selection.relaxed_from) == (1, None)
    assert off_width(found, {dim: int(mask.sum()) for dim, mask in selection.masks.items()}, 16)


@pytest.mark.parametrize("round_to", [5, 16, 1000])
def test_a_rule_of_ones_own_is_kept_whatever_that_means_for_the_amount(round_to: int) -> None:
    _, selection = chosen(two_layers(30, 30), 0.4, round_to=round_to)
    assert (selection.width, selection.relaxed_from) == (round_to, None)
    assert all(mask.sum() % round_to == 0 for mask in selection.masks.values())


def cpu_flags() -> set[str]:
    try:
        found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return set()
    return set(found[1].split()) if found else set()


def test_the_rule_of_this_machine_is_what_its_vector_units_hold() -> None:
    flags = cpu_flags()
    if "avx2" not in flags:
        pytest.skip("not a machine whose vector units are known")
    assert width_of_this_machine() == (16 if "avx512f" in flags else 8)


def test_the_rule_of_any_machine_is_a_power_of_two() -> None:
    width = width_of_this_machine()
    assert width > 1 and math.log2(width).is_integer()
