"""onnxprune: make a trained ONNX model smaller and faster, and prove that it was done right.

import onnxprune

result = onnxprune.prune("model.onnx", amount=0.4)
print(result.report.params)
result.save("model.pruned.onnx")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxprune.pipeline import ModelLike, Result
    from onnxprune.plan import Plan
    from onnxprune.tracing import Trace

__version__ = "0.1.0"
__all__ = ["Plan", "Result", "__version__", "prune", "trace"]


def prune(model: ModelLike, amount: float = 0.5, *, check: bool = True, **options: Any) -> Result:
    """Prune a model by `amount` of its budget and return the result.

    Args:
        model: A path, an `onnx.ModelProto` or an `onnx_graphsurgeon.Graph`; it is not changed.
        amount: The fraction of the budget to remove, in [0, 1).
        check: Whether to prove that the result equals the masked dense model (needs to run both).
        **options: Any field of `onnxprune.options.Options`: budget, criterion, scope, round_to, include, ...

    Raises:
        onnxprune.errors.OnnxPruneError: With one line that says what was wrong and what to do.
    """
    from onnxprune.options import Options
    from onnxprune.pipeline import prune_model

    return prune_model(model, Options(amount=amount, **options), check=check)


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
        from onnxprune.pipeline import Result

        return Result
    raise AttributeError(f"module 'onnxprune' has no attribute '{name}'")
