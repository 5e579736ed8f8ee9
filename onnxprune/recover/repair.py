"""Repair: the weights that remain take over what the removed ones did, layer by layer in topological order.

Two models run side by side on the calibration samples, stage by stage: the dense one says what each layer should give,
the pruned one, as far as it is repaired, what the layer is given to make it of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.axes import Dim, Mask, free_dims, keep
from onnxprune.calibrate import Calibration
from onnxprune.calibrate.rows import RowChoice
from onnxprune.calibrate.single import in_single_precision
from onnxprune.calibrate.stages import Stages
from onnxprune.linear import by_depth
from onnxprune.model import Model
from onnxprune.recover.jobs import Job, find_jobs
from onnxprune.recover.registry import Correction, Recovery, Rows
from onnxprune.runtime import Feeds
from onnxprune.tensors import to_tensor
from onnxprune.tracing import Trace

Array = NDArray[Any]
OnProgress = Callable[[float], None]

HELD_BACK = 5
"""One batch in so many, or one row where there are fewer batches, is held back to choose a penalty by."""


@dataclass(frozen=True)
class LayerRepair:
    """How one layer fared: the share of its dense outputs' variance that it missed before and after, on held rows."""

    name: str
    before: float
    after: float


@dataclass(frozen=True)
class Repair:
    """What was repaired, which tensors changed or were added, and what was left as it is, with the reason."""

    method: str
    layers: tuple[LayerRepair, ...]
    recovered: tuple[str, ...]
    added: tuple[str, ...]
    left: Mapping[str, str]


def repair(
    trace: Trace,
    masks: Mapping[Dim, Mask],
    pruned: Model,
    calibration: Calibration,
    recovery: Recovery,
    memory_limit: int,
    on_progress: OnProgress = lambda share: None,
) -> tuple[Model, Repair]:
    """Return `pruned`, edited in place, with its linear layers repaired, and what was done.

    `memory_limit` is the number of bytes of activations that each of the two models may hold between two layers.
    """
    jobs = find_jobs(trace, masks, pruned)
    work = _Work(trace, masks, Model(pruned.proto, pruned.path), calibration, recovery, memory_limit)
    by_name = {job.pruned.output: job for job in jobs.found}
    groups = by_depth(work.pruned, (job.pruned for job in jobs.found))
    done: list[LayerRepair] = []
    for place, layers in enumerate(groups):
        part = partial(_report, on_progress, place, len(groups))
        group = [by_name[layer.output] for layer in layers]
        tables = work.tables(group, part)
        done += [work.correct(job, rows) for job, rows in zip(group, tables, strict=True)]
    return work.result, Repair(recovery.name, tuple(done), tuple(sorted(work.changed)), jobs.added, jobs.left)


def _report(on_progress: OnProgress, place: int, groups: int, share: float) -> None:
    on_progress((place + share) / groups)


