from __future__ import annotations

import numpy as np
import pytest
from graphs import Graph

from onnxprune.apply import apply_masks
from onnxprune.errors import VerificationError
from onnxprune.model import Model
from onnxprune.tensors import to_tensor
from onnxprune.tracing import trace
from onnxprune.verify import verify
from onnxprune.verify.choices import after_a_choice


def chooser() -> Graph:
    """Conv -> Conv -> the best position of each channel."""
    g = Graph()
    scores = g.conv(g.conv(g.image(), 6), 2)
    flat = g.reshape(scores, 2, 2, 36)
    g.output(g.add("ArgMax", flat, axis=2), scores)
    return g


def test_only_what_comes_behind_a_choice_depends_on_it() -> None:
    model = Model(chooser().model())
    assert after_a_choice(model) == set(model.proto.graph.node[-1].output)


def test_a_mistake_before_a_choice_is_not_put_down_to_it() -> None:
    found = trace(Model(chooser().model()))
    dim = found.dims[0]
    masks = {dim: np.arange(dim.size) < 4}
    pruned, _ = apply_masks(found, masks)
    weight = pruned.proto.graph.initializer[0]
    weight.CopyFrom(to_tensor(np.roll(pruned.array(weight), 1, 0), weight.data_type, weight.name))
    feeds = {"input_1": np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype(np.float32)}
    with pytest.raises(VerificationError) as raised:
        verify(found, masks, pruned, feeds)
    assert not raised.value.after_a_choice


def test_a_choice_that_rounding_tips_is_told_apart() -> None:
    found = trace(Model(chooser().model()))
    dim = found.dims[0]
    masks = {dim: np.arange(dim.size) < 4}
    pruned, _ = apply_masks(found, masks)
    # The same scores everywhere but for what stands in for rounding: another position wins.
    feeds = {"input_1": np.ones((2, 3, 6, 6), np.float32)}
    pruned.proto.graph.node[-1].attribute.add(name="select_last_index", i=1, type=2)
    with pytest.raises(VerificationError) as raised:
        verify(found, masks, pruned, feeds)
    assert raised.value.after_a_choice
