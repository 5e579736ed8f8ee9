"""The pre-pass: simplify, put back what got lost on the way, prove that the outputs are the same, count what it buys.

The simplifier is onnxslim (MIT). Of the two that are kept up it is pure Python and runs wherever onnxprune does, never
folds QuantizeLinear and DequantizeLinear, and keeps the metadata of a model as it is. onnxsim is compiled, needs Python
3.11, and adds 19 entries of its own to the metadata. `docs/simplify.md` compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onnxprune.cost import cost_of
from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.report.data import Before
from onnxprune.report.inspection import Inspection, inspect_trace
from onnxprune.runtime import Feeds, in_one_piece, is_large
from onnxprune.simplify.hidden import hidden_constants
from onnxprune.simplify.restored import check_quantizers, restored
from onnxprune.simplify.same_outputs import SameOutputs, same_outputs
from onnxprune.simplify.slimmed import slimmed, version
from onnxprune.sparse_storage import to_dense
from onnxprune.tracing import trace

DIGITS = 4
"""Of the prunable shares: less than that is noise, from a few biases that are counted once or twice."""


@dataclass(frozen=True)
class Simplified:
    """A simplified model, and the facts: what it has become, and how it was shown to compute the same.

    `dense` and `simple` say what can be pruned in the model before and after. `outputs` is None where nothing was
    checked.
    """

    model: Model
    nodes: Before
    dense: Inspection
    simple: Inspection
    outputs: SameOutputs | None
    simplifier: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for the report."""
        return {
            "simplifier": self.simplifier,
            "nodes": self.nodes.__dict__,
            "dims": {"before": len(self.dense.dims), "after": len(self.simple.dims)},
            "params": {"before": self.dense.params, "after": self.simple.params},
            "prunable_params": {"before": self.dense.prunable_params, "after": self.simple.prunable_params},
            "prunable_macs": {"before": self.dense.prunable_macs, "after": self.simple.prunable_macs},
            "outputs": None if self.outputs is None else self.outputs.as_dict(),
        }


def simplified(
    model: Model,
    on_progress: Callable[[float], None] = lambda share: None,
    seed: int = 0,
    feeds: Feeds | None = None,
    check: bool = True,
) -> Simplified:
    """Return a simplified copy of a model, with all its values in the message itself, shown to compute the same.

    It is compared with the model on `feeds`, or on random inputs. Raises `UsageError` where the simplifier is not
    installed, `ModelError` where it crashes, or where the model is too large or cannot be run, and
    `VerificationError` where the outputs differ by more than rounding.
    """
    simplifier = version()
    if is_large(model):
        raise ModelError("--simplify takes models of up to 1.9 GB with their weights, and this one is larger")
    model = to_dense(model.inlined())
    found = trace(model)
    dense = inspect_trace(found, cost_of(found))
    on_progress(0.2)
    made, simple = _best(model, dense, on_progress)
    outputs = same_outputs(found, made, feeds, seed) if check else None
    on_progress(1.0)
    return Simplified(made, Before(_nodes(model), _nodes(made)), dense, simple, outputs, simplifier)


def _best(model: Model, dense: Inspection, on_progress: Callable[[float], None]) -> tuple[Model, Inspection]:
    """Return what leaves the most to prune.

    With shapes inferred, more becomes constant: a size that the graph computes in floats, say. But half-known shapes
    can also hide a size from tracing that it could follow before; then the inference is left out.
    """
    tried = [_simplified(model, infer_shapes=True)]
    on_progress(0.5)
    if _share(tried[0][1]) < _share(dense):
        tried.append(_simplified(model, infer_shapes=False))
    on_progress(0.8)
    return max(tried, key=lambda pair: _share(pair[1]))


def _simplified(model: Model, infer_shapes: bool) -> tuple[Model, Inspection]:
    proto = in_one_piece(model)
    hidden = hidden_constants(Model(proto))
    made = Model(restored(proto, slimmed(proto, hidden, infer_shapes), hidden), model.path)
    made.check()
    check_quantizers(model, made)
    found = trace(made)
    return made, inspect_trace(found, cost_of(found))


def _share(found: Inspection) -> tuple[float, float]:
    return round(found.prunable_macs, DIGITS), round(found.prunable_params, DIGITS)


def _nodes(model: Model) -> int:
    return sum(len(graph.node) for graph in model.graphs.values())