class _Work:
    """Both models on their way through the samples."""

    def __init__(
        self,
        trace: Trace,
        masks: Mapping[Dim, Mask],
        result: Model,
        calibration: Calibration,
        recovery: Recovery,
        memory_limit: int,
    ) -> None:
        dense, types, batches = in_single_precision(trace.model, trace.types, calibration.batches)
        self.result, self.changed = result, set[str]()
        self.pruned, _, _ = in_single_precision(result, trace.types, ())
        self._trace, self._masks, self._recovery = trace, masks, recovery
        self._dense = Stages(dense, types, batches, memory_limit)
        self._own = Stages(self.pruned, types, batches, memory_limit) if recovery.sequential else None
        self._batches = len(batches)

    def tables(self, group: Sequence[Job], on_progress: OnProgress) -> list[Rows]:
        """Run both models as far as a group of layers and return the rows of each."""
        inputs: list[list[Array]] = [[] for _ in group]
        wanted: list[list[Array]] = [[] for _ in group]
        choice = RowChoice(self._batches)
        for batch, (dense, given) in enumerate(self._values(group)):
            for place, job in enumerate(group):
                columns = self._matrix(job).shape[1]
                rows = choice.of(batch, job.dense.rows(dense[job.dense.y]), columns)
                inputs[place].append(job.pruned.inputs(given[job.pruned.x], rows))
                outputs = job.dense.outputs(dense[job.dense.y], rows)
                wanted[place].append(outputs[job.groups][:, :, job.outs])
            on_progress((batch + 1) / self._batches)
        return [self._rows(*found) for found in zip(group, inputs, wanted, strict=True)]

    def _values(self, group: Sequence[Job]) -> Iterator[tuple[Feeds, Feeds]]:
        """Yield, batch by batch, what the dense layers give and what the pruned ones are given."""
        wanted = list(dict.fromkeys(job.dense.y for job in group))
        given = list(dict.fromkeys(job.pruned.x for job in group))
        if self._own is not None:
            yield from zip(self._dense.advance(wanted), self._own.advance(given), strict=True)
            return
        for values in self._dense.advance(list(dict.fromkeys([*wanted, *given]))):
            yield values, {name: self._kept(name, values[name]) for name in given}

    def _kept(self, name: str, values: Array) -> Array:
        """Return what pruning leaves of a tensor of the dense model."""
        for place, axis in enumerate(self._trace.tensors[name].axes or ()):
            if any(dim in self._masks for dim in free_dims(axis)):
                values = values.compress(keep(axis, self._masks), place)
        return values

    def _rows(self, job: Job, inputs: list[Array], wanted: list[Array]) -> Rows:
        lengths = [found.shape[1] for found in inputs]
        batches = len(lengths) >= HELD_BACK
        numbers = np.repeat(np.arange(len(lengths)), lengths) if batches else np.arange(sum(lengths))
        matrix = self._matrix(job)
        bias = np.zeros((matrix.shape[0], matrix.shape[2]), matrix.dtype)
        if job.room is not None and job.room.at_node:
            bias = job.pruned.biases(self._array(job.room.constant))
        held = numbers % HELD_BACK == HELD_BACK // 2
        return Rows(np.concatenate(inputs, 1), np.concatenate(wanted, 1), matrix, bias, held, job.room is not None)

    def correct(self, job: Job, rows: Rows) -> LayerRepair:
        """Correct one layer, in the result and in the model that runs."""
        found = self._recovery.method(rows)
        weight = job.pruned.weight[1]
        self._overwrite(weight, job.pruned.stored(rows.matrix + found.matrix, self._array(weight)))
        if job.room is not None:
            bias = self._array(job.room.constant)
            self._overwrite(job.room.constant, job.pruned.biased(bias, job.room.sign * found.bias))
        return LayerRepair(job.pruned.name, _missed(rows, None), _missed(rows, found))

    def _matrix(self, job: Job) -> Array:
        return job.pruned.matrix(self._array(job.pruned.weight[1]))

    def _array(self, name: str) -> Array:
        return self.pruned.array(self.pruned.constants["", name])

    def _overwrite(self, name: str, values: Array) -> None:
        """Store new values under a name, in the type that they had."""
        self.changed.add(name)
        for model in {id(model): model for model in (self.result, self.pruned)}.values():
            tensor = model.constants["", name]
            doc, stored_as = tensor.doc_string, tensor.name
            tensor.CopyFrom(to_tensor(values, tensor.data_type, stored_as))
            tensor.doc_string = doc


def _missed(rows: Rows, correction: Correction | None) -> float:
    """Return the share of the wanted outputs' variance that is missed on the rows held back."""
    wanted, given = rows.wanted[:, rows.held], rows.given[:, rows.held]
    if correction is not None:
        given = given + rows.inputs[:, rows.held] @ correction.matrix + correction.bias[:, None]
    variance = float(np.sum((wanted - wanted.mean(axis=1, keepdims=True)) ** 2, dtype=np.float64))
    missed = float(np.sum((wanted - given) ** 2, dtype=np.float64))
    return missed / variance if variance > 0 else 0.0
