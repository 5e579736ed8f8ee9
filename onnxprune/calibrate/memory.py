"""How `--memory-limit` is shared out: among samples, what a model computes on them, and what is summed up of that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from onnx import helper

from onnxprune.calibrate.calibration import Calibration
from onnxprune.linear import Layer, layers
from onnxprune.model import Model, tensors_read
from onnxprune.runtime import Feeds
from onnxprune.shapes import Shape, infer

COPIES = 6
"""What a node reads and writes is there so many times: in the runtime, as a result, spread out under a kernel."""

SINGLE = 4
"""Bytes of a number in single precision."""

MB = 1 << 20

LEAST = 128 * MB
"""A lower limit is taken for this much by what a layer is fitted to: with fewer rows a repair would be none."""

WIDEST = 6144
"""Columns of a layer up to which a covariance is kept: 150 MB in single precision."""

IN_DOUBLE = 32
"""Bytes for each element of a covariance while it is inverted, or a system of that size solved: four in double."""


class MemoryLimitWarning(UserWarning):
    """More memory than the limit says will be needed, or something is left out to stay within it."""


@dataclass(frozen=True)
class Shares:
    """What may be taken of a limit, in bytes."""

    limit: int

    @property
    def samples(self) -> int:
        """Of samples; what is more is read again whenever it is needed, if it lies in files."""
        return self.limit // 4

    @property
    def kept(self) -> int:
        """Of activations between two layers, by each of two models; what is more is computed again."""
        return self.limit // 4

    @property
    def batch(self) -> int:
        """Of what is computed on one batch."""
        return self.limit // 2

    @property
    def table(self) -> int:
        """Of the inputs of one layer that it is fitted to."""
        return max(self.limit, LEAST) // 4

    @property
    def side(self) -> int:
        """The columns, or rows, of a matrix that is inverted or solved with."""
        return math.isqrt(max(self.limit, LEAST) // IN_DOUBLE)


class Load:
    """How much is there at once while one batch goes through a model."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def of(self, one: Mapping[str, tuple[int, ...]]) -> tuple[str, int]:
        """Return the node that reads and writes most where inputs have such shapes, and about what that takes.

        Nothing where shapes are not known.
        """
        inferred = infer(self._model, one)
        sizes = {name: _bytes(shape, inferred.types.get(name, 1)) for name, shape in inferred.shapes.items()}
        most = "", 0
        for node in self._model.proto.graph.node:
            names = {*tensors_read(node), *node.output} - self._stored
            taken = COPIES * sum(sizes.get(name, 0) for name in names)
            most = max(most, (node.name or next(iter(node.output), ""), taken), key=lambda found: found[1])
        return most

    def fitting(self, one: Mapping[str, tuple[int, ...]], usual: int, room: int) -> int:
        """Return how many samples to run together, `usual` at most, where inputs have such shapes for one of them."""
        return max(1, min(usual, room // max(1, self.of(one)[1])))

    @cached_property
    def _stored(self) -> set[str]:
        return {name for scope, name in self._model.constants if not scope}


def shortage(model: Model, samples: Calibration, limit: int) -> list[str]:
    """Return what a run on some samples needs more memory for than the limit says, and what to do about it."""
    return [*_of_samples(samples, limit), *_of_batches(model, samples, limit)]


def _of_samples(samples: Calibration, limit: int) -> list[str]:
    taken = bytes_of(samples.batches) if isinstance(samples.batches, tuple) else 0
    if taken <= limit:
        return []
    return [
        f"the samples take {taken / MB:,.0f} MB, more than --memory-limit {limit / MB:,.0f}MB: take fewer with "
        "--samples, or give them as .npy or .npz that is not packed, which stay on the disk"
    ]


def _of_batches(model: Model, samples: Calibration, limit: int) -> list[str]:
    first = max(range(len(samples.sizes)), key=lambda place: samples.sizes[place])
    node, taken = Load(model).of({name: values.shape for name, values in samples.batches[first].items()})
    if taken <= limit:
        return []
    size = samples.sizes[first]
    less = "give a smaller --batch-size or a higher limit" if size > 1 else "a higher limit says that there is room"
    return [
        f"node '{node}' takes about {taken / MB:,.0f} MB on {size} samples at a time, more than --memory-limit "
        f"{limit / MB:,.0f}MB: {less}"
    ]


def shortage_of_covariances(model: Model, limit: int) -> list[str]:
    """Return which layers have no covariance because of the limit, and what to do about it."""
    found = [layer for layer in layers(model) if layer.matrix_shape[1] <= WIDEST]
    without = {layer.output for layer in found} - covered(found, limit)
    left = [layer for layer in found if layer.output in without]
    if not left:
        return []
    widest = max(left, key=lambda layer: layer.matrix_shape[1])
    groups, columns, _ = widest.matrix_shape
    whole = sum(SINGLE * layer.matrix_shape[0] * layer.matrix_shape[1] ** 2 for layer in found)
    needed = max(whole, IN_DOUBLE * groups * columns**2)
    return [
        f"within --memory-limit {limit / MB:,.0f}MB {len(left)} layers have no covariance and count as if their inputs "
        f"were independent, the widest of them '{widest.name}' with {columns:,} columns: {-(-needed // MB)}MB has room "
        "for all, and --criterion variance needs none"
    ]


def bytes_of(batches: Iterable[Feeds]) -> int:
    """Return what batches take."""
    return sum(values.nbytes for batch in batches for values in batch.values())


def covered(found: Iterable[Layer], limit: int) -> set[str]:
    """Return the layers, by their outputs, that can have a covariance within a limit: the narrower ones first."""
    left, side, chosen = max(limit, LEAST), Shares(limit).side, set[str]()
    for layer in sorted(
        (layer for layer in found if layer.matrix_shape[1] <= WIDEST), key=lambda layer: layer.matrix_shape[1]
    ):
        groups, columns, _ = layer.matrix_shape
        size = SINGLE * groups * columns**2
        if groups * columns**2 <= side**2 and size <= left:
            chosen.add(layer.output)
            left -= size
    return chosen


def _bytes(shape: Shape, elem_type: int) -> int:
    """Return what a tensor takes, as far as its lengths are known; types that numpy has not got are smaller than 8."""
    known = elem_type in helper.get_all_tensor_dtypes()
    itemsize = np.dtype(helper.tensor_dtype_to_np_dtype(elem_type)).itemsize if known else 8
    return math.prod(length for length in shape if isinstance(length, int)) * itemsize
