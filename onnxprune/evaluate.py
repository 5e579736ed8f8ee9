"""How well a model does on given samples: its accuracy, and how far its outputs are from those of a dense model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from onnxprune.calibrate import Calibration
from onnxprune.errors import DataError, ModelError, UnsupportedError, UsageError
from onnxprune.metrics import AUTO, Comparison, Evidence, Metric, Score, find, fitting
from onnxprune.model import Model
from onnxprune.reading import Archive
from onnxprune.runtime import Session

OnBatch: TypeAlias = "Callable[[int, int], None]"
"""Called with the number of batches that are done, and that of all."""

LABEL_KEYS = ("label", "labels", "y")
"""Keys of an .npz that are taken for labels unless told otherwise."""
LOOKED_AT = 16
"""Batches, evenly spread, that show what kind of output each one is."""
MEMORY_LIMIT = 1 << 28
"""Bytes of a model's outputs that are kept for the next time; what goes beyond is computed again."""


@dataclass(frozen=True)
class OutputEvaluation:
    """What was found of one output.

    `scores` are by metric. `fits` names the one that suits the output, and `max_abs` is the largest absolute
    difference; both are None without a reference, the latter also for text. `finite` is False where the model gives
    NaN, or infinities that the reference does not give.
    """

    scores: Mapping[str, Score]
    finite: bool
    fits: str | None = None
    max_abs: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """What was found of every output on `samples` samples from `source`."""

    samples: int
    source: str
    outputs: Mapping[str, OutputEvaluation]

    def as_dict(self) -> dict[str, Any]:
        """Return plain data; numbers may be infinite or NaN."""
        return asdict(self)


@dataclass(frozen=True)
class Judgement:
    """How much worse than the dense model a model is: by output, the name of a metric and the score."""

    metrics: Mapping[str, str]
    scores: Mapping[str, Score]

    @property
    def drops(self) -> dict[str, float]:
        """The drop of every output."""
        return {output: score.drop for output, score in self.scores.items() if score.drop is not None}

    @property
    def drop(self) -> float:
        """The drop of the output that suffered most; infinite where one is no longer finite."""
        return max(self.drops.values())


def evaluate_model(
    model: Model,
    calibration: Calibration,
    reference: Model | None = None,
    output: str | None = None,
    on_batch: OnBatch = lambda done, total: None,
) -> Evaluation:
    """Run a model on samples, and tell how often it is right and how far it is from a reference.

    With labels, `accuracy` is found and, from six classes on, `top5-accuracy`. With a reference, so are the metric
    that fits each output, `relative-error` and `cosine`. `output` is the only output to look at.

    Raises `UsageError` where there are neither labels nor a reference, or where labels are given for several outputs;
    `DataError` where labels do not fit; `ModelError` where a model cannot be run, or has other outputs than the
    reference; `UnsupportedError` where outputs cannot be compared.
    """
    labels = calibration.labels
    if reference is None and labels is None:
        raise UsageError("nothing to evaluate against: give labels (--labels), a dense model (--reference), or both")
    answers = _Answers(model, calibration, output)
    dense = None if reference is None else _Answers(reference, calibration, output)
    evidence = (dense or answers).evidence()
    if labels is not None:
        _check_labels(calibration, evidence)
    metrics = {name: _all_that_fit(found, dense is not None, labels is not None) for name, found in evidence.items()}
    comparisons = {name: Comparison(evidence[name], metrics[name]) for name in evidence}
    _compare(comparisons, answers, dense, on_batch)
    outputs = {name: _found(comparisons[name], evidence[name], dense is not None) for name in evidence}
    return Evaluation(calibration.samples, calibration.source, outputs)


class Judge:
    """A dense model on given samples; it tells how much worse other versions of the model are.

    `metric` is that of every output, or `auto` for the one that fits each. `output` is the only output to look at.
    The dense model is run once as long as its outputs take no more than `memory_limit` bytes.
    """

    def __init__(
        self,
        dense: Model,
        calibration: Calibration,
        metric: str = AUTO,
        output: str | None = None,
        memory_limit: int = MEMORY_LIMIT,
        threads: int | None = None,
    ) -> None:
        """Look at the outputs of the dense model. `threads` is how many work on one operator; default: one a core.

        Raises `UsageError` for a metric that is unknown, does not suit an output, or needs labels that are not there,
        and what `evaluate_model` raises.
        """
        labelled = metric != AUTO and find(metric).labelled
        self._calibration = calibration
        self._output = output
        self._threads = threads
        self._dense = _Answers(dense, calibration, output, memory_limit, threads)
        self._evidence = self._dense.evidence()
        if labelled:
            _check_labels(calibration, self._evidence)
        self.metrics = {name: fitting(metric, found) for name, found in self._evidence.items()}

    def judge(self, model: Model, on_batch: OnBatch = lambda done, total: None) -> Judgement:
        """Run another version of the model on the same samples and compare.

        Raises `ModelError` where it cannot be run or has other outputs, `DataError` where the dense model gives NaN,
        and `UnsupportedError` where outputs cannot be compared.
        """
        comparisons = {name: Comparison(self._evidence[name], [metric]) for name, metric in self.metrics.items()}
        answers = _Answers(model, self._calibration, self._output, memory_limit=0, threads=self._threads)
        _compare(comparisons, answers, self._dense, on_batch)
        names = {output: metric.name for output, metric in self.metrics.items()}
        return Judgement(names, {output: comparisons[output].scores[name] for output, name in names.items()})


