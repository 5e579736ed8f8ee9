"""The result is measured against the dense model, and what is not faster is not called so."""

from __future__ import annotations

from dataclasses import asdict

from onnxprune.bench import Race
from onnxprune.errors import BudgetError
from onnxprune.latency.stopwatch import DENSE, PRUNED
from onnxprune.machine import this_machine
from onnxprune.result import Result
from onnxprune.run import Run

TOLERANCE = 0.01
"""What a limit on latency may be missed by beyond the noise, as a share of the dense model's."""


def measure(run: Run, result: Result) -> None:
    """Measure a result, and put what was found into its report.

    Raises `BudgetError` where it is not faster beyond the noise, unless `allow_slower`; and where a limit on latency
    is missed, unless `best_effort`.
    """
    run.phases.enter("comparing")
    latency = run.latency
    race = run.stopwatch.race(result.pruned, latency.seconds, run.phases.advance)
    ratio = race.ratio(PRUNED)
    report = result.report
    shapes = {name: list(values.shape) for name, values in run.stopwatch.feeds.items()}
    report.latency = {"machine": asdict(this_machine()), "shapes": shapes, **race.as_dict()}
    if not ratio.is_faster and not latency.allow_slower:
        raise BudgetError(
            f"the pruned model is not faster: {ratio.verdict} ({ratio.value:.3f} of the dense model's time at "
            f"{latency.threads} threads); nothing was written: {_advice(run)}, or take it with --allow-slower"
        )
    _check_limits(run, race)


def _advice(run: Run) -> str:
    if run.options.zeros is not None:
        return "onnxruntime's kernels multiply zeros too; remove channels instead (--granularity channel)"
    return "remove more, and leave the widths to --round-to auto"


def _check_limits(run: Run, race: Race) -> None:
    ratio, dense = race.ratio(PRUNED), race.contestants[DENSE].median_ms
    for limit in run.options.limits():
        if limit.measure == "latency" and not run.options.best_effort:
            goal = limit.most if limit.is_relative else limit.most / dense
            if ratio.value > goal + TOLERANCE + ratio.noise:
                raise BudgetError(
                    f"the pruned model takes {ratio.value:.1%} of the dense model's time, not the {goal:.1%} asked "
                    "for; nothing was written: ask for less, or take it with --best-effort"
                )
