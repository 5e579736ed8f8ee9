"""Repair: the weights that remain take over what the removed ones did, layer by layer in topological order."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from onnxprune.axes import Dim, Mask
from onnxprune.calibrate import Calibration
from onnxprune.errors import ModelError
from onnxprune.linear import by_depth
from onnxprune.model import ConstantKey, Model
from onnxprune.recover.jobs import find_jobs
from onnxprune.recover.registry import Recovery
from onnxprune.recover.work import Cut, LayerRepair, OnProgress, Work
from onnxprune.tracing import Trace


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
    touched: Collection[ConstantKey] = (),
    cut: Cut | None = None,
) -> tuple[Model, Repair]:
    """Return `pruned`, edited in place, with its linear layers repaired, and what was done.

    What `pruned` lacks are the units that `masks` drop, and weights that became zero in the constants `touched`, by
    their keys in the traced model. Zeros in its weights stay zeros. With `cut`, weights become zero only here, each
    layer's when the walk comes to it.

    `memory_limit` is the number of bytes of activations that each of the two models may hold between two layers.
    """
    jobs = find_jobs(trace, masks, pruned, touched, recovery.moves_biases)
    left = dict(jobs.left)
    work = Work(trace, masks, Model(pruned.proto, pruned.path), calibration, recovery, memory_limit, cut)
    by_name = {job.pruned.output: job for job in jobs.found}
    groups = by_depth(work.pruned, (job.pruned for job in jobs.found))
    done: list[LayerRepair] = []
    for place, layers in enumerate(groups):
        part = partial(_report, on_progress, place, len(groups))
        group = [by_name[layer.output] for layer in layers]
        try:
            for job, rows in zip(group, work.tables(group, part), strict=True):
                fared = work.correct(job, rows)
                if isinstance(fared, LayerRepair):
                    done.append(fared)
                else:
                    left[job.pruned.name] = fared
        except ModelError as error:
            left.update({job.pruned.name: f"the model cannot be run as far as here ({error})" for job in group})
    return work.result, Repair(recovery.name, tuple(done), tuple(sorted(work.changed)), jobs.added, left)


def _report(on_progress: OnProgress, place: int, groups: int, share: float) -> None:
    on_progress((place + share) / groups)
