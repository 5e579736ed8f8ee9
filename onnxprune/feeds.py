"""Random inputs that a model can take: the right types and shapes, token ids below the vocabulary, masks of ones."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.errors import DataError, ModelError
from onnxprune.inputs import ATTEMPTS, check_batch, check_shapes, concrete_inputs
from onnxprune.model import MOVES, Model
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import Trace

SAMPLE_RATE_NAMES = ("sr", "sample_rate", "sampling_rate")
SAMPLE_RATE = 16_000


def random_feeds(trace: Trace, shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Feeds:
    """Return one random value for each graph input: standard normal reals, integers that the graph can take."""
    rng = np.random.default_rng(seed)
    graph = trace.model.proto.graph
    infos = {info.name: info for info in graph.input}
    return {name: _draw(trace, infos[name], shape, rng) for name, shape in shapes.items()}


def _draw(
    trace: Trace, info: onnx.ValueInfoProto, shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.generic]:
    if not info.type.HasField("tensor_type"):
        raise ModelError(f"input '{info.name}' is not a tensor; give inputs, or skip the check with --no-verify")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    if dtype.kind in "iu":
        if "mask" in info.name:
            return np.ones(shape, dtype)
        if info.name.lower() in SAMPLE_RATE_NAMES:
            return np.full(shape, SAMPLE_RATE, dtype)
        return rng.integers(0, vocabulary(trace, info.name) or 2, shape).astype(dtype)
    if dtype.kind == "b":
        return np.ones(shape, dtype) if "mask" in info.name else np.asarray(rng.random(shape) < 0.5)
    if dtype.kind not in "fV":
        raise ModelError(f"input '{info.name}' holds {dtype}; give inputs, or skip the check with --no-verify")
    return rng.standard_normal(shape).astype(dtype)


def vocabulary(trace: Trace, name: str) -> int | None:
    """Return the number of rows of the smallest table that an integer input indexes, or None where it indexes none.

    A table may be written out: a OneHot, or a comparison with the numbers from 0 on.
    """
    model = trace.model
    reached, rows = {name}, []
    for node in model.proto.graph.node:
        if node.op_type in MOVES and node.input[0] in reached:
            reached.add(node.output[0])
        elif node.op_type == "Gather" and node.input[1] in reached:
            table = _stored(model, node.input[0])
            rows += [] if table is None else [table.dims[0]]
        elif node.op_type in ("OneHot", "Equal") and reached.intersection(node.input):
            rows += _classes(model, node)
    return min(rows, default=None)


def _stored(model: Model, name: str) -> onnx.TensorProto | None:
    """Return the constant that a value is, perhaps dequantized."""
    node = model.producers.get(("", name))
    if node is not None and node.op_type in ("Identity", "DequantizeLinear"):
        return _stored(model, node.input[0])
    return model.constants.get(("", name))


def _classes(model: Model, node: onnx.NodeProto) -> list[int]:
    """Return how many classes a OneHot or an Equal tells apart, where that is known."""
    table = next((table for name in node.input[:2] if (table := _stored(model, name)) is not None), None)
    if table is None:
        return []
    values = model.array(table).reshape(-1)
    if node.op_type == "OneHot":
        return [int(values[0])]
    return [len(values)] if len(values) > 1 and np.array_equal(values, np.arange(len(values))) else []


def load_feeds(path: Path) -> Feeds:
    """Read inputs from an .npz whose keys are input names. Raises `DataError`."""
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: not an .npz file but a single array; give an .npz whose keys are input names")
        with archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not an .npz file of arrays ({error})") from error


def usable_feeds(
    found: Trace,
    seed: int = 0,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    batch: int | None = None,
) -> Feeds:
    """Return random inputs that the dense model runs on.

    `shapes` are those of inputs by name, and `batch` is how many samples they hold; what neither says takes usual
    sizes. Raises `DataError` where they do not fit the model, and `ModelError` where it runs at none of the sizes.
    """
    check_shapes(found.model, shapes or {})
    if batch is not None:
        check_batch(found.model, batch, shapes or {})
    failure: ModelError | None = None
    for attempt in range(ATTEMPTS):
        feeds = random_feeds(found, concrete_inputs(found.model, shapes, attempt, batch), seed)
        try:
            run(found.model, feeds)
        except ModelError as error:
            failure = error
        else:
            return feeds
    assert failure is not None
    raise failure
