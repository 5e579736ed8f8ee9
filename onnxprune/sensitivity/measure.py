"""Measuring the sensitivity of a model: look at it, and then remove a share of each dim or block by itself."""

from __future__ import annotations

from pathlib import Path

from onnxprune.calibrate import Calibration
from onnxprune.errors import UsageError
from onnxprune.files import check_output
from onnxprune.model import Model
from onnxprune.options import DataOptions, Options
from onnxprune.phases import OnPhase, Phases, in_silence
from onnxprune.select.protection import protected
from onnxprune.sensitivity.candidates import Candidate, Grid, candidates_of, subjects_of
from onnxprune.sensitivity.gauge import measure_here, measure_in_processes
from onnxprune.sensitivity.ledger import Ledger
from onnxprune.sensitivity.look import Look, look_at
from onnxprune.sensitivity.result import Sensitivity

PHASES = ("tracing", "calibrating", "scoring", "measuring")


def measure_sensitivity(
    model: Model,
    options: Options,
    data: DataOptions | Calibration,
    grid: Grid | None = None,
    *,
    path: Path | None = None,
    overwrite: bool = False,
    workers: int = 1,
    on_phase: OnPhase = in_silence,
) -> Sensitivity:
    """Measure how much worse the outputs get when one dim, or one block, loses a share of its units.

    The least salient units go, and nothing is repaired. All samples are judged on, by `options.metric`: `auto` is
    accuracy where there are labels, and otherwise what fits each output.

    Args:
        model: The dense model.
        options: Of these: criterion, metric, judged_output, include, exclude, allow_norm and seed.
        data: Which samples, or they themselves.
        grid: Which amounts, of dims or blocks; by default 10 % to 90 % of each dim.
        path: A file to write now and then, and in the end. What it has already is not measured again.
        overwrite: Measure everything anew, whatever the file has.
        workers: How many processes measure. Where it is more than one, a script has to guard what it does by
            `if __name__ == "__main__"`, since each of them imports it.
        on_phase: Called with each of `PHASES`, and how far it got.

    Raises:
        onnxprune.errors.OnnxPruneError: With one line that says what was wrong. What was measured until then is in the
            file, also after an interrupt.
    """
    if workers < 1:
        raise UsageError(f"--workers {workers}: it must be at least 1")
    if path is not None:
        check_output(path, model.files(), overwrite=True)
    phases = Phases(on_phase)
    look = look_at(model, options, data, phases)
    ledger = Ledger(look.nothing_measured, subjects_of(look.found, (), "both"), path, overwrite)
    candidates = _missing(look, ledger, grid or Grid())
    phases.enter("measuring")
    try:
        _measure(look, candidates, workers, ledger, phases)
    finally:
        ledger.save()
    return ledger.result()


def _missing(look: Look, ledger: Ledger, grid: Grid) -> list[Candidate]:
    """Return what is wanted and not known yet."""
    kept_whole = protected(look.found, look.options)
    return [
        candidate
        for subject in subjects_of(look.found, kept_whole, grid.by)
        for candidate in candidates_of(look.found, look.saliency, subject, ledger.missing(subject, grid.amounts))
    ]


def _measure(look: Look, candidates: list[Candidate], workers: int, ledger: Ledger, phases: Phases) -> None:
    """Put the drops of all candidates into the ledger; those that lose nothing need not be run."""
    done = 0

    def take_down(candidate: Candidate, drop: float) -> None:
        nonlocal done
        ledger.add(candidate, drop)
        done += 1
        phases.advance(done / len(candidates))

    to_run = [candidate for candidate in candidates if candidate.masks]
    for candidate in candidates:
        if not candidate.masks:
            take_down(candidate, 0.0)
    if workers == 1 or len(to_run) < 2:
        measure_here(look.gauge, to_run, take_down)
    else:
        measure_in_processes(look.setup, to_run, min(workers, len(to_run)), take_down)
