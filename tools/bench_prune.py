"""What pruning costs, end to end, beside `onnx.load` + `onnx.save` of the same file alone.

    python tools/bench_prune.py MODEL [--trace-folder FOLDER] [--channels MODEL@SIDE:LIMIT ...]

Both run in processes of their own, in turn, after imports; CPU time and peak resident memory are medians.
`--trace-folder` gives the CPU seconds of tracing each model of a folder, `--channels` the MACs that are left at half
of the channels of every dim, at square inputs of a side. Figures are added to `docs/bench_prune.json` (--out).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

CHILD = Path(__file__).with_name("bench_child.py")
RUNS = 7
CPU_LIMIT, MEMORY_LIMIT, TRACE_LIMIT = 2.0, 1.1, 1.0
"""What was aimed at: times the CPU and the memory of loading and saving, and seconds of tracing."""


def main() -> None:
    """Measure what was asked for, show it and add it to the JSON file."""
    options = _arguments()
    figures: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {}
    figures["machine"] = _machine()
    if options.model:
        for kind in ("prune", "zeros"):
            figures[kind] = _beside_copying(kind, options.model, options.runs)
            _show(kind, figures[kind])
    if options.trace_folder:
        figures["trace"] = _trace(options.trace_folder)
        _show_trace(figures["trace"])
    if options.channels:
        figures["channels"] = [_channels(request) for request in options.channels]
        _show_channels(figures["channels"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", nargs="?", type=Path, metavar="MODEL", help="the model to be pruned")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each kind")
    parser.add_argument("--trace-folder", type=Path, metavar="FOLDER", help="trace every .onnx in it")
    parser.add_argument("--channels", nargs="+", metavar="MODEL@SIDE:LIMIT", help="LIMIT in GMACs, to compare with")
    parser.add_argument("--out", type=Path, default=Path("docs/bench_prune.json"))
    return parser.parse_args()


def _child(*words: str | Path) -> dict[str, Any]:
    command = [sys.executable, str(CHILD), *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _beside_copying(kind: str, model: Path, runs: int) -> dict[str, Any]:
    """Return medians and all runs of two kinds, which take turns; a first run of each is not counted."""
    found: dict[str, list[dict[str, Any]]] = {"load_save": [], kind: []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in track(range(runs + 1), kind, console=Console(stderr=True)):
            for name in sorted(found, reverse=turn % 2 == 1):
                facts = _child(name, model, Path(folder) / f"{name}.onnx")
                if turn:
                    found[name].append(facts)
    medians = {
        name: {key: statistics.median(facts[key] for facts in rows) for key in ("cpu_seconds", "peak_mb")}
        for name, rows in found.items()
    }
    ratios = {key: medians[kind][key] / medians["load_save"][key] for key in ("cpu_seconds", "peak_mb")}
    return {"model": model.name, "runs": runs, "median": medians, "ratio": ratios, "all": found}


def _trace(folder: Path) -> list[dict[str, Any]]:
    models = sorted(folder.glob("*.onnx"))
    return [{"model": m.name, **_child("trace", m)} for m in track(models, "tracing", console=Console(stderr=True))]


def _channels(request: str) -> dict[str, Any]:
    model, _, rest = request.rpartition("@")
    side, _, limit = rest.partition(":")
    return {"model": Path(model).name, "side": int(side), "limit": float(limit), **_child("channels", model, side)}


def _machine() -> dict[str, Any]:
    packages = {name: version(name) for name in ("onnxprune", "onnx", "onnxruntime", "numpy")}
    return {"cores": os.cpu_count(), "cpu": _cpu(), "python": platform.python_version(), **packages}


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _show(kind: str, figures: dict[str, Any]) -> None:
    table = Table("", "CPU s", "peak MB", title=f"{kind}: {figures['model']}, medians of {figures['runs']}")
    for name, median in figures["median"].items():
        table.add_row(name, f"{median['cpu_seconds']:.2f}", f"{median['peak_mb']:.0f}")
    ratio = figures["ratio"]
    table.add_row("ratio", _judged(ratio["cpu_seconds"], CPU_LIMIT), _judged(ratio["peak_mb"], MEMORY_LIMIT))
    Console().print(table)


def _show_trace(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "trace, CPU s", "nodes")
    for row in sorted(rows, key=lambda row: -row["cpu_seconds"]):
        table.add_row(row["model"], _judged(row["cpu_seconds"], TRACE_LIMIT), str(row["nodes"]))
    Console().print(table)


def _show_channels(rows: list[dict[str, Any]]) -> None:
    table = Table("model", "side", "dense GMACs", "left GMACs", "at most", title="half of the channels of every dim")
    for row in rows:
        left = _judged(row["macs_after"] / 1e9, row["limit"])
        table.add_row(row["model"], str(row["side"]), f"{row['macs'] / 1e9:.3f}", left, f"{row['limit']:.2f}")
    Console().print(table)


def _judged(value: float, limit: float) -> str:
    return f"[{'green' if value <= limit else 'red'}]{value:.3f}[/]"


if __name__ == "__main__":
    main()
