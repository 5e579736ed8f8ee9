"""The scaling that a model tells: by statistics, ranges, constants and biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from networks import Net, edit, traced, values
from onnx import TensorProto, helper

from onnxprune.calibrate.synthetic.evidence import choose_scaling, find_evidence
from onnxprune.calibrate.synthetic.images import images
from onnxprune.calibrate.synthetic.scaling import Scaling, pixel_menu
from onnxprune.model import Model
from onnxprune.runtime import run

MENU = pixel_menu(3)
EVERY = {scaling.name: scaling for scaling in (*MENU.unprocessed, *MENU.processed)}


def batches(scaling: Scaling, seed: int = 0) -> list[np.ndarray]:
    """Images in batches of two, scaled."""
    return list(scaling.apply(images(np.random.default_rng(seed), 40, 3, 12, 12)).reshape(20, 2, 3, 12, 12))


def chosen(proto: onnx.ModelProto) -> tuple[str, str]:
    scaling, reason = choose_scaling(traced(proto), "x", MENU, batches)
    return scaling.name, reason


def trained(scaling: Scaling, bias: bool = False) -> onnx.ModelProto:
    """A convolution and a BatchNormalization whose statistics are those of images that were scaled so."""
    net = Net(side=12)
    proto = net.model(net.head(net.relu(net.bn("bn1", net.conv("conv1", "x", 16, 3, bias=bias)))))
    found = np.concatenate([run(Model(proto), {"x": batch}, ["conv1"])[0] for batch in batches(scaling, 5)])
    proto = edit(proto, "bn1.mean", lambda old: found.mean(axis=(0, 2, 3)))
    return edit(proto, "bn1.var", lambda old: found.var(axis=(0, 2, 3)))


def folded(scaling: Scaling) -> onnx.ModelProto:
    """The same with the BatchNormalization folded into the convolution."""
    stored = values(trained(scaling))
    factor = stored["bn1.scale"] / np.sqrt(stored["bn1.var"])
    net = Net(side=12)
    proto = net.model(net.head(net.relu(net.conv("conv1", "x", 16, 3))))
    proto = edit(proto, "conv1.weight", lambda old: stored["conv1.weight"] * factor[:, None, None, None])
    return edit(proto, "conv1.bias", lambda old: 0.3 * stored["bn1.bias"] - stored["bn1.mean"] * factor)


@pytest.mark.parametrize("name", EVERY)
def test_running_statistics_tell_what_a_model_was_trained_on(name: str) -> None:
    assert chosen(trained(EVERY[name])) == (name, "chosen by the first BatchNormalization")


@pytest.mark.parametrize("name", EVERY)
def test_a_bias_in_front_of_the_statistics_is_counted(name: str) -> None:
    assert chosen(trained(EVERY[name], bias=True))[0] == name


@pytest.mark.parametrize("name", ["0..1", "0..255", "-128..127", "ImageNet's mean and std"])
def test_biases_tell_it_where_the_normalization_was_folded(name: str) -> None:
    assert chosen(folded(EVERY[name])) == (name, "chosen by the biases of the first convolution")


def behind(*steps: tuple[str, Any]) -> onnx.ModelProto:
    """A convolution without biases behind shifts and scales by constants."""
    net, x = Net(side=12), "x"
    for number, (op, constant) in enumerate(steps):
        x = net.node(op, [x, net.store(f"c{number}", np.float32(constant))], f"step{number}")
    return net.model(net.head(net.relu(net.conv("conv1", x, 16, 3, bias=False))))


MEAN, STD = (np.reshape(numbers, (3, 1, 1)) for numbers in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([("Div", 255)], "0..255"),
        ([("Sub", 127.5), ("Div", 127.5)], "0..255"),
        ([("Mul", 1 / 255), ("Sub", MEAN), ("Div", STD)], "0..255"),
        ([("Sub", 255 * MEAN), ("Div", 255 * STD)], "0..255"),
        ([("Sub", MEAN), ("Div", STD)], "0..1"),
        ([("Mul", 2), ("Add", -1)], "0..1"),
    ],
)
def test_constants_that_the_input_meets_first_tell_its_range(steps: list[tuple[str, Any]], name: str) -> None:
    assert chosen(behind(*steps)) == (name, "chosen by the constants that the input meets first")


def quantized(scale: float, zero: np.ndarray) -> onnx.ModelProto:
    """A convolution behind QuantizeLinear and DequantizeLinear."""
    net = Net(side=12)
    pair = [net.store("scale", np.float32(scale)), net.store("zero", zero)]
    rounded = net.node("QuantizeLinear", ["x", *pair], "quantized")
    x = net.node("DequantizeLinear", [rounded, *pair], "dequantized")
    return net.model(net.head(net.relu(net.conv("conv1", x, 16, 3))))


@pytest.mark.parametrize(
    ("scale", "zero", "name"),
    [
        (1 / 255, np.uint8(0), "0..1"),
        (1, np.uint8(0), "0..255"),
        (2 / 255, np.int8(0), "-1..1"),
        (4.76 / 255, np.uint8(113), "ImageNet's mean and std"),
    ],
)
def test_the_range_of_a_quantizer_tells_it(scale: float, zero: np.ndarray, name: str) -> None:
    assert chosen(quantized(scale, zero)) == (name, "chosen by the range of the first QuantizeLinear")


def test_a_normalization_of_the_input_itself_tells_it() -> None:
    net = Net(side=12)
    proto = net.model(net.head(net.conv("conv1", net.bn("bn0", "x"), 8, 3)))
    proto = edit(edit(proto, "bn0.mean", lambda old: 0 * old + 120), "bn0.var", lambda old: 0 * old + 60**2)
    assert chosen(proto) == ("0..255", "chosen by the first BatchNormalization")


def test_a_model_that_does_not_tell_gets_the_default() -> None:
    net = Net(side=12)
    proto = net.model(net.head(net.conv("conv1", "x", 8, 3, bias=False)))
    assert find_evidence(traced(proto), "x") is None
    assert chosen(proto) == ("ImageNet's mean and std", "assumed")


def test_values_that_overflow_are_not_chosen() -> None:
    net = Net(side=12)
    half = net.node("Cast", ["x"], "half", to=TensorProto.FLOAT16)
    large = net.node("Mul", [half, net.store("large", np.float16(1000))], "large_half")
    back = net.node("Cast", [large], "back", to=TensorProto.FLOAT)
    assert chosen(net.model(net.head(net.conv("conv1", back, 8, 3, bias=False))))[0] == "0..1"


def test_channels_last_are_followed_through_the_transpose() -> None:
    proto = trained(EVERY["0..255"])
    proto.graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 12, 12, 3]))
    proto.graph.node[0].input[0] = "first"
    proto.graph.node.insert(0, helper.make_node("Transpose", ["x"], ["first"], perm=[0, 3, 1, 2]))
    scaling, reason = choose_scaling(
        traced(proto), "x", MENU, lambda scaling: [np.moveaxis(batch, 1, -1) for batch in batches(scaling)]
    )
    assert (scaling.name, reason) == ("0..255", "chosen by the first BatchNormalization")