def label_key(source: str, model: Model) -> str | None:
    """Return which key of an .npz is taken for labels: 'label', 'labels' or 'y' where that is no input; else None."""
    try:
        with Archive(Path(source)) as archive:
            keys = set(archive.keys)
    except (OSError, ValueError):
        return None  # another kind of source; whoever reads it says what is wrong with it
    inputs = {info.name for info in model.proto.graph.input}
    return next((key for key in LABEL_KEYS if key in keys - inputs), None)


class _Answers:
    """What a model gives for every batch, kept for the next time as long as memory allows."""

    def __init__(
        self,
        model: Model,
        calibration: Calibration,
        output: str | None,
        memory_limit: int = MEMORY_LIMIT,
        threads: int | None = None,
    ) -> None:
        if not calibration.batches:
            raise DataError(f"{calibration.source}: there are no samples to evaluate on")
        self.names = _names(model, output)
        self.calibration = calibration
        self._session = Session(model, self.names, threads=threads)
        self._limit = memory_limit
        self._kept: dict[int, dict[str, NDArray[Any]]] = {}

    def batch(self, place: int) -> dict[str, NDArray[Any]]:
        """Return the outputs for one batch by name. Raises `UnsupportedError` where one is no tensor."""
        if place in self._kept:
            return self._kept[place]
        values = dict(zip(self.names, self._session.run(self.calibration.batches[place]), strict=True))
        for name, value in values.items():
            if not isinstance(value, np.ndarray):
                raise UnsupportedError(f"output '{name}' is not a tensor; name another to look at")
        size = sum(value.nbytes for value in values.values())
        if size <= self._limit:
            self._limit -= size
            self._kept[place] = values
        return values

    def evidence(self) -> dict[str, Evidence]:
        """Return what some batches, evenly spread, show of each output."""
        found = {name: Evidence(name) for name in self.names}
        count = len(self.calibration.batches)
        for place in sorted({int(place) for place in np.linspace(0, count - 1, LOOKED_AT).round()}):
            for name, values in self.batch(place).items():
                found[name].add(values, self.calibration.sizes[place])
        return found


def _compare(
    comparisons: Mapping[str, Comparison], answers: _Answers, dense: _Answers | None, on_batch: OnBatch
) -> None:
    """Take every batch into account."""
    if dense is not None and set(dense.names) != set(answers.names):
        raise ModelError(f"the models have different outputs: {_listed(dense.names)} and {_listed(answers.names)}")
    calibration = answers.calibration
    ends = np.cumsum((0, *calibration.sizes))
    for place, size in enumerate(calibration.sizes):
        labels = None if calibration.labels is None else calibration.labels[ends[place] : ends[place + 1]]
        given, wanted = answers.batch(place), {} if dense is None else dense.batch(place)
        for name, comparison in comparisons.items():
            comparison.add(given[name], wanted.get(name), size, labels)
        on_batch(place + 1, len(calibration.sizes))


def _found(comparison: Comparison, evidence: Evidence, compared: bool) -> OutputEvaluation:
    fits = evidence.metric if compared else None
    max_abs = comparison.max_abs if compared and evidence.is_numeric else None
    return OutputEvaluation(comparison.scores, comparison.finite, fits, max_abs)


def _all_that_fit(evidence: Evidence, compared: bool, labelled: bool) -> list[Metric]:
    """Return the metrics to report: of those of labels and of a comparison, what makes sense for an output."""
    names = []
    if labelled:
        names += ["accuracy"] + ["top5-accuracy"] * (evidence.classes > 5)
    if compared:
        names += [evidence.metric] + ["relative-error", "cosine"] * evidence.is_real
    return [find(name) for name in dict.fromkeys(names)]


def _names(model: Model, output: str | None) -> list[str]:
    """Return the outputs to look at. Raises `UsageError` where there is none of that name."""
    names = [info.name for info in model.proto.graph.output]
    if output is None:
        return names
    if output not in names:
        raise UsageError(f"the model has no output '{output}'; there are: {_listed(names)}")
    return [output]


def _check_labels(calibration: Calibration, evidence: Mapping[str, Evidence]) -> None:
    """Raise `UsageError` or `DataError` where there are no labels, or they cannot be those of the only output."""
    labels = calibration.labels
    if labels is None:
        raise UsageError("accuracy needs labels, and there are none; say where they are with --labels")
    if len(evidence) > 1:
        raise UsageError(f"labels go with one output; name the one of the class scores: {_listed(evidence)}")
    (found,) = evidence.values()
    source, output = calibration.source, f"output '{found.output}' {list(found.shape)}"
    if labels.shape != (calibration.samples,):
        raise DataError(f"{source}: {len(labels)} labels for {calibration.samples} samples; there must be one for each")
    if found.classes < 2 or found.positions != 1:
        raise DataError(f"{source}: labels want class scores, [samples, classes]; {output} holds none for each sample")
    if labels.min() < 0 or labels.max() >= found.classes:
        raise DataError(
            f"{source}: labels go from {labels.min()} to {labels.max()}, but {output} has {found.classes} classes, "
            "counted from 0"
        )


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(names)
