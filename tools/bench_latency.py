"""How closely a wanted latency is met, what round widths do at equal MACs, and which accuracy a latency leaves.

    python tools/bench_latency.py MODEL.onnx .. [--part landing macs accuracy] [--only NAME ..] [--again]
    python tools/latency_tables.py

`landing` and `macs` measure the model files that are given, `accuracy` the models in `models/` (with PyTorch and
Torch-Pruning installed: `pip install -e '.[bench]'`). Weights do not matter to the former, so files are exported as

    torch.onnx.export(torchvision.models.resnet18().eval(), torch.zeros(1, 3, 224, 224), "tv_resnet18_op17.onnx",
                      opset_version=17, dynamo=False)
    ultralytics.YOLO("yolov8n.yaml").export(format="onnx", dynamic=True)

All ratios come from races within one process (`onnxprune.bench`), at one thread, of CPU time. Profiling is timed where
the cache of the latency table does not know a model yet. Writes docs/bench_latency.json after every row and skips the
rows that are there already, so that it can be stopped and taken up again; --again measures the chosen rows anew. The
tables of docs/benchmarks.md are made of that file by tools/latency_tables.py.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import latency_rows
from latency_accuracy import TARGETS, equal_latency
from rich.console import Console
from rich.progress import track
from tasks import images

from onnxprune.errors import OnnxPruneError
from onnxprune.machine import this_machine

OUT = Path(__file__).parents[1] / "docs" / "bench_latency.json"
PARTS = ("landing", "macs", "accuracy")
PACKAGES = ("onnx", "numpy")

Measuring: TypeAlias = "Callable[[], dict[str, Any]]"


def main() -> None:
    """Measure what is not in the file yet."""
    arguments = _arguments()
    found = json.loads(OUT.read_text()) if OUT.exists() else {part: {} for part in PARTS}
    console = Console(stderr=True)
    rows = [
        (part, name, measure)
        for part in arguments.part
        for name, measure in _rows(part, arguments.models)
        if not arguments.only or name.split(" ")[0] in arguments.only
    ]
    for part, name, measure in track(rows, "measuring", console=console):
        if name in found[part] and not arguments.again:
            continue
        try:
            found[part][name] = measure()
        except OnnxPruneError as error:
            found[part][name] = {"error": str(error)}
        found["machine"] = _machine()
        console.print(part, name, found[part][name])
        OUT.write_text(json.dumps(found, indent=1) + "\n")


def _rows(part: str, models: list[Path]) -> Iterator[tuple[str, Measuring]]:
    """Yield the rows of a part: a name, and what measures it."""
    if part == "accuracy":
        for name in images.NAMES:
            yield from ((f"{name} {target}", partial(equal_latency, name, target)) for target in TARGETS)
    else:
        measure = {"landing": latency_rows.landing, "macs": latency_rows.widths}[part]
        yield from ((path.stem, partial(measure, path)) for path in models)


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in PACKAGES}
    return {**asdict(this_machine()), "threads": 1, "python": platform.python_version(), **packages}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="for the parts landing and macs")
    parser.add_argument("--part", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="models, by the names of their files")
    parser.add_argument("--again", action="store_true", help="measure rows anew that are in the file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
