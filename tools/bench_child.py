"""One measurement in a process of its own, for `tools/bench_prune.py`: prints one JSON object.

python tools/bench_child.py load_save|prune|zeros MODEL OUT
python tools/bench_child.py trace MODEL
python tools/bench_child.py channels MODEL SIDE
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx


def load_save(model: str, out: str) -> dict[str, Any]:
    """Return what reading and writing a model costs, without anything between."""
    return _cost_of(lambda: onnx.save(onnx.load(model), out))


def prune(model: str, out: str) -> dict[str, Any]:
    """Return what pruning a model costs: load, trace, score, select, apply, save."""
    from onnxprune.options import Options
    from onnxprune.pipeline import prune_model

    options = Options(amount=0.5, budget="macs", round_to="none", best_effort=True)
    return _cost_of(lambda: prune_model(model, options, check=False).save(out, overwrite=True))


def zeros(model: str, out: str) -> dict[str, Any]:
    """Return what 40% zeros cost by the global ranking of magnitudes, without data: with the check, as by default."""
    from onnxprune.options import Options
    from onnxprune.pipeline import prune_model

    options = Options(amount=0.4, granularity="element", criterion="l1")
    return _cost_of(lambda: prune_model(model, options).save(out, overwrite=True))


def trace(model: str) -> dict[str, Any]:
    """Return the CPU time of tracing a model, loading left out."""
    from onnxprune.pipeline import read
    from onnxprune.tracing import trace as trace_model

    loaded = read(model)
    nodes = sum(len(graph.node) for graph in loaded.graphs.values())
    start = time.process_time()
    trace_model(loaded)
    return {"cpu_seconds": time.process_time() - start, "nodes": nodes}


def channels(model: str, side: str) -> dict[str, Any]:
    """Return MACs before and after half of the channels of every dim go, open image sides being `side`."""
    from onnxprune.cost import Cost, open_sizes
    from onnxprune.criteria import score
    from onnxprune.inputs import concrete_inputs
    from onnxprune.options import Options
    from onnxprune.pipeline import read
    from onnxprune.select import select
    from onnxprune.tracing import trace as trace_model

    loaded = read(model)
    inputs = {
        name: (*shape[:-2], int(side), int(side)) if len(shape) == 4 else shape
        for name, shape in concrete_inputs(loaded).items()
    }
    found = trace_model(loaded, inputs)
    cost = Cost(found, open_sizes(found))
    options = Options(amount=0.5, budget="channels", scope="layer", round_to="none", best_effort=True)
    selection = select(found, score(found, "l2", 0), cost, options)
    counts = {dim: int(mask.sum()) for dim, mask in selection.masks.items()}
    return {
        "macs": cost.macs({}),
        "macs_after": cost.macs(counts),
        "params": cost.params({}),
        "params_after": cost.params(counts),
        "channels_reached": selection.reached,
        "uncounted": cost.uncounted,
    }


def _cost_of(work: Callable[[], object]) -> dict[str, Any]:
    before = _peak_mb()
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    cpu = time.process_time() - cpu_start
    wall = time.perf_counter() - start
    return {"cpu_seconds": cpu, "wall_seconds": wall, "peak_mb": _peak_mb(), "imports_mb": before}


def _peak_mb() -> float:
    """Return the peak of resident memory: of this process image alone where the system tells (Linux)."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 1024


if __name__ == "__main__":
    kinds = {"load_save": load_save, "prune": prune, "zeros": zeros, "trace": trace, "channels": channels}
    print(json.dumps(kinds[sys.argv[1]](*sys.argv[2:])))
