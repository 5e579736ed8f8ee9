"""onnxruntime's quantizers as tests use them, the models of `models/`, and what to look at in quantized models."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from onnxprune.model import Model
from onnxprune.runtime import Feeds, Session, run

FOLDER = Path(__file__).parents[2] / "models"
NAMES = ("residual_cnn", "mobile_net", "vision_transformer")
TESTED = 400
"""Test images: the accuracy of two models on the same ones differs by less than a point when they are as good."""

UNSIGNED: dict[str, Any] = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}


class Batches(CalibrationDataReader):
    """Samples, one batch after the other."""

    def __init__(self, feeds: Iterable[Feeds]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feeds | None:
        return next(self._feeds, None)


def prepared(proto: onnx.ModelProto, folder: Path) -> Path:
    """Write a model as the quantizers want it: normalization folded, shapes inferred."""
    source, target = folder / "source.onnx", folder / "prepared.onnx"
    onnx.save(proto, source)
    quant_pre_process(source, target, skip_symbolic_shape=True)
    return target


def qdq(proto: onnx.ModelProto, feeds: Iterable[Feeds] | None = None, **options: Any) -> onnx.ModelProto:
    """Quantize with pairs of QuantizeLinear and DequantizeLinear, per channel, on digits unless there are feeds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reader = Batches(digit_batches() if feeds is None else feeds)
        given = {"quant_format": QuantFormat.QDQ, "per_channel": True, **UNSIGNED, **options}
        quantize_static(prepared(proto, folder), folder / "quantized.onnx", reader, **given)
        return onnx.load(folder / "quantized.onnx")


def qoperator(proto: onnx.ModelProto, feeds: Iterable[Feeds] | None = None, **options: Any) -> onnx.ModelProto:
    """Quantize to operators on integers."""
    return qdq(proto, feeds, quant_format=QuantFormat.QOperator, **options)


def dynamic(proto: onnx.ModelProto, **options: Any) -> onnx.ModelProto:
    """Quantize weights, and let activations be quantized as they come."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = {"weight_type": QuantType.QUInt8, **options}
        quantize_dynamic(prepared(proto, folder), folder / "quantized.onnx", **given)
        return onnx.load(folder / "quantized.onnx")


def shipped(name: str) -> onnx.ModelProto:
    """A model of `models/`."""
    return onnx.load(FOLDER / f"{name}.onnx")


@cache
def shipped_qdq(name: str) -> onnx.ModelProto:
    """A model of `models/`, quantized; not to be changed."""
    return qdq(shipped(name))


@cache
def _digits(file: str, key: str) -> NDArray[Any]:
    with np.load(FOLDER / f"digits_{file}.npz") as stored:
        values: NDArray[Any] = stored[key]
    return values


def digit_batches() -> Iterator[Feeds]:
    """Two batches of unlabelled images."""
    images = _digits("calibration", "input")
    return ({"input": images[start : start + 32]} for start in (0, 32))


def accuracy(proto: onnx.ModelProto) -> float:
    """How often a model finds the digit."""
    images, labels = (_digits("test", key)[:TESTED] for key in ("input", "label"))
    session = Session(Model(proto))
    right = [
        session.run({"input": images[start : start + 100]})[0].argmax(1) == labels[start : start + 100]
        for start in range(0, TESTED, 100)
    ]
    return float(np.mean(right))


def image_batches(count: int = 4, side: int = 5) -> list[Feeds]:
    """Inputs for the graphs of `networks`."""
    rng = np.random.default_rng(0)
    return [{"x": rng.normal(size=(2, 3, side, side)).astype(np.float32)} for _ in range(count)]


def distance(one: onnx.ModelProto, other: onnx.ModelProto) -> float:
    """How far the outputs of two graphs of `networks` are apart, of their norm."""
    pairs = [(run(Model(one), feeds)[0], run(Model(other), feeds)[0]) for feeds in image_batches()]
    wanted, given = (np.concatenate(outputs) for outputs in zip(*pairs, strict=True))
    return float(np.linalg.norm(given - wanted) / np.linalg.norm(wanted))


def operators(proto: onnx.ModelProto) -> Counter[str]:
    """How many nodes there are of each operator."""
    return Counter(node.op_type for node in proto.graph.node)


def stored(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """The initializers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def quantized_weights(proto: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Weights of two axes or more that a DequantizeLinear reads, less their zero points, by name."""
    values, found = stored(proto), {}
    for node in proto.graph.node:
        name = node.input[0] if node.op_type == "DequantizeLinear" else ""
        if name in values and values[name].ndim > 1:
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            weight = np.moveaxis(values[name].astype(int), axis, -1)
            found[name] = np.moveaxis(weight - values[node.input[2]].astype(int), -1, axis)
    return found
