"""What is known of a model before anything is removed: its dims, how salient their units are, and what it answers."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.source import samples_for
from onnxprune.calibrate.statistics import collect
from onnxprune.criteria import Needs, Saliency, best_criterion, needs_of, score
from onnxprune.errors import UsageError
from onnxprune.evaluate import Judge
from onnxprune.model import Model
from onnxprune.options import AUTO, DataOptions, Options
from onnxprune.phases import Phases
from onnxprune.sensitivity.gauge import Gauge, Setup
from onnxprune.sensitivity.result import Sensitivity
from onnxprune.tracing import Trace, trace


@dataclass(frozen=True)
class Look:
    """A traced model, what it is judged on, and the saliency of its units. `options` are those that were resolved."""

    found: Trace
    samples: Calibration
    judge: Judge
    saliency: Saliency
    options: Options

    @property
    def gauge(self) -> Gauge:
        """What measures candidates in this process."""
        return Gauge(self.found, self.judge)

    @property
    def setup(self) -> Setup:
        """What another process makes the same gauge of."""
        model, options = self.found.model, self.options
        proto, judging = model.proto.SerializeToString(), (options.metric, options.judged_output)
        return Setup(proto, model.path, model.edits, options.allow_norm, self.samples, *judging)

    @property
    def nothing_measured(self) -> Sensitivity:
        """What the file says before anything is measured: of which model, and how."""
        model, options, samples = self.found.model, self.options, self.samples
        request = {
            "criterion": options.criterion,
            "metric": options.metric,
            "judged_output": options.judged_output,
            "allow_norm": options.allow_norm,
            "seed": options.seed,
            "samples": {"count": samples.samples, "source": samples.source, "sha256": _sha256(samples)},
        }
        identity = {"file": model.path.name if model.path else None, "sha256": model.sha256}
        return Sensitivity(identity, request, {output: metric.name for output, metric in self.judge.metrics.items()})


def look_at(model: Model, options: Options, data: DataOptions | Calibration, phases: Phases) -> Look:
    """Trace a model, get the samples, run both together and score every unit.

    Raises `UsageError` where there are to be no samples, and what reading and running them raises.
    """
    criterion = best_criterion(with_data=True) if options.criterion == AUTO else options.criterion
    needs_of(criterion)  # an unknown one is refused before any work is done
    phases.enter("tracing")
    found = trace(model, allow_norm=options.allow_norm)
    phases.enter("calibrating")
    samples = _samples(found, data, options.seed)
    metric = "accuracy" if options.metric == AUTO and samples.labels is not None else options.metric
    judge = Judge(model, samples, metric, options.judged_output)
    limit = DataOptions().memory_limit if isinstance(data, Calibration) else data.memory_limit
    resolved = replace(options, criterion=criterion, metric=metric)
    return Look(found, samples, judge, _saliency(found, samples, resolved, limit, phases), resolved)


def _saliency(found: Trace, samples: Calibration, options: Options, memory_limit: int, phases: Phases) -> Saliency:
    """Score every unit, after looking at activations where the criterion wants that."""
    needs, statistics = needs_of(options.criterion), None
    if needs:
        covariances = needs >= Needs.COVARIANCES
        statistics = collect(found.model, found.types, samples, covariances, memory_limit, phases.advance)
    phases.enter("scoring")
    return score(found, options.criterion, options.seed, statistics)


def _samples(found: Trace, data: DataOptions | Calibration, seed: int) -> Calibration:
    samples = data if isinstance(data, Calibration) else samples_for(found, data.resolved(None), seed)
    if samples is None:
        raise UsageError("--calibration none: sensitivity is measured on samples; give some, or let it make some up")
    return samples


def _sha256(samples: Calibration) -> str:
    """Return the hash of all inputs and labels: the same samples in the same batches have the same."""
    digest = hashlib.sha256()
    labels = {} if samples.labels is None else {"labels": samples.labels}
    for batch in itertools.chain(samples.batches, [labels]):
        for name, values in sorted(batch.items()):
            digest.update(f"{name} {values.dtype} {values.shape}\n".encode())
            digest.update(_bytes(values))
    return digest.hexdigest()


def _bytes(values: NDArray[Any]) -> bytes:
    """Return the bytes of an array; those of text one after the other."""
    return repr(values.tolist()).encode() if values.dtype.kind == "O" else np.ascontiguousarray(values).tobytes()
