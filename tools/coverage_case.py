"""One model of the coverage run, measured in a process of its own: `python tools/coverage_case.py MODEL RESULT`.

Writes plain data as JSON to RESULT. What the user could mend becomes an outcome; anything else is a crash and is
left to end the process with its traceback.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
from dead_ends import dead_ends

from onnxprune.cost import cost_of
from onnxprune.errors import ModelError, OnnxPruneError, VerificationError
from onnxprune.feeds import usable_feeds
from onnxprune.model import Model
from onnxprune.options import Options
from onnxprune.pipeline import prune_model, read
from onnxprune.report import inspect_trace
from onnxprune.result import Result
from onnxprune.tracing import Trace, trace

AMOUNT = 0.5
OPTIONS = Options(amount=AMOUNT, budget="macs", round_to="none", best_effort=True)


def measure(path: Path) -> dict[str, Any]:
    """Prune one model, prove it, write it, load what was written, and return every figure."""
    facts: dict[str, Any] = {"bytes": path.stat().st_size, "valid_before": is_valid(path)}
    start = time.perf_counter()
    try:
        model = read(path)
        facts |= _inspected(*_timed_trace(model))
        result, checked = _proved(model)
        facts |= _pruned(result) | checked
        facts |= _written(result)
    except OnnxPruneError as error:
        facts |= {"outcome": "refused", "message": str(error)}
    facts["seconds"] = round(time.perf_counter() - start, 1)
    return facts


def is_valid(path: Path) -> bool:
    """Whether onnx's own checker, shapes and all, has nothing to say against a model."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception:  # the checker raises a type of its own, shape inference another, C++ a third
        return False
    return True


def loads(path: Path) -> bool:
    """Whether onnxruntime can load a model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception:  # onnxruntime raises a dozen types that share no base
        return False
    return True


def _timed_trace(model: Model) -> tuple[Trace, float]:
    start = time.process_time()
    found = trace(model)
    return found, round(time.process_time() - start, 2)


def _inspected(found: Trace, seconds: float) -> dict[str, Any]:
    cost = cost_of(found)
    inspection = inspect_trace(found, cost)
    groups = inspection.not_prunable
    return {
        "trace_cpu_seconds": seconds,
        "dims": len(inspection.dims),
        "protected_dims": sum(dim["protected"] is not None for dim in inspection.dims),
        "params": inspection.params,
        "macs": inspection.macs,
        "uncounted": cost.uncounted,
        "prunable_params": inspection.prunable_params if inspection.params else None,
        "prunable_macs": inspection.prunable_macs if inspection.macs else None,
        "reasons": [{key: group[key] for key in ("reason", "count", "first", "node")} for group in groups],
    }


def _pruned(result: Result) -> dict[str, Any]:
    report = result.report
    warnings = [warning for warning in report.warnings if not warning.startswith("not verified")]  # it is, below
    return {
        "params_after": report.params.after,
        "macs_after": report.macs.after,
        "reached": report.amount["reached"],
        "said": len(report.not_pruned) + len(warnings),
        "warnings": warnings,
    }


def _written(result: Result) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pruned.onnx"
        result.save(path)
        return {"bytes_after": path.stat().st_size, "valid_after": is_valid(path), "loads": loads(path)}


def _proved(model: Model) -> tuple[Result, dict[str, Any]]:
    """Prune as the command does; where the check fails, prune once more without it, to go on with the figures."""
    try:
        result = prune_model(model, OPTIONS)
    except (ModelError, VerificationError) as error:
        result = prune_model(model, OPTIONS, check=False)
        return result, {"outcome": _outcome(result, error), "message": str(error)}
    check = result.report.verified
    assert check is not None
    unseen = dead_ends(result.pruned, check["unseen"], usable_feeds(result.trace)) if check["unseen"] else {}
    kept = ("tolerance", "power", "compared", "float32_twin", "unrounded_twin")
    figures = {key: check[key] for key in kept}
    figures |= {"error": check["max_rel_error"], "output_error": max(check["errors"].values(), default=0.0)}
    return result, {"outcome": check["verdict"], "unseen": unseen, **figures}


def _outcome(result: Result, error: OnnxPruneError) -> str:
    if isinstance(error, VerificationError):
        return "mask != slice"
    try:
        usable_feeds(result.trace)
    except ModelError:
        return "dense does not run"
    return "pruned does not run"


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(measure(Path(sys.argv[1]))))
