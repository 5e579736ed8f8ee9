"""The guard: it lets a reordered model pass, and stops one whose channels do not stand where its weights think."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from networks import branchy, edit, plain
from quantized_graphs import QuantizedGraph
from reordering import random_orders

from onnxprune.apply.reorder import reorder
from onnxprune.errors import VerificationError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.precision import is_half
from onnxprune.sparsify.permutation import same_outputs
from onnxprune.tracing import trace

MODELS = Path(__file__).parents[3] / "models"


def half() -> onnx.ModelProto:
    """The plain network with everything in half precision."""
    proto = plain()
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
        )
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    return proto


def quantized() -> onnx.ModelProto:
    """Two convolutions whose activations are rounded to integers."""
    g = QuantizedGraph()
    x = g.image()
    for channels in (8, 6):
        x = g.add("Relu", g.conv(g.dequantize(g.quantize(x)), channels, 3))
    g.finish(g.dequantize(g.quantize(x)))
    return g.model()


def transformer() -> onnx.ModelProto:
    return onnx.load(MODELS / "vision_transformer.onnx")


@pytest.mark.parametrize("network", [plain, branchy, half, quantized, transformer])
def test_a_model_in_another_order_passes(network: Callable[[], onnx.ModelProto]) -> None:
    model = Model(network())
    found = trace(model, allow_norm=True)
    orders = random_orders(found)
    assert orders
    checked = same_outputs(found, reorder(found, orders), usable_feeds(found))
    assert checked.compared >= len(model.proto.graph.output) and checked.float32_twin == is_half(model)
    assert not checked.not_compared


@pytest.mark.parametrize("name", ["conv2.weight", "bn1.mean"])
def test_a_constant_that_did_not_follow_is_seen(name: str) -> None:
    found = trace(Model(plain()), allow_norm=True)
    new = reorder(found, random_orders(found))
    axis = 1 if name == "conv2.weight" else 0
    wrong = Model(edit(new.proto, name, lambda w: np.roll(w, 1, axis)))
    with pytest.raises(VerificationError, match="--no-permute"):
        same_outputs(found, wrong, usable_feeds(found))


def test_what_a_choice_is_made_of_is_compared_too() -> None:
    """Behind the choice there is hardly anything to see: which of the classes is the best."""
    net = plain()
    net.graph.node.append(onnx.helper.make_node("ArgMax", ["fc"], ["best"], axis=1))
    del net.graph.output[:]
    net.graph.output.append(onnx.helper.make_tensor_value_info("best", onnx.TensorProto.INT64, [2, 1]))
    found = trace(Model(net), allow_norm=True)
    new = reorder(found, random_orders(found))
    assert same_outputs(found, new, usable_feeds(found)).compared == 2
    with pytest.raises(VerificationError, match="in another order"):
        same_outputs(found, Model(edit(new.proto, "fc.bias", lambda b: b + 1)), usable_feeds(found))
