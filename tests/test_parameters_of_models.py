"""The models that ship with the project have the parameters that their layers in tools/networks.py have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from networks import traced

from onnxprune.cost import cost_of

MODELS = Path(__file__).parents[1] / "models"


def normalized(inputs: int, outputs: int, taps: int = 9) -> int:
    """A convolution and a BatchNormalization of scale, bias, mean and variance: the model applies all four."""
    return outputs * inputs * taps + 4 * outputs


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def folded(inputs: int, outputs: int, taps: int = 1) -> int:
    """A convolution with the BatchNormalization in it."""
    return outputs * inputs * taps + outputs


def residual_cnn() -> int:
    total = normalized(3, 32) + linear(128, 10)
    for inputs, outputs in ((32, 32), (32, 64), (64, 128)):
        total += normalized(inputs, outputs) + 3 * normalized(outputs, outputs)
        # The shortcut's bias got the gradients of the branch's and is equal to it: the exporter stored one of them.
        total += normalized(inputs, outputs, 1) - outputs
    return total


def mobile_net() -> int:
    total = folded(3, 16, 9) + folded(64, 256) + linear(256, 10)
    gated = ((24, 96, 40), (40, 160, 40), (40, 160, 40), (40, 160, 64), (64, 256, 64))
    for inputs, wide, outputs in ((16, 64, 24), (24, 96, 24), *gated):
        total += folded(inputs, wide) + folded(1, wide, 9) + folded(wide, outputs)
    return total + sum(linear(wide, wide // 4) + linear(wide // 4, wide) for _, wide, _ in gated)


def vision_transformer() -> int:
    width, tokens = 96, 65
    block = 2 * 2 * width + linear(width, 3 * width) + linear(width, width)
    block += linear(width, 4 * width) + linear(4 * width, width)
    patches = folded(3, 32, 9) + folded(32, 64, 9) + folded(64, width, 9)
    return patches + width + tokens * width + 6 * block + 2 * width + linear(width, 10)


@pytest.mark.parametrize("network", [residual_cnn, mobile_net, vision_transformer])
def test_the_models_have_the_parameters_of_their_layers(network: Callable[[], int]) -> None:
    model = onnx.load(MODELS / f"{network.__name__}.onnx")
    assert cost_of(traced(model)).params({}) == network()
