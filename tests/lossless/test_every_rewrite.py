"""Graphs of every operator that random graphs are made of: whatever is rewritten in them, the rest stays."""

from __future__ import annotations

import onnx
import pytest
from decorated import decorated, with_unknown_fields
from leveled import assert_only_planned
from pruning import largest_masks, random_masks, smallest_masks
from random_graphs import STEPS, Opening, grow
from random_graphs.drawing import WAYS_TO_STORE

from onnxprune.apply import apply_masks
from onnxprune.model import Model
from onnxprune.plan import Plan
from onnxprune.tracing import trace


@pytest.mark.parametrize("stored", WAYS_TO_STORE)
@pytest.mark.parametrize("step", STEPS)
def test_what_is_rewritten_for_an_operator_is_in_the_plan(step: str, stored: str) -> None:
    for number, masks_of in enumerate((random_masks, smallest_masks, largest_masks)):
        proto = grow(Opening(stored=stored), [(step, number, 5, 4), (step, 0, 2 + number, 7)])
        dense = with_unknown_fields(decorated(proto)) if number else decorated(proto)
        found = trace(Model(dense))
        masks = masks_of(found, number)
        model, changes = apply_masks(found, masks)
        plan = Plan.make(found, masks, changes, {})
        assert plan.keep
        onnx.checker.check_model(model.proto, full_check=True)
        assert_only_planned(dense, model.proto, plan)
