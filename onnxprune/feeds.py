"""Random inputs that a model can take: the right types and shapes, token ids below the vocabulary, padded masks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from onnxprune.errors import DataError, ModelError
from onnxprune.inputs import ATTEMPTS, check_batch, check_shapes, concrete_inputs
from onnxprune.model import Model
from onnxprune.precision import as_float32, is_half
from onnxprune.ranges import Range, Readings, readings
from onnxprune.reading import Archive, is_archive
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import Trace

SAMPLE_RATE_NAMES = ("sr", "sample_rate", "sampling_rate")
SAMPLE_RATE = 16_000


def random_feeds(trace: Trace, shapes: Mapping[str, tuple[int, ...]], seed: int = 0, padded: bool = True) -> Feeds:
    """Return one random value for each graph input: standard normal reals, integers that the graph can take.

    Masks are ones; where `padded`, then zeros, from some position on.
    """
    rng = np.random.default_rng(seed)
    infos = {info.name: info for info in trace.model.proto.graph.input}
    return {name: _draw(trace, infos[name], shapes, rng, padded) for name in shapes}


def _draw(
    trace: Trace,
    info: onnx.ValueInfoProto,
    shapes: Mapping[str, tuple[int, ...]],
    rng: np.random.Generator,
    padded: bool,
) -> NDArray[np.generic]:
    dtype, shape = _dtype(info), shapes[info.name]
    read = readings(trace, info.name, shapes)
    if read.range is None and _is_mask(info.name, dtype, shape, read):
        return _mask(shape, rng, padded).astype(dtype)
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    limits = integer_limits(dtype)
    if limits is None:
        return rng.standard_normal(shape).astype(dtype)
    if info.name.lower() in SAMPLE_RATE_NAMES:
        return np.full(shape, SAMPLE_RATE, dtype)
    given = read.range or (limits if dtype.itemsize == 1 and len(shape) > 1 else Range(0, 1))
    low, high = max(given.low, limits.low), min(given.high, limits.high)
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)


def _dtype(info: onnx.ValueInfoProto) -> np.dtype[Any]:
    """Return the element type of an input. Raises `ModelError` where it is nothing to draw at random."""
    if not info.type.HasField("tensor_type"):
        raise ModelError(f"input '{info.name}' is not a tensor; give inputs, or skip the check with --no-verify")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))
    if dtype.kind not in "biufV":
        raise ModelError(f"input '{info.name}' holds {dtype}; give inputs, or skip the check with --no-verify")
    return dtype


def integer_limits(dtype: np.dtype[Any]) -> Range | None:
    """Return the integers that a type holds, also those of less than a byte; None for real numbers."""
    if dtype.kind in "iu":
        return Range(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    packed = re.fullmatch(r"(u?)int(\d)", dtype.name)
    if packed is None:
        return None
    values = 1 << int(packed[2])
    return Range(0, values - 1) if packed[1] else Range(-values // 2, values // 2 - 1)


def _is_mask(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], read: Readings) -> bool:
    """Whether an input says which positions count. Real ones of three axes and more are added to scores as they are."""
    return read.is_mask or ("mask" in name.lower() and (dtype.kind in "biu" or len(shape) < 3))


def _mask(shape: tuple[int, ...], rng: np.random.Generator, padded: bool) -> NDArray[np.bool_]:
    """Return ones, and zeros from some position of the last axis on: never at the first one, always at the last.

    So whether ones are to be read or to be left out, there is something to read.
    """
    last = shape[-1] if shape else 1
    if not padded or last < 2:
        return np.ones(shape, bool)
    lengths = rng.integers(1, last, shape[:1] if len(shape) > 1 else ())
    return np.broadcast_to(np.arange(last) < lengths.reshape(lengths.shape + (1,) * (len(shape) - lengths.ndim)), shape)


def vocabulary(trace: Trace, name: str) -> int | None:
    """Return the number of rows of the smallest table that an integer input indexes, or None where it indexes none.

    What the graph adds to the input first makes them fewer.
    """
    found = readings(trace, name).range
    return None if found is None or found.high < 0 else found.high + 1


def load_feeds(path: Path) -> Feeds:
    """Read inputs from an .npz whose keys are input names. Raises `DataError`."""
    try:
        if not is_archive(path):
            raise DataError(f"{path}: not an .npz file; give an .npz whose keys are input names")
        with Archive(path) as archive:
            return {name: archive.read(name) for name in archive.keys}
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
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
        try:
            return _usable_at(found, concrete_inputs(found.model, shapes, attempt, batch), seed)
        except ModelError as error:
            failure = error
    assert failure is not None
    raise failure


def _usable_at(found: Trace, sizes: Mapping[str, tuple[int, ...]], seed: int) -> Feeds:
    """Return inputs of some sizes; masks leave something out unless the model then fails, or gives NaN."""
    feeds, failure = random_feeds(found, sizes, seed), None
    try:
        if not _gives_nan(found.model, feeds):
            return feeds
    except ModelError as error:
        failure = error
    whole = random_feeds(found, sizes, seed, padded=False)
    if all(np.array_equal(feeds[name], values) for name, values in whole.items()):
        if failure is not None:
            raise failure
        return feeds
    _gives_nan(found.model, whole)
    return whole


def _gives_nan(model: Model, feeds: Feeds) -> bool:
    """Run a model and say whether any output has NaN in it. Half precision that cannot be run is as a float32 twin."""
    try:
        outputs = run(model, feeds)
    except ModelError:
        if not is_half(model):
            raise
        outputs = run(as_float32(model), without_halves(feeds))
    return any(values.dtype.kind == "f" and bool(np.isnan(values).any()) for values in outputs)


def without_halves(feeds: Feeds) -> Feeds:
    """Return inputs with those in half precision as float32."""
    return {n: v.astype(np.float32) if v.dtype.name in ("float16", "bfloat16") else v for n, v in feeds.items()}
