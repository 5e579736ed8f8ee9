"""Whether runtimes take pruned models, compute what onnxruntime computes, and how much faster they are.

    python tools/bench_runtimes.py CORPUS [--only MODEL ..] [--engines NAME ..] [--seconds 25]
    python tools/bench_runtimes.py CORPUS --engines litert --python VENV/bin/python

Asks onnxruntime, OpenVINO, ncnn and MNN, those of them that are installed:

    pip install openvino ncnn MNN
    pip install --no-deps pnnx

LiteRT needs a virtual environment of its own (2.5 GB: pip install onnx2tf ai-edge-litert onnxruntime), browsers
a script of their own, tools/bench_web.py. CORPUS is a folder with exports of torchvision's ResNet-18 and MobileNetV2
and of ultralytics' YOLOv8n (see tools/runtime_cases.py for the names, tools/bench_latency.py for the exports); the
models of `models/` are asked about too. Writes docs/runtimes.json and docs/runtimes.md after every model and runtime;
what is not asked about keeps its figures. Exit 1 where a runtime takes a dense model but not the pruned one, or
computes something else with it.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engines import ENGINES, EngineError
from engines.process import TIME_LIMIT, Host
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from runtime_cases import SOURCES, Case, cases
from runtime_figures import Row, is_failure, record, rows_of

COMMAND = "python tools/bench_runtimes.py CORPUS"
USUAL = ("onnxruntime", "openvino", "ncnn", "mnn")
SECONDS = 25.0
"""How long the versions of a model take turns: ratios within a few percent on a busy machine."""


def main() -> int:
    """Measure what was asked for and add it to the files; return the exit code."""
    options = _arguments()
    console, rows = Console(stderr=True), []
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with TemporaryDirectory() as work, Progress(*columns, console=console) as progress:
        versions = _versions(options, Path(work), console)
        task = progress.add_task("", total=len(options.only or SOURCES) * len(versions))
        for case in cases(options.corpus, tuple(options.only), Path(work)):
            for name, installed in versions.items():
                progress.update(task, description=f"{case.name}: {name}")
                host = _host(name, options, Path(work) / name / case.name)
                rows += _measure(host, installed, case, options.seconds)
                progress.advance(task)
    return int(any(map(is_failure, rows)))


def _host(name: str, options: argparse.Namespace, folder: Path) -> Host:
    return Host(ENGINES[name], folder, options.python, options.time_limit)


def _versions(options: argparse.Namespace, work: Path, console: Console) -> dict[str, dict[str, str]]:
    """Return the versions of all runtimes that are installed, and say which are not."""
    found = {}
    for name in options.engines:
        try:
            found[name] = _host(name, options, work).versions()
        except EngineError as error:
            console.print(f"{name} is left out: {error}")
    return found


def _measure(host: Host, versions: dict[str, str], case: Case, seconds: float) -> list[Row]:
    outcomes = {name: host.outputs(path, case.feeds) for name, path in case.versions.items()}
    rows = rows_of(host.engine.name, case, outcomes, partial(_race, host, seconds) if seconds else None)
    name = host.engine.name
    command = COMMAND if name in USUAL else f"{COMMAND} --engines {name} --python VENV/bin/python"
    record(name, {"versions": versions, "command": command}, case, rows)
    return rows


def _race(host: Host, seconds: float, case: Case) -> dict[str, Any]:
    try:
        return host.race(case.versions, case.feeds[0], seconds)
    except EngineError as error:
        return {"message": f"race: {error}"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    names = [source.name for source in SOURCES]
    parser.add_argument("corpus", type=Path, metavar="CORPUS", help="a folder of exported models")
    parser.add_argument("--only", nargs="+", default=[], choices=names, metavar="MODEL", help=", ".join(names))
    parser.add_argument("--engines", nargs="+", default=USUAL, choices=list(ENGINES), metavar="NAME")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for each race; 0 for none")
    parser.add_argument("--python", default=sys.executable, help="of the environment that has the runtimes")
    parser.add_argument(
        "--time-limit", type=float, default=TIME_LIMIT, metavar="SECONDS", help="for each conversion and run"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
