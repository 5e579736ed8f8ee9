"""How a model wants its input scaled: what its first layers say about the values that they were trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate.parts import Parts
from onnxprune.calibrate.synthetic.entry import Entry, entry_of
from onnxprune.calibrate.synthetic.scaling import Menu, Scaling
from onnxprune.model import Model
from onnxprune.runtime import Session
from onnxprune.tracing import Trace

TINY = 1e-12
"""What is added to variances, so that a dead channel does not divide by zero."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the mean and the variance of a value, for each channel (axis 1) or else for all of it.

    `unprocessed` says that the model itself shifts or scales its input, which then is as it comes from a file.
    """

    value: str
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    witness: str
    by_channel: bool
    unprocessed: bool

    def distance(self, values: Sequence[NDArray[Any]]) -> float:
        """Return how far values, in batches, are from it.

        That is log(1 + d), averaged over channels, where d is the Kullback-Leibler divergence of a normal distribution
        with the mean and variance of the values from one with those of the evidence. The logarithm keeps one odd
        channel from deciding alone.
        """
        rows = [np.asarray(batch, np.float64) for batch in values]
        rows = [
            np.moveaxis(row, 1, 0).reshape(row.shape[1], -1) if self.by_channel else row.reshape(1, -1) for row in rows
        ]
        found = np.concatenate(rows, axis=1)
        expected = self.variance + TINY
        spread = (found.var(axis=1) + TINY) / expected
        shift = np.square(found.mean(axis=1) - self.mean) / expected
        distance = float(np.log1p((spread + shift - 1 - np.log(spread)) / 2).mean())
        return distance if np.isfinite(distance) else np.inf


def choose_scaling(
    trace: Trace, name: str, menu: Menu, make_batches: Callable[[Scaling], Sequence[NDArray[Any]]]
) -> tuple[Scaling, str]:
    """Return the scaling of input `name` with which its statistics come closest to the evidence, and the reason.

    `make_batches` returns the input scaled, in batches that the model can take.
    """
    evidence = find_evidence(trace, name)
    if evidence is None:
        return menu.default, "assumed"
    candidates = menu.unprocessed if evidence.unprocessed else (*menu.unprocessed, *menu.processed)
    compute = _computation(trace, name, evidence.value)
    with np.errstate(over="ignore", invalid="ignore"):
        best = min(candidates, key=lambda scaling: evidence.distance(compute(make_batches(scaling))))
    return best, f"chosen by {evidence.witness}"


def find_evidence(trace: Trace, name: str) -> Evidence | None:
    """Return the best evidence that a model has about its input `name`.

    In this order: the running statistics of the first BatchNormalization; the range of the first QuantizeLinear;
    constants that shift and scale the input, taken to be there to make it standard normal; and the biases of the first
    convolution, which make up for the mean of its input where a BatchNormalization was folded into it, taken to have
    made its outputs standard normal.
    """
    entry = entry_of(trace, name)
    return _of_normalization(trace, entry) or _of_range(trace, entry) or _of_constants(entry) or _of_biases(entry)


def _computation(trace: Trace, name: str, value: str) -> Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[Any]]]:
    """Return what computes a value from an input, batch by batch."""
    parts = Parts(trace.model, trace.types)
    nodes = parts.between({name}, [value])
    if not nodes:
        return lambda batches: batches
    session = Session(parts.part(nodes, [value])[0])
    return lambda batches: [session.run({name: batch})[0] for batch in batches]


def _of_normalization(trace: Trace, entry: Entry) -> Evidence | None:
    value = entry.value if entry.conv is None else entry.conv.output[0]
    for node in trace.model.proto.graph.node:
        if node.op_type == "BatchNormalization" and node.input[0] == value:
            mean, variance = (_stored(trace.model, name) for name in node.input[3:5])
            if mean is not None and variance is not None:
                mean, variance = mean.astype(np.float64), variance.astype(np.float64)
                return Evidence(value, mean, variance, "the first BatchNormalization", True, entry.is_normalized)
    return None


def _of_range(trace: Trace, entry: Entry) -> Evidence | None:
    """Take the range of a QuantizeLinear for four standard deviations."""
    node = next((node for node in entry.path if node.op_type == "QuantizeLinear" and len(node.input) == 3), None)
    if node is None:
        return None
    scale, zero = (_stored(trace.model, name) for name in node.input[1:])
    if scale is None or zero is None or scale.size != 1 or zero.dtype not in (np.uint8, np.int8):
        return None
    limits = np.iinfo(zero.dtype)
    middle = (limits.min + limits.max) / 2 - zero.reshape(1).astype(np.float64)
    step = scale.reshape(1).astype(np.float64)
    witness = "the range of the first QuantizeLinear"
    return Evidence(node.input[0], step * middle, np.square(step * 256 / 4), witness, False, entry.is_normalized)


def _of_constants(entry: Entry) -> Evidence | None:
    if not entry.is_normalized:
        return None
    witness = "the constants that the input meets first"
    return Evidence(entry.value, np.zeros(1), np.ones(1), witness, False, True)


def _of_biases(entry: Entry) -> Evidence | None:
    if entry.conv is None or len(entry.conv.input) < 3:
        return None
    witness = "the biases of the first convolution"
    return Evidence(entry.conv.output[0], np.zeros(1), np.ones(1), witness, True, False)


def _stored(model: Model, name: str) -> NDArray[Any] | None:
    """Return the numbers that a value is, where it is a constant."""
    node = model.producers.get(("", name))
    if node is not None and node.op_type == "Identity":
        return _stored(model, node.input[0])
    tensor = model.constants.get(("", name))
    return None if tensor is None else model.array(tensor)
