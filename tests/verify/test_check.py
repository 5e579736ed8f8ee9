"""mask == slice: sound results pass, and whatever a wrong rule would do to a model is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from networks import CLASSES, Array, Net, branchy, edit, plain, shared_scale, traced, values
from onnx import TensorProto, helper, numpy_helper

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.errors import ModelError, VerificationError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.tracing import Trace
from onnxprune.verify import Verification, verify

Damage = Callable[[onnx.ModelProto], onnx.ModelProto]
KEPT = np.array([1, 1, 0, 1, 1, 0, 1, 0], bool)
"""The mask of `conv1` in all damage below; every other dim loses its second unit."""


def masks_of(found: Trace) -> dict[Dim, Mask]:
    return {dim: KEPT if dim is found.dims[0] else np.arange(dim.size) != 1 for dim in found.dims}


def checked(dense: onnx.ModelProto, damage: Damage = lambda proto: proto) -> Verification:
    """Prune with `masks_of`, damage the result, and verify it."""
    found = traced(dense)
    masks = masks_of(found)
    pruned, _ = apply_masks(found, masks)
    return verify(found, masks, Model(damage(pruned.proto)), usable_feeds(found))


def replaced(name: str, change: Callable[[Array], Array]) -> Damage:
    return lambda proto: edit(proto, name, change)


def from_dense(name: str, change: Callable[[Array], Array]) -> Damage:
    """Put a weight in place that was made from the dense one in another way."""
    return lambda proto: edit(proto, name, lambda _: change(values(branchy())[name]))


def swapped(weights: Array) -> Array:
    return weights[[1, 0, *range(2, len(weights))]]


def moved_boundary(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A split whose boundary is off by one, with consumers that follow the wrong boundary: shapes all fit."""
    dense = values(branchy())
    left, right = values(proto)["lengths"]
    proto = edit(proto, "lengths", lambda _: np.array([left + 1, right - 1]))
    proto = edit(proto, "from_left.weight", lambda w: np.concatenate([w, w[:, :1]], 1))
    assert dense["from_left.weight"].shape[1] == 4
    return edit(proto, "from_right.weight", lambda w: w[:, 1:])


DAMAGES: dict[str, Damage] = {
    "two channels swapped": replaced("conv1.weight", swapped),
    "biases swapped": replaced("conv1.bias", swapped),
    "a mask that is off by one": from_dense("conv1.weight", lambda w: w[np.roll(KEPT, 1)]),
    "a mask that is off by one on the reading side": from_dense("conv2.weight", lambda w: w[KEPT][:, np.roll(KEPT, 1)]),
    "the first biases instead of the kept ones": from_dense("conv1.bias", lambda b: b[: KEPT.sum()]),
    "means that were not sliced alike": from_dense("bn1.mean", lambda m: m[: KEPT.sum()]),
    "variances that were not sliced alike": from_dense("bn1.var", lambda v: v[: KEPT.sum()]),
    "depthwise kernels of other channels": from_dense("depthwise.weight", lambda w: w[~KEPT][[0, 1, 2, 0, 1]]),
    "a concatenation read in another order": replaced("mix.weight", lambda w: np.roll(w, 5, 1)),
    "a boundary of a split off by one": moved_boundary,
    "a bias lost": replaced("mix.bias", np.zeros_like),
    "a few values of one weight": replaced(
        "fc.weight", lambda w: w + np.float32(0.1) * np.eye(*w.shape, dtype=np.float32)
    ),
    "not a number": replaced("fc.bias", lambda b: b * np.nan),
    "infinite": replaced("fc.bias", lambda b: b + np.inf),
}


@pytest.mark.parametrize("network", [plain, branchy, shared_scale])
def test_sound_slicing_is_proved(network: Callable[[], onnx.ModelProto]) -> None:
    found = checked(network())
    assert found.verdict == "proved" and found.power >= 10
    assert found.max_abs_error < 1e-5 and found.max_rel_error <= found.tolerance
    assert found.errors.keys() == {"fc"} and found.compared > 1


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen(name: str) -> None:
    with pytest.raises(VerificationError, match="does not compute") as refusal:
        checked(branchy(), DAMAGES[name])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", [name for name, value in values(branchy()).items() if name.endswith(".weight")])
def test_any_weight_rolled_by_a_row_is_seen(name: str) -> None:
    with pytest.raises(VerificationError):
        checked(branchy(), replaced(name, lambda w: np.roll(w, 1, 0)))


def test_a_result_that_does_not_fit_together_is_an_error() -> None:
    with pytest.raises((ModelError, VerificationError)):
        checked(branchy(), replaced("lengths", lambda lengths: lengths[::-1]))


def test_the_message_names_a_tensor_that_is_wrong() -> None:
    with pytest.raises(VerificationError, match="tensor 'fc'"):
        checked(branchy(), replaced("fc.bias", lambda b: b + 1))


