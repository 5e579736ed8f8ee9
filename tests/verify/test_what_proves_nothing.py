"""Where a comparison would prove nothing: NaN, infinities, dead models, nothing to damage, only choices."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graphs import Graph
from networks import edit, plain, traced, values

from onnxprune import prune
from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.errors import ModelError, VerificationError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.runtime import Feeds
from onnxprune.tensors import to_tensor
from onnxprune.tracing import Trace
from onnxprune.verify import Verification, verify
from onnxprune.verify.damage import damaged, to_damage


def half(found: Trace) -> dict[Dim, Mask]:
    return {dim: np.arange(dim.size) % 2 == 0 for dim in found.dims}


def checked(proto: onnx.ModelProto, feeds: Feeds | None = None) -> Verification:
    """Prune by half, and verify on the given inputs or on random ones."""
    found = traced(proto)
    pruned, _ = apply_masks(found, half(found))
    return verify(found, half(found), pruned, feeds or usable_feeds(found))


def divided_by_its_norm() -> onnx.ModelProto:
    """Two channels, of which the first is always zero, divided by their norm: 0 / 0 once the second is gone."""
    g = Graph()
    x = g.add("Relu", g.conv(g.image(), 2))
    norm = g.add("Sqrt", g.conv(g.add("Mul", x, x), 1, bias=False))
    g.finish(g.add("Div", x, norm))
    kernel, bias, ones = g.stored[0], g.stored[1], g.stored[2]
    kernel.CopyFrom(to_tensor(np.zeros((2, 3, 1, 1)), kernel.data_type, kernel.name))
    bias.CopyFrom(to_tensor(np.array([-1.0, 1.0]), bias.data_type, bias.name))
    ones.CopyFrom(to_tensor(np.ones((1, 2, 1, 1)), ones.data_type, ones.name))
    return g.model()


def test_nan_in_the_inputs_is_refused() -> None:
    feeds = dict(usable_feeds(traced(plain())))
    feeds["x"] = np.where(np.arange(150).reshape(2, 3, 5, 5) == 7, np.nan, feeds["x"]).astype(np.float32)
    with pytest.raises(ModelError, match="the dense model itself gives NaN"):
        checked(plain(), feeds)


def test_nan_in_the_pruned_model_alone_is_a_mistake() -> None:
    found = traced(plain())
    pruned, _ = apply_masks(found, half(found))
    broken = Model(edit(pruned.proto, "fc.weight", lambda w: w * np.nan))
    with pytest.raises(VerificationError, match="'fc' is off by inf"):
        verify(found, half(found), broken, usable_feeds(found))


def test_nan_that_comes_of_removing_units_is_told_from_nan_of_the_model() -> None:
    found = traced(divided_by_its_norm())
    (dim,) = found.dims
    masks = {dim: np.array([True, False])}
    pruned, _ = apply_masks(found, masks)
    with pytest.raises(ModelError, match=r"without the removed units the model gives NaN .* --exclude"):
        verify(found, masks, pruned, usable_feeds(found))


def test_a_model_with_nan_writes_nothing_by_default() -> None:
    with pytest.raises(ModelError, match="gives NaN"):
        prune(edit(plain(), "fc.bias", lambda b: b * np.nan), calibration="none")


def test_equal_infinities_hide_no_layer_before_them() -> None:
    endless = edit(plain(), "fc.bias", lambda b: b + np.inf)
    found = checked(endless)
    assert found.errors["fc"] == 0 and found.compared > 1 and found.verdict == "vacuous"
    assert found.unseen == ("fc.weight",)


def test_infinity_in_the_pruned_model_alone_is_a_mistake() -> None:
    found = traced(plain())
    pruned, _ = apply_masks(found, half(found))
    with pytest.raises(VerificationError, match="'fc' is off by inf"):
        verify(found, half(found), Model(edit(pruned.proto, "fc.bias", lambda b: b + np.inf)), usable_feeds(found))


def dead(depth: int) -> onnx.ModelProto:
    """Layers whose ReLU lets nothing through."""
    g = Graph()
    x = g.image()
    for _ in range(depth):
        x = g.conv(x, 6)
    x = g.add("Relu", g.add("Sub", x, g.store(1e4, np.float32)))
    g.output(g.conv(g.conv(x, 4, bias=False), 2, bias=False))
    return g.model()


@pytest.mark.parametrize("depth", [1, 2])
def test_a_dead_model_is_vacuous(depth: int) -> None:
    found = checked(dead(depth))
    assert found.verdict == "vacuous" and found.power < 10 and found.unseen


def only_shapes_matter() -> onnx.ModelProto:
    """Weights whose product is only asked for its shape."""
    g = Graph()
    product = g.add("MatMul", g.weight(5, 2), g.weight(2, 5))
    g.output(g.add("MatMul", g.input(4, 5), g.add("EyeLike", product, dtype=1)))
    return g.model()


def test_where_no_weight_matters_nothing_is_proved() -> None:
    found = checked(only_shapes_matter())
    assert (found.verdict, found.power) == ("vacuous", 0.0) and len(found.unseen) == 2


def test_weights_that_are_left_with_a_row_are_damaged_in_another_way() -> None:
    g = Graph()
    g.output(g.gemm(g.gemm(g.input(4, 1), 2), 1))
    found = traced(g.model())
    pruned, _ = apply_masks(found, half(found))
    keys = to_damage(found, half(found), pruned)
    assert keys and all(damaged(pruned, key).proto != pruned.proto for key in keys)
    assert checked(g.model()).verdict == "proved"


def test_fills_of_zeros_cannot_be_damaged() -> None:
    proto = plain()
    for name in values(proto):
        proto = edit(proto, name, np.zeros_like)
    found = checked(proto)
    assert found.verdict == "vacuous" and "conv1.weight" in found.unseen


def behind_a_choice() -> Graph:
    g = Graph()
    x = g.conv(g.image(), 6)
    winners = g.add("Cast", g.add("Hardmax", x, axis=2), to=1)
    g.finish(g.conv(winners, 4))
    return g


def test_what_a_choice_is_made_of_is_compared() -> None:
    found = traced(behind_a_choice().model())
    masks = half(found)
    pruned, _ = apply_masks(found, masks)
    weight = pruned.proto.graph.initializer[0]
    nudged = pruned.array(weight) * np.float32(1 + 1e-2)
    weight.CopyFrom(to_tensor(nudged, weight.data_type, weight.name))
    with pytest.raises(VerificationError, match="'conv_") as raised:
        verify(found, masks, pruned, usable_feeds(found))
    assert not raised.value.after_a_choice
