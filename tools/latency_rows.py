"""What a model file loses of its latency: how closely a wanted one is met, and what round widths do at equal MACs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onnxprune.apply import apply_masks
from onnxprune.bench import Race, race
from onnxprune.cost import cost_of
from onnxprune.criteria import best_criterion, is_loss, score
from onnxprune.feeds import usable_feeds
from onnxprune.latency import Stopwatch
from onnxprune.latency.profile import whole
from onnxprune.latency.table import Table, cached
from onnxprune.machine import this_machine
from onnxprune.model import Model
from onnxprune.options import AUTO, NONE, LatencyOptions, Options
from onnxprune.pipeline import WITHOUT_DATA, prune_model, read
from onnxprune.result import Result
from onnxprune.select import Losses, select
from onnxprune.tracing import Trace, trace

AMOUNT = 0.5
SECONDS = 20.0
"""How long models are raced: ratios within a percent at 100 ms a run."""

DENSE = "dense"


def landing(path: Path) -> dict[str, Any]:
    """Remove a share of a model's latency without any data.

    Besides what was reached in the end, the row says what the first choice, which goes by the table alone, was
    predicted to take and takes; how long it took to measure what the table lacked (None where it lacked nothing); and
    the CPU seconds of choosing once.
    """
    options = Options(AMOUNT, "latency", recover=NONE, best_effort=True)
    found = trace(read(path))
    first, facts = _first_choice(found, options)
    latency = LatencyOptions(bench=True, allow_slower=True)
    result = prune_model(found.model, options, check=False, data=WITHOUT_DATA, latency=latency)
    seen = _race(found, {"first": first, "pruned": result.pruned})
    facts["first"] = seen.ratio("first").as_dict()
    return {
        "wanted": 1 - AMOUNT,
        **facts,
        **_remaining(result),
        **seen.ratio("pruned").as_dict(),
        **_about(found, seen),
    }


def widths(path: Path) -> dict[str, Any]:
    """Remove a share of a model's MACs without any data: in widths that suit the machine, and in any."""
    rules = (AUTO, NONE)
    asked = {rule: Options(AMOUNT, "macs", recover=NONE, round_to=rule) for rule in rules}
    found = trace(read(path))
    results = {rule: prune_model(found.model, options, check=False) for rule, options in asked.items()}
    seen = _race(found, {rule: result.pruned for rule, result in results.items()})
    rows = {rule: {**_remaining(results[rule]), **seen.ratio(rule).as_dict()} for rule in rules}
    return {**rows, **_about(found, seen)}


def _first_choice(found: Trace, options: Options) -> tuple[Model, dict[str, Any]]:
    """Return what is chosen by the table of times alone, and what that took."""
    cost = cost_of(found)
    watch = Stopwatch(found, cost, LatencyOptions(), options.seed)
    lacking = _lacks(watch)
    began = time.perf_counter()
    cost.measures["latency"] = watch.predicted(False, lambda share: None)
    profiling = time.perf_counter() - began
    criterion = best_criterion(with_data=False)
    losses = Losses(score(found, criterion, options.seed), is_loss(criterion))
    began = time.process_time()
    chosen = select(found, losses, cost, options, options.limits())
    selecting = time.process_time() - began
    model, _ = apply_masks(found, chosen.masks)
    counts = {dim: int(mask.sum()) for dim, mask in chosen.masks.items()}
    return model, {
        "predicted": 1 - chosen.hardest.removed,
        "first_macs": cost.macs(counts) / cost.macs({}),
        "profiling_seconds": round(profiling, 1) if lacking else None,
        "select_cpu_seconds": round(selecting, 3),
    }


def _lacks(watch: Stopwatch) -> bool:
    """Whether the table of this machine has yet to learn the times of a model."""
    path = cached(this_machine(), watch.options.threads)
    return not path.exists() or whole(watch.nodes, False) not in Table.load(path).rows


def _race(found: Trace, versions: Mapping[str, Model]) -> Race:
    return race({DENSE: found.model, **versions}, usable_feeds(found), seconds=SECONDS)


def _remaining(result: Result) -> dict[str, Any]:
    """Return the shares of MACs and parameters that are left, and what widths are multiples of."""
    report = result.report
    shares = {name: getattr(report, name).after / getattr(report, name).before for name in ("macs", "params")}
    return {**shares, "width": report.width}


def _about(found: Trace, seen: Race) -> dict[str, Any]:
    """Return what the ratios are of."""
    return {
        "dense_ms": seen.contestants[DENSE].median_ms,
        "waiting_share": seen.waiting_share,
        "rounds": seen.rounds,
        "shapes": {name: list(values.shape) for name, values in usable_feeds(found).items()},
    }