def test_nothing_removed_is_unchanged() -> None:
    found = traced(plain())
    result = verify(found, {}, Model(plain()), usable_feeds(found))
    assert (result.verdict, result.max_abs_error) == ("unchanged", 0.0)


def test_a_result_that_differs_although_nothing_was_removed_is_seen() -> None:
    found = traced(plain())
    other = Model(edit(plain(), "fc.bias", lambda b: b + 1))
    with pytest.raises(VerificationError):
        verify(found, {}, other, usable_feeds(found))


def scaled(factor: float) -> onnx.ModelProto:
    """A network whose first features are multiplied by a number."""
    net = Net()
    features = net.conv("conv1", "x", 8, 3)
    net.node("Mul", [features, net.store("factor", np.full((8, 1, 1), factor, np.float32))], "scaled")
    net.channels["scaled"] = 8
    return net.model(net.head(net.relu("scaled")))


def test_behind_a_factor_of_zero_the_check_says_vacuous() -> None:
    blind = checked(scaled(0.0))
    assert blind.verdict == "vacuous" and set(blind.unseen) == {"conv1.weight", "fc.weight"}
    assert checked(scaled(1.0)).verdict == "proved" and checked(scaled(1.0)).unseen == ()


def test_an_output_too_quiet_to_show_damage_is_vacuous() -> None:
    """A branch scaled by 1e-7 beside a residual hides whatever happens in it."""
    net = Net()
    stem = net.relu(net.conv("stem", "x", 8, 3))
    branch = net.conv("branch2", net.relu(net.conv("branch1", stem, 6, 3)), 8)
    quiet = net.node("Mul", [branch, net.store("scale", np.full((8, 1, 1), 1e-7, np.float32))], "quiet")
    proto = net.model(net.head(net.node("Add", [stem, quiet], "sum")))
    found = traced(proto)
    inner = next(dim for dim, name in found.names.items() if name == "branch1.weight[0]")
    masks = {inner: np.arange(6) != 1}
    pruned, _ = apply_masks(found, masks)
    assert verify(found, masks, pruned, usable_feeds(found)).verdict == "vacuous"


def test_on_inputs_that_silence_the_model_the_check_says_vacuous() -> None:
    net = Net()
    w = net.weight("fc.weight", CLASSES, 8)
    x = net.relu(net.conv("conv1", "x", 8, 3, bias=False))
    flat = net.node("Flatten", [net.node("GlobalAveragePool", [x], "pool")], "flat")
    found = traced(net.model(net.node("Gemm", [flat, w], "y", CLASSES, transB=1)))
    masks = masks_of(found)
    pruned, _ = apply_masks(found, masks)
    silent = {"x": np.zeros((2, 3, 5, 5), np.float32)}
    assert verify(found, masks, pruned, silent).verdict == "vacuous"
    assert verify(found, masks, pruned, usable_feeds(found)).verdict == "proved"


def test_every_output_is_reported() -> None:
    proto = branchy()
    proto.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [2, 10]))
    assert checked(proto).errors.keys() == {"fc", "flat"}


def half() -> onnx.ModelProto:
    proto = branchy()
    for tensor in proto.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    return proto


def test_half_precision_is_compared_as_a_float32_twin() -> None:
    found = checked(half())
    assert found.float32_twin and found.verdict == "proved" and found.max_rel_error < 1e-4


def test_damage_in_half_precision_is_seen() -> None:
    with pytest.raises(VerificationError):
        checked(half(), replaced("conv1.weight", swapped))


def test_the_facts_are_plain_data() -> None:
    facts: dict[str, Any] = checked(plain()).as_dict()
    assert facts["mask_equals_slice"] is True and facts["verdict"] == "proved"
    assert {
        "max_abs_error",
        "max_rel_error",
        "tolerance",
        "power",
        "compared",
        "errors",
        "float32_twin",
    } <= facts.keys()


def test_neither_model_is_changed_by_the_check() -> None:
    found = traced(plain())
    masks = masks_of(found)
    pruned, _ = apply_masks(found, masks)
    before = pruned.proto.SerializeToString()
    verify(found, masks, pruned, usable_feeds(found))
    assert pruned.proto.SerializeToString() == before and found.model.proto == plain()


def test_nan_on_both_sides_is_not_equal() -> None:
    with pytest.raises(ModelError, match="dense model itself gives NaN"):
        checked(edit(branchy(), "fc.bias", lambda bias: bias * np.nan))


def test_a_dense_model_that_gives_nan_is_not_our_mistake() -> None:
    def broken(given: Array) -> Array:
        return np.where(np.arange(given.size).reshape(given.shape) == 0, np.nan, given).astype(given.dtype)

    with pytest.raises(ModelError, match=r"dense model itself gives NaN .*'conv2\.weight' holds NaN.*--verify-inputs"):
        checked(edit(plain(), "conv2.weight", broken))
