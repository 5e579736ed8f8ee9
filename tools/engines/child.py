"""One job of a runtime in a process of its own: `python -m engines.child JOB RESULT`; see `engines.process`.

Both are JSON, arrays lie beside them. The result is written anew after every step that went well, so that it says how
far a runtime came that ended the process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engines import ENGINES
from engines.engine import Run
from engines.files import load_arrays, save_arrays

Job = dict[str, Any]


def outputs(job: Job, tell: Callable[..., None]) -> None:
    """Compute the outputs of one model on every set of inputs."""
    feeds = load_arrays(Path(job["feeds"]))
    run = _prepared(job, job["model"])
    tell(loads=True)
    save_arrays(Path(job["outputs"]), [run(given) for given in feeds])
    tell(loads=True, runs=True)


def race(job: Job, tell: Callable[..., None]) -> None:
    """Let models take turns, the first of them twice: a race as `onnxprune.bench` has them, in another runtime."""
    from onnxprune.bench.clock import Clock
    from onnxprune.bench.contestant import Contestant
    from onnxprune.bench.race import COPY, result_of
    from onnxprune.bench.rounds import run_rounds

    feeds = load_arrays(Path(job["feeds"]))[0]
    first = next(iter(job["models"]))
    models = {first: job["models"][first], COPY: job["models"][first], **job["models"]}
    clock, contestants = Clock(), {}
    for name, path in models.items():
        contestants[name] = Contestant(partial(_prepared(job, path), feeds), clock)
        contestants[name].warm_up()
    samples = run_rounds(contestants, job["seconds"], np.random.default_rng(0), clock, False, lambda share: None)
    tell(race=result_of(samples, threads=1, clock="cpu").as_dict())


def versions(job: Job, tell: Callable[..., None]) -> None:
    """Say which versions of the runtime's packages are installed."""
    tell(versions=ENGINES[job["engine"]].versions())


def _prepared(job: Job, path: str) -> Run:
    model = Path(path)
    shapes = {name: values.shape for name, values in load_arrays(Path(job["feeds"]))[0].items()}
    return ENGINES[job["engine"]].prepare(model, Path(job["folder"]) / model.stem, shapes, job["names"])


def main(job_file: str, result_file: str) -> None:
    """Do a job; what a runtime raises becomes a line of the result."""
    job = json.loads(Path(job_file).read_text())
    result: dict[str, Any] = {}

    def tell(**facts: Any) -> None:
        result.update(facts)
        Path(result_file).write_text(json.dumps(result))

    try:
        {"outputs": outputs, "race": race, "versions": versions}[job["kind"]](job, tell)
    except Exception as error:  # every runtime raises types of its own
        tell(message=f"{type(error).__name__}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
