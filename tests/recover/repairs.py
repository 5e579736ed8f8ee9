"""Pruning and repairing small models in tests, and models that can be repaired without any loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from graphs import Graph
from numpy.typing import NDArray
from onnx import TensorProto

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask
from onnxprune.calibrate import Calibration
from onnxprune.feeds import random_feeds
from onnxprune.inputs import concrete_inputs
from onnxprune.linear import layers
from onnxprune.model import Model
from onnxprune.recover import Repair, find, repair
from onnxprune.runtime import Feeds, run
from onnxprune.tensors import to_tensor
from onnxprune.tracing import Trace, trace

Array = NDArray[Any]
MEMORY = 1 << 30


@dataclass(frozen=True)
class Repaired:
    """A model before it was pruned, after that, and repaired, with what was done and on which samples."""

    found: Trace
    sliced: Model
    model: Model
    repair: Repair
    batches: tuple[Feeds, ...]

    @property
    def fresh(self) -> Feeds:
        """Inputs that the repair has not seen."""
        return batches_for(self.found, 1, seed=99)[0]

    def drift(self, model: Model | None = None) -> float:
        """The largest difference of an output on fresh inputs, relative to its largest value in the dense model."""
        dense, found = (run(each, self.fresh) for each in (self.found.model, model or self.model))
        pairs = [(np.asarray(d, np.float64), np.asarray(f, np.float64)) for d, f in zip(dense, found, strict=True)]
        return max(float(np.abs(d - f).max() / np.abs(d).max()) for d, f in pairs)


def repaired(
    proto: onnx.ModelProto,
    masks: Mapping[str, Mask] | None = None,
    method: str = "sequential",
    batches: int = 12,
    memory_limit: int = MEMORY,
) -> Repaired:
    """Prune a model, every second unit unless `masks` say otherwise, and repair it on random samples."""
    found = trace(Model(proto))
    chosen = every_other(found) if masks is None else by_name(found, masks)
    sliced, _ = apply_masks(found, chosen)
    before = Model(copied(sliced.proto))
    feeds = batches_for(found, batches)
    model, done = repair(found, chosen, sliced, Calibration.of(feeds), find(method), memory_limit)
    onnx.checker.check_model(model.proto, full_check=True)
    return Repaired(found, before, model, done, feeds)


def with_zeros(
    proto: onnx.ModelProto,
    goes: Mapping[str, Mask],
    method: str = "sequential",
    batches: int = 12,
) -> Repaired:
    """Put zeros into stored weights where `goes` says so, and repair the model on random samples."""
    found = trace(Model(proto))
    pruned = Model(copied(proto))
    for name, mask in goes.items():
        tensor = pruned.constants["", name]
        values = np.where(mask, 0, pruned.array(tensor))
        tensor.CopyFrom(to_tensor(values, tensor.data_type, tensor.name))
    before = Model(copied(pruned.proto))
    feeds = batches_for(found, batches)
    touched = {("", name) for name in goes}
    model, done = repair(found, {}, pruned, Calibration.of(feeds), find(method), MEMORY, touched=touched)
    onnx.checker.check_model(model.proto, full_check=True)
    return Repaired(found, before, model, done, feeds)


def smallest(proto: onnx.ModelProto, share: float = 0.5) -> dict[str, Mask]:
    """Which numbers of each weight of a linear layer are its smallest, by name."""
    model = Model(proto)
    found: dict[str, Mask] = {}
    for layer in layers(model):
        size = np.abs(model.array(model.constants[layer.weight]))
        found[layer.weight[1]] = size < np.quantile(size, share)
    return found


def batches_for(found: Trace, count: int, seed: int = 0) -> tuple[Feeds, ...]:
    shapes = concrete_inputs(found.model)
    return tuple(random_feeds(found, shapes, seed + place) for place in range(count))


def by_name(found: Trace, masks: Mapping[str, Mask]) -> dict[Dim, Mask]:
    dims = {name: dim for dim, name in found.names.items()}
    return {dims[name]: mask for name, mask in masks.items()}


def every_other(found: Trace) -> dict[Dim, Mask]:
    """Masks that keep the first unit of each pair."""
    return {dim: np.arange(dim.size) % 2 == 0 for dim in found.dims if dim.size > 2}


def copied(proto: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return copy


def paired(values: Array, axis: int = 0) -> Array:
    """Values in which every second slice along an axis is a positive multiple of the one before.

    What such a layer gives is linear in its even channels alone, also behind a rectifier: the others can go.
    """
    even = np.repeat(values.take(range(0, values.shape[axis], 2), axis), 2, axis)
    factors = np.where(np.arange(even.shape[axis]) % 2, 0.5 + np.arange(even.shape[axis]) / even.shape[axis], 1)
    return np.asarray(even * factors.reshape([-1 if a == axis else 1 for a in range(even.ndim)]), np.float32)


class Pairs(Graph):
    """A graph whose layers give pairs of channels, followed by a rectifier."""

    def pair(self, *shape: int, axis: int = 0, fan_in: int = 1) -> str:
        """A weight whose channels along an axis go in pairs."""
        return self.store(paired(self.random(*shape, fan_in=fan_in), axis))

    def relu(self, x: str) -> str:
        return self.add("Relu", x)

    def hidden(self, x: str, channels: int, kernel: int = 1, bias: bool = True) -> str:
        """A convolution of pairs."""
        given = self.shape(x)[1]
        w = self.pair(channels, given, kernel, kernel, fan_in=given * kernel**2)
        inputs = [x, w, self.pair(channels)] if bias else [x, w]
        return self.relu(self.add("Conv", *inputs, pads=[kernel // 2] * 4))


def convolutions() -> onnx.ModelProto:
    g = Pairs()
    x = g.hidden(g.hidden(g.image(batch=8), 8, 3), 6, 3, bias=False)
    g.finish(x)
    return g.model()


def grouped() -> onnx.ModelProto:
    g = Pairs()
    x = g.hidden(g.image(batch=8), 8)
    w = g.pair(8, 4, 3, 3, fan_in=36)
    x = g.relu(g.add("Conv", x, w, g.pair(8), group=2, pads=[1] * 4))
    g.finish(x)
    return g.model()


def depthwise() -> onnx.ModelProto:
    """A depthwise kernel makes pairs of pairs where the two kernels of a pair are the same."""
    g = Pairs()
    x = g.hidden(g.image(batch=8), 8)
    kernel = g.store(np.repeat(g.random(4, 1, 3, 3, fan_in=9), 2, 0))
    g.finish(g.relu(g.add("Conv", x, kernel, group=8, pads=[1] * 4)))
    return g.model()


def transposed() -> onnx.ModelProto:
    g = Pairs()
    x = g.hidden(g.image(batch=8, side=4), 8)
    w = g.pair(8, 6, 2, 2, axis=1, fan_in=8)
    x = g.relu(g.add("ConvTranspose", x, w, g.pair(6), strides=[2, 2]))
    w = g.weight(6, 2, 3, 3, fan_in=6)
    g.output(g.add("ConvTranspose", x, w, strides=[2, 2]))
    return g.model()


def products_right() -> onnx.ModelProto:
    """X W on three axes, with an Add for a bias."""
    g = Pairs()
    x = g.input(4, 10, 5)
    for width in (8, 6):
        given = g.shape(x)[-1]
        x = g.add("MatMul", x, g.pair(given, width, axis=1, fan_in=given))
        x = g.relu(g.add("Add", x, g.pair(width)))
    g.output(g.linear(x, 3))
    return g.model()


def products_left() -> onnx.ModelProto:
    """W X."""
    g = Pairs()
    x = g.input(4, 5, 10)
    for width in (8, 6):
        x = g.relu(g.add("MatMul", g.pair(width, g.shape(x)[1], fan_in=5), x))
    g.output(g.add("MatMul", g.weight(3, 6, fan_in=6), x))
    return g.model()


def gemms() -> onnx.ModelProto:
    """Both ways to store a weight, and factors of product and bias."""
    g = Pairs()
    x = g.input(20, 5)
    x = g.relu(g.add("Gemm", x, g.pair(8, 5, fan_in=5), g.pair(8), transB=1, alpha=0.5))
    x = g.relu(g.add("Gemm", x, g.pair(8, 6, axis=1, fan_in=8), g.pair(6), alpha=2.0, beta=0.5))
    g.output(g.add("Gemm", x, g.weight(6, 3, fan_in=6)))
    return g.model()


def recurrent() -> onnx.ModelProto:
    """The input of an LSTM in both directions."""
    g = Pairs()
    x = g.input(5, 4, 3)
    x = g.relu(g.add("MatMul", x, g.pair(3, 8, axis=1, fan_in=3)))
    weights = [g.weight(2, 16, 8, fan_in=8), g.weight(2, 16, 4, fan_in=4), g.weight(2, 32)]
    g.output(g.nodes_of("LSTM", [x, *weights], 1, hidden_size=4, direction="bidirectional")[0])
    return g.model()


def normalized() -> onnx.ModelProto:
    """A live BatchNormalization, of the same scale and variance for both of a pair, takes up the mean."""
    g = Pairs()
    x = g.hidden(g.image(batch=8), 8)
    x = g.add("Conv", x, g.pair(6, 8, 1, 1, fan_in=8))
    scale, variance = (g.store(np.repeat(g.rng.uniform(0.5, 1.5, 3), 2), np.float32) for _ in range(2))
    g.finish(g.relu(g.add("BatchNormalization", x, scale, g.pair(6), g.pair(6), variance)))
    return g.model()


def in_half(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in half precision."""
    half = copied(proto)
    for info in (*half.graph.input, *half.graph.output, *half.graph.value_info):
        info.type.tensor_type.elem_type = TensorProto.FLOAT16
    for tensor in half.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return half


REPAIRABLE = (
    convolutions,
    grouped,
    depthwise,
    transposed,
    products_right,
    products_left,
    gemms,
    recurrent,
    normalized,
)
