"""onnxprune: make a trained ONNX model smaller and faster, and prove that it was done right.

import onnxprune

result = onnxprune.prune("model.onnx", amount=0.4)
print(result.report.params)
result.save("model.pruned.onnx")
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxprune.pipeline import ModelLike
    from onnxprune.plan import Plan
    from onnxprune.readiness import Verdict
    from onnxprune.result import Result
    from onnxprune.runtime import Feeds
    from onnxprune.tracing import Trace

__version__ = "0.1.0"
__all__ = ["Plan", "Result", "__version__", "check", "prune", "trace"]


def prune(
    model: ModelLike,
    amount: float | None = None,
    *,
    check: bool = True,
    calibration: str | Path | Iterable[Feeds] = "auto",
    **options: Any,
) -> Result:
    """Prune a model by `amount` of its budget, repair what remains, and return the result.

    Args:
        model: A path, an `onnx.ModelProto` or an `onnx_graphsurgeon.Graph`; it is not changed.
        amount: The fraction of the budget to remove, or of zeros, in [0, 1). Default: 0.5; N:M takes none.
        check: Whether to prove that the result is right: for channels that it equals the masked dense model (needs to
            run both), for zeros that nothing else has changed.
        calibration: Samples to repair the weights on: a file, a folder, `module:function`, feeds (each a batch as a
            mapping from input names to arrays), `synthetic`, `none` for pure removal, or `auto`: synthetic for channels
            and N:M, none for other zeros.
        **options: Any field of `onnxprune.options.Options` (granularity, budget, criterion, recover, scope, ...)
            of `onnxprune.options.DataOptions` (samples, batch_size, labels, mean, std, ...) and of
            `onnxprune.options.LatencyOptions` (threads, shapes, bench, ...).

    Raises:
        onnxprune.errors.OnnxPruneError: With one line that says what was wrong and what to do.
    """
    from onnxprune.calibrate import Calibration
    from onnxprune.options import split_options
    from onnxprune.pipeline import prune_model

    chosen, data, latency = split_options({"amount": amount, **options})
    if isinstance(calibration, (str, Path)):
        return prune_model(model, chosen, check, data=replace(data, calibration=str(calibration)), latency=latency)
    return prune_model(model, chosen, check, data=Calibration.of(calibration), latency=latency)


def check(model: ModelLike, target: str = "onnxruntime") -> Verdict:
    """Tell whether a model is ready for the runtime that it goes to: `is_ready`, and `findings` with their sources.

    Raises:
        onnxprune.errors.OnnxPruneError: Where the model cannot be read, or there is no such target.
    """
    from onnxprune.pipeline import check_model

    return check_model(model, target)


def trace(model: ModelLike) -> Trace:
    """Return what can be pruned in a model: its dims and the weights that they tie together."""
    from onnxprune.pipeline import read
    from onnxprune.tracing import trace as trace_model

    return trace_model(read(model))


def __getattr__(name: str) -> Any:
    """Import the classes of the API when they are asked for, so that `--help` need not wait for onnx."""
    if name == "Plan":
        from onnxprune.plan import Plan

        return Plan
    if name == "Result":
        from onnxprune.result import Result

        return Result
    raise AttributeError(f"module 'onnxprune' has no attribute '{name}'")
