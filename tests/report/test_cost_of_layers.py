"""Layers share out what the whole model costs, and distributions of scores hold every unit once."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from networks import branchy, plain, shared_scale

import onnxprune
from onnxprune.report.data import Report

MODELS = Path(__file__).parents[2] / "models"


def pruned(model: onnx.ModelProto | Path, **options: object) -> Report:
    return onnxprune.prune(model, 0.4, calibration="none", round_to="none", best_effort=True, **options).report


@pytest.mark.parametrize("model", [plain(), branchy(), MODELS / "mobile_net.onnx", MODELS / "vision_transformer.onnx"])
def test_layers_add_up_to_the_model(model: onnx.ModelProto | Path) -> None:
    report = pruned(model)
    for quantity in ("params", "macs"):
        whole = getattr(report, quantity)
        parts = [getattr(layer, quantity) for layer in report.layers]
        assert sum(part.before for part in parts) == whole.before
        assert sum(part.after for part in parts) == whole.after


def test_layers_of_a_model_with_zeros_keep_their_sizes() -> None:
    report = onnxprune.prune(plain(), 0.5, granularity="element").report
    assert all(layer.params.before == layer.params.after for layer in report.layers) and report.layers


def test_every_unit_is_in_one_place_of_its_distribution() -> None:
    report = pruned(branchy())
    assert [each.name for each in report.saliency] == [dim.name for dim in report.dims]
    for dim, scores in zip(report.dims, report.saliency, strict=True):
        assert sum(scores.kept) == dim.kept and sum(scores.removed) == dim.size - dim.kept
        assert len(scores.edges) == len(scores.kept) + 1 == len(scores.removed) + 1
        assert scores.edges == sorted(scores.edges)
        assert (scores.threshold is None) == (dim.kept == dim.size)


def test_with_one_ranking_of_magnitudes_what_goes_scores_below_what_stays() -> None:
    (scores,) = [each for each in pruned(plain(), criterion="l2").saliency if sum(each.removed)][:1]
    assert scores.threshold is not None
    highest_removed = max(place for place, count in enumerate(scores.removed) if count)
    lowest_kept = min(place for place, count in enumerate(scores.kept) if count)
    assert highest_removed <= lowest_kept
    assert scores.edges[highest_removed] <= scores.threshold * 1.001


def test_a_replayed_plan_has_no_scores() -> None:
    from onnxprune.pipeline import apply_plan

    model = shared_scale()
    result = onnxprune.prune(model, 0.3, calibration="none", best_effort=True)
    assert apply_plan(result.plan, model).report.saliency == []
