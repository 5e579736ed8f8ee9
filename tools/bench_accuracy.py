"""What pruning keeps of a model's accuracy: with every recovery method and criterion, with data and without.

    python tools/bench_accuracy.py --cache FOLDER [--only TASK ...]
        [--plan defaults,recovery,criteria,zeros,widths,peers,real]

Writes docs/bench_accuracy.json after every row and skips the rows that are there already, so that it can be stopped
and taken up again; --again forgets them. The tables of docs/benchmarks.md are made of that file by
tools/accuracy_tables.py.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import peers
from rich.console import Console
from rich.progress import track
from tasks import NAMES, Task, load

from onnxprune.calibrate import Calibration
from onnxprune.criteria import CRITERIA
from onnxprune.errors import OnnxPruneError
from onnxprune.options import DataOptions, Options
from onnxprune.pipeline import WITHOUT_DATA, prune_model
from onnxprune.recover import RECOVERIES

OUT = Path(__file__).parents[1] / "docs" / "bench_accuracy.json"
SEEDS = (0, 1, 2)
CNNS = ("residual_cnn", "mobile_net")
CNN_AMOUNTS, OTHER_AMOUNTS = (0.5, 0.75, 0.9), (0.2, 0.3, 0.4)
SCHEDULES = ("layer", "erk")
ZEROS = (0.5, 0.7, 0.9, 0.95)
DATA = ("real", "synthetic", "none")
BUDGETS = ("macs", "params")
"""Two thirds of MiniLM's parameters are its embeddings, which cannot go: of the MACs, everything can."""


@dataclass(frozen=True)
class Case:
    """One thing to measure."""

    task: str
    amount: float
    data: str = "real"
    recover: str = "auto"
    criterion: str = "auto"
    seed: int = 0
    budget: str = "params"
    granularity: str = "channel"
    scope: str = "global"
    permute: bool = True
    round_to: str = "none"

    @property
    def key(self) -> str:
        """A name that no other case has."""
        words = [*asdict(self).values()]
        own = words[:7] if self.granularity == "channel" else words[:10]
        return " ".join(map(str, own + [self.round_to] * (self.round_to != "none")))


def cases(plan: str) -> Iterator[Case]:
    """Yield the cases of a part of the plan."""
    if plan == "defaults":
        for task in CNNS:
            yield from (Case(task, a, data, seed=s) for a in CNN_AMOUNTS for data in DATA[:2] for s in SEEDS)
            yield from (Case(task, a, "none") for a in CNN_AMOUNTS)
        yield from (Case("vision_transformer", a, data) for a in OTHER_AMOUNTS for data in DATA)
        yield from (Case("vision_transformer", 0.4, "real", seed=s) for s in SEEDS[1:])
    elif plan == "recovery":
        methods = ("none", *RECOVERIES)
        yield from (Case(t, a, "real", m, "obs") for t in CNNS for a in CNN_AMOUNTS for m in methods)
    elif plan == "criteria":
        yield from (Case(t, a, "real", "auto", c) for t in CNNS for a in CNN_AMOUNTS[1:] for c in sorted(CRITERIA))
    elif plan == "zeros":
        yield from _zeros()
    elif plan == "widths":
        yield from (replace(case, round_to="auto") for case in cases("defaults"))
    elif plan == "real":
        yield from (Case("sentences", a, d, budget=b) for b in BUDGETS for a in OTHER_AMOUNTS for d in DATA)
        yield from (Case("ocr", a, data) for a in OTHER_AMOUNTS for data in DATA)


def _zeros() -> Iterator[Case]:
    """Yield the cases of zeros in place: the defaults, N:M patterns, criteria, schedules, and blocks."""
    element = partial(Case, granularity="element")
    for task in (*CNNS, "vision_transformer"):
        seeds = SEEDS if task == CNNS[0] else SEEDS[:1]
        yield from (element(task, amount, "real", seed=seed) for amount in ZEROS for seed in seeds)
        yield from (element(task, amount, data) for amount in ZEROS for data in DATA[1:])
        yield from (Case(task, 0.5, data, granularity="2:4", seed=seed) for data in DATA[:2] for seed in seeds)
        yield from (Case(task, 0.5, "none", granularity="2:4", permute=permute) for permute in (True, False))
        yield Case(task, 0.5, "real", granularity="2:4", permute=False)
    task = CNNS[0]
    for criterion in ("l1", "lamp", "wanda", "obs"):
        yield from (
            element(task, amount, "real", recover, criterion) for amount in ZEROS for recover in ("none", "auto")
        )
    for scope in SCHEDULES:
        yield from (element(task, amount, "real", scope=scope) for amount in ZEROS)
    yield from (Case(task, a, "real", granularity=g) for g in ("block:1x4", "block:4x1") for a in ZEROS[:2])


def measure(task: Task, case: Case) -> dict[str, Any]:
    """Prune as the case says and score the result."""
    options = Options(
        amount=case.amount,
        budget=case.budget,
        criterion=case.criterion,
        recover=case.recover,
        seed=case.seed,
        granularity=case.granularity,
        scope=case.scope,
        round_to=case.round_to if case.granularity == "channel" else "auto",
        permute=case.permute,
    )
    data: DataOptions | Calibration = WITHOUT_DATA
    if case.data == "real":
        data = task.calibration(case.seed)
    elif case.data == "synthetic":
        data = replace(WITHOUT_DATA, calibration="synthetic")
    started = time.perf_counter()
    try:
        result = prune_model(task.model, options, check=False, data=data)
    except OnnxPruneError as error:
        return {"error": str(error)}
    seconds = time.perf_counter() - started
    report = result.report
    return {
        "score": task.score(result.model),
        "params": report.params.after / report.params.before,
        "macs": report.macs.after / report.macs.before,
        "zeros": report.amount["reached"] if case.granularity != "channel" else 0.0,
        "seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="where packages with real models are unpacked")
    parser.add_argument("--plan", default="defaults,recovery,criteria,zeros,widths,peers,real")
    parser.add_argument("--only", nargs="*", default=NAMES, help="tasks")
    parser.add_argument("--again", action="store_true", help="measure everything anew")
    arguments = parser.parse_args()
    plans = arguments.plan.split(",")
    found = json.loads(OUT.read_text()) if OUT.exists() and not arguments.again else {"rows": {}, "dense": {}}
    found["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("onnx", "onnxruntime", "numpy")},
    }
    console = Console(stderr=True)
    wanted = {case.key: case for plan in plans for case in cases(plan) if case.task in arguments.only}
    tasks: dict[str, Task] = {}
    for case in track(
        [case for case in wanted.values() if case.key not in found["rows"]], "measuring", console=console
    ):
        task = tasks.setdefault(case.task, load(case.task, arguments.cache))
        if case.task not in found["dense"]:
            found["dense"][case.task] = task.score(task.model)
        row = {**asdict(case), **measure(task, case)}
        console.print(case.key, row.get("score", row.get("error")), f"{row.get('seconds')} s")
        found["rows"][case.key] = row
        OUT.write_text(json.dumps(found, indent=1) + "\n")
    if "peers" in plans:
        names = [name for name in CNNS if name in arguments.only]
        rows = [
            row for name in names for share in CNN_AMOUNTS for row in peers.measure(load(name, arguments.cache), share)
        ]
        found["peers"] = [asdict(row) for row in rows]
        OUT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
