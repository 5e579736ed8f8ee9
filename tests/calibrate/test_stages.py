"""Running a model in stages: the same as running it at once, however little may be kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import networks
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stage_graphs import computed_constants, control_flow, defaults, feeds_of, sequences, typed

from onnxprune.calibrate import stages as module
from onnxprune.calibrate.stages import Stages
from onnxprune.linear import by_depth, layers
from onnxprune.model import Model
from onnxprune.runtime import Session

MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "plain": lambda: networks.plain(batch="N"),
    "branchy": networks.branchy,
    "ir 3": lambda: networks.shared_scale(ir=3),
    "control flow": control_flow,
    "computed constants": computed_constants,
    "sequences": sequences,
}
OPEN = ("plain", "control flow", "computed constants", "sequences")
"""Those that take batches of any size."""

PLENTY = 1 << 30


def batches_of(name: str, model: Model) -> list[dict[str, Any]]:
    sizes = (2, 1, 3) if name in OPEN else (2, 2)
    return [feeds_of(model, size, seed) for seed, size in enumerate(sizes)]


def check(stages: Stages, model: Model, batches: Sequence[dict[str, Any]], order: Sequence[Sequence[str]]) -> None:
    """Every stage yields, batch by batch, what a run of the whole model gives."""
    outputs = [model.proto.graph.output[0].name, *(name for names in order for name in names if name not in batches[0])]
    session = Session(model, list(dict.fromkeys(outputs)))
    expected = [{**feeds, **dict(zip(dict.fromkeys(outputs), session.run(feeds), strict=True))} for feeds in batches]
    for names in order:
        for found, values in zip(stages.advance(names), expected, strict=True):
            assert list(found) == names
            for name in names:
                np.testing.assert_allclose(found[name], values[name], rtol=1e-4, atol=1e-5, err_msg=name)


def tensors_of(model: Model, types: dict[str, int]) -> list[str]:
    """The inputs, and every tensor that a node of the main graph makes, in order; sequences have no type."""
    made = [name for node in model.proto.graph.node for name in node.output if types.get(name)]
    return [*feeds_of(model), *made]


@settings(deadline=None, max_examples=50)
@given(st.sampled_from(sorted(MODELS)), st.sampled_from([0, 300, 3000, PLENTY]), st.data())
def test_stages_give_what_one_run_gives(name: str, limit: int, data: st.DataObject) -> None:
    model, types = typed(MODELS[name]())
    tensors = tensors_of(model, types)
    chosen = data.draw(st.lists(st.sampled_from(range(len(tensors))), min_size=1, max_size=6, unique=True).map(sorted))
    cuts = data.draw(st.sets(st.integers(1, len(chosen))))
    ends = sorted({0, *cuts, len(chosen)})
    order = [[tensors[place] for place in chosen[start:end]] for start, end in pairwise(ends)]
    batches = batches_of(name, model)
    check(Stages(model, types, batches, limit), model, batches, order)


@pytest.mark.parametrize("limit", [0, 2000, PLENTY])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_layers_are_reached_depth_by_depth(name: str, limit: int) -> None:
    model, types = typed(MODELS[name]())
    groups = by_depth(model, layers(model))
    order = [list(dict.fromkeys(name for layer in group for name in (layer.x, layer.y))) for group in groups]
    batches = batches_of(name, model)
    check(Stages(model, types, batches, limit), model, batches, order)


@pytest.mark.parametrize("limit", [0, PLENTY])
def test_tensors_may_be_asked_for_in_any_order(limit: int) -> None:
    model, types = typed(networks.branchy())
    batches = batches_of("branchy", model)
    order = [["fc"], ["conv1", "x"], ["sum"], ["conv1", "mix"], ["fc"], ["fc"]]
    check(Stages(model, types, batches, limit), model, batches, order)


def test_a_sequence_between_two_stages_is_made_again() -> None:
    model, types = typed(sequences())
    batches = batches_of("sequences", model)
    check(Stages(model, types, batches, PLENTY), model, batches, [["piece"], ["fifth"], ["other"], ["y"]])


def test_an_initializer_that_is_fed_is_what_it_is_fed() -> None:
    model, types = typed(defaults())
    batches = [{**feeds_of(model, seed=seed), "s": np.full(4, seed, np.float32)} for seed in (2, 3)]
    check(Stages(model, types, batches, PLENTY), model, batches, [["m"], ["y", "s"]])


def test_an_initializer_that_is_not_fed_has_its_default() -> None:
    model, types = typed(defaults())
    batches = [feeds_of(model)]
    check(Stages(model, types, batches, PLENTY), model, batches, [["m"], ["y"]])


def test_a_stage_that_was_not_finished_is_not_kept() -> None:
    model, types = typed(networks.plain())
    batches = batches_of("plain 2", model)
    stages = Stages(model, types, batches, PLENTY)
    next(iter(stages.advance(["conv2"])))
    check(stages, model, batches, [["conv1"], ["fc"]])


@pytest.mark.parametrize("limit", [0, PLENTY])
def test_a_weight_that_is_changed_between_stages_counts(limit: int) -> None:
    model, types = typed(networks.plain())
    batches = batches_of("plain 2", model)
    stages = Stages(model, types, batches, limit)
    check(stages, model, batches, [["conv1"], ["bn1.relu"]])
    model.proto.CopyFrom(networks.edit(model.proto, "conv2.weight", lambda weight: 3 * weight + 1))
    check(stages, model, batches, [["conv2"], ["fc"]])


def computed(monkeypatch: pytest.MonkeyPatch, limit: int) -> list[list[str]]:
    """The nodes that run in each of three stages."""
    ran: list[list[str]] = []

    class Watched(Session):
        def __init__(self, model: Model, outputs: Sequence[str]) -> None:
            ran.append([node.name for node in model.proto.graph.node])
            super().__init__(model, outputs)

    monkeypatch.setattr(module, "Session", Watched)
    model, types = typed(networks.plain())
    stages = Stages(model, types, [feeds_of(model)], limit)
    for names in (["conv1"], ["conv1", "conv2"], ["fc"]):
        assert len(list(stages.advance(names))) == 1
    return ran


def test_nothing_is_computed_twice_where_memory_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [["conv1"], ["bn1", "bn1.relu", "conv2"], ["conv2.relu", "pool", "flat", "fc"]]
    assert computed(monkeypatch, PLENTY) == expected


def test_without_memory_every_stage_starts_at_the_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = computed(monkeypatch, 0)
    assert [(nodes[0], len(nodes)) for nodes in ran] == [("conv1", 1), ("conv1", 4), ("conv1", 8)]


def test_a_state_that_is_too_large_leaves_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outputs of conv1 take 1600 bytes, those of conv2 2400; a quarter of the limit is for them."""
    ran = computed(monkeypatch, 4 * 2000)
    assert [nodes[0] for nodes in ran] == ["conv1", "bn1", "bn1"]
