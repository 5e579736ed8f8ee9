"""The work of a repair: two models on their way through the samples, and the layers that are corrected on it.

The two run side by side, stage by stage: the dense one says what each layer should give, the pruned one, as far as it
is repaired, what the layer is given to make it of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from onnxprune.apply.values import refilled
from onnxprune.axes import Dim, Mask, free_dims, keep
from onnxprune.calibrate import Calibration
from onnxprune.calibrate.rows import RowChoice
from onnxprune.calibrate.single import in_single_precision
from onnxprune.calibrate.stages import Stages
from onnxprune.linear import Layer
from onnxprune.model import Model
from onnxprune.recover.jobs import Job
from onnxprune.recover.registry import Correction, Recovery, Rows
from onnxprune.recover.systems import sum_of_squares
from onnxprune.runtime import Feeds
from onnxprune.tracing import Trace

Array = NDArray[Any]
OnProgress = Callable[[float], None]

Cut: TypeAlias = "Callable[[Layer, Rows], Rows]"
"""Puts zeros into the matrix of a layer of the dense model, just before that is corrected."""

HELD_BACK = 5
"""One batch in so many, or such a share of the rows where there are fewer, is held back to choose a penalty by."""


@dataclass(frozen=True)
class LayerRepair:
    """How one layer fared: the share of its dense outputs' variance that it missed before and after, on held rows.

    Where a `Cut` put zeros into it, `before` is with them, and not yet corrected.
    """

    name: str
    before: float
    after: float


class Work:
    """Both models on their way through the samples."""

    def __init__(
        self,
        trace: Trace,
        masks: Mapping[Dim, Mask],
        result: Model,
        calibration: Calibration,
        recovery: Recovery,
        memory_limit: int,
        cut: Cut | None,
    ) -> None:
        dense, types, batches = in_single_precision(trace.model, trace.types, calibration.batches)
        self.result, self.changed = result, set[str]()
        self.pruned, _, _ = in_single_precision(result, trace.types, ())
        self._trace, self._masks, self._recovery, self._cut = trace, masks, recovery, cut
        self._dense = Stages(dense, types, batches, memory_limit)
        self._own = Stages(self.pruned, types, batches, memory_limit) if recovery.sequential else None
        self._batches, self._limit = len(batches), memory_limit

    def tables(self, group: Sequence[Job], on_progress: OnProgress) -> Iterator[Rows]:
        """Run both models as far as a group of layers and yield the rows of each. Raises `ModelError`."""
        inputs: list[list[Array]] = [[] for _ in group]
        wanted: list[list[Array]] = [[] for _ in group]
        choice = RowChoice(self._batches, limit=self._limit)
        for batch, (dense, given) in enumerate(self._values(group)):
            for place, job in enumerate(group):
                groups, columns, _ = job.pruned.matrix_shape
                rows = choice.of(batch, job.dense.rows(dense[job.dense.y]), columns, groups)
                inputs[place].append(job.pruned.inputs(given[job.pruned.x], rows))
                outputs = job.dense.outputs(dense[job.dense.y], rows)
                wanted[place].append(outputs[job.groups][:, :, job.outs])
            on_progress((batch + 1) / self._batches)
        for job in group:
            yield self._rows(job, inputs.pop(0), wanted.pop(0))

    def _values(self, group: Sequence[Job]) -> Iterator[tuple[Feeds, Feeds]]:
        """Yield, batch by batch, what the dense layers give and what the pruned ones are given.

        That is what the pruned model computes or, where its rows would be others, what it keeps of the dense one's.
        """
        running = [job for job in group if job.aligned and self._own is not None]
        wanted = {job.dense.y: None for job in group}
        kept = {job.pruned.x: None for job in group if job not in running}
        dense = self._dense.advance([*wanted | kept])
        own: Iterable[Feeds] = [{}] * self._batches
        if self._own is not None and running:
            own = self._own.advance([*dict.fromkeys(job.pruned.x for job in running)])
        for values, given in zip(dense, own, strict=True):
            yield values, {**given, **{name: self._kept(name, values[name]) for name in kept}}

    def _kept(self, name: str, values: Array) -> Array:
        """Return what pruning leaves of a tensor of the dense model."""
        for place, axis in enumerate(self._trace.tensors[name].axes or ()):
            if any(dim in self._masks for dim in free_dims(axis)):
                values = values.compress(keep(axis, self._masks), place)
        return values

    def _rows(self, job: Job, inputs: list[Array], wanted: list[Array]) -> Rows:
        matrix = self._matrix(job)
        bias = np.zeros((matrix.shape[0], matrix.shape[2]), matrix.dtype)
        if job.room is not None and job.room.at_node:
            bias = job.pruned.biases(self._array(job.room.constant))
        held = _held([found.shape[1] for found in inputs])
        return Rows(np.concatenate(inputs, 1), np.concatenate(wanted, 1), matrix, bias, held, job.room is not None)

    def correct(self, job: Job, rows: Rows) -> LayerRepair | str:
        """Correct one layer, in the result and in the model that runs; return how it fared, or why it cannot be."""
        if not rows.held.size:
            return "nothing reaches it on the samples"
        if not rows.are_finite:
            return "its values on the samples are not finite"
        if self._cut is not None:
            rows = self._with_zeros(job, rows, self._cut)
        found = self._recovery.method(rows)
        weight = job.pruned.weight[1]
        values = {weight: job.pruned.stored(rows.matrix + found.matrix, self._array(weight))}
        if job.room is not None:
            bias = self._array(job.room.constant)
            values[job.room.constant] = job.pruned.biased(bias, job.room.sign * found.bias)
        if not all(self._fits(name, found) for name, found in values.items()):
            return "its corrected weights are too large for the type that they are stored in"
        for name, corrected in values.items():
            if not np.array_equal(corrected, self._array(name)):
                self._overwrite(name, corrected)
                self.changed.add(name)
        return LayerRepair(job.pruned.name, _missed(rows, None), _missed(rows, found))

    def _with_zeros(self, job: Job, rows: Rows, cut: Cut) -> Rows:
        """Put zeros into one layer, which stay there even if it cannot be corrected; they are no correction."""
        found = cut(job.dense, rows)
        weight = job.pruned.weight[1]
        self._overwrite(weight, job.pruned.stored(np.where(found.frozen, 0, rows.matrix), self._array(weight)))
        return found

    def _matrix(self, job: Job) -> Array:
        return job.pruned.matrix(self._array(job.pruned.weight[1]))

    def _array(self, name: str) -> Array:
        return self.pruned.array(self.pruned.constants["", name])

    def _fits(self, name: str, values: Array) -> bool:
        """Whether values are finite in the type of the constant `name`."""
        dtype = helper.tensor_dtype_to_np_dtype(self.result.constants["", name].data_type)
        with np.errstate(over="ignore"):
            return bool(np.isfinite(values.astype(dtype)).all())

    def _overwrite(self, name: str, values: Array) -> None:
        """Store new values under a name, in the type that they had."""
        for model in {id(model): model for model in (self.result, self.pruned)}.values():
            tensor = model.constants["", name]
            tensor.CopyFrom(refilled(tensor, values))


def _held(lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Return which rows to hold back, of batches that hold so many: neighbours, since rows of one sample are alike."""
    if len(lengths) >= HELD_BACK:
        return np.repeat(np.arange(len(lengths)) % HELD_BACK == HELD_BACK // 2, lengths)
    total = sum(lengths)
    return np.asarray(np.arange(total) * HELD_BACK // max(total, 1) == HELD_BACK // 2)


def _missed(rows: Rows, correction: Correction | None) -> float:
    """Return the share of the wanted outputs' variance that is missed on the rows held back."""
    wanted, given = rows.wanted[:, rows.held], rows.given[:, rows.held]
    if correction is not None:
        given = given + rows.inputs[:, rows.held] @ correction.matrix + correction.bias[:, None]
    variance = sum_of_squares(wanted - rows.wanted.mean(axis=1, keepdims=True))
    return sum_of_squares(wanted - given) / variance if variance > 0 else 0.0
