"""What each layer costs before and after: the parameters that its node reads, and its multiply-accumulates."""

from __future__ import annotations

from onnxprune.cost import Cost, term
from onnxprune.measure import Counts
from onnxprune.model import NodeKey
from onnxprune.parameters import parameter_uses
from onnxprune.report.data import Before, LayerReport
from onnxprune.tracing import Trace


def layers_of(trace: Trace, cost: Cost, counts: Counts) -> list[LayerReport]:
    """Return the layers in node order; `counts` says how many units the dims keep."""
    params, macs = _params(trace, counts), _macs(trace, cost, counts)
    none = Before(0, 0)
    return [
        LayerReport(_name(trace, key), trace.model.node(key).op_type, params.get(key, none), macs.get(key, none))
        for key in sorted(params.keys() | macs.keys())
    ]


def _params(trace: Trace, counts: Counts) -> dict[NodeKey, Before]:
    found: dict[NodeKey, Before] = {}
    seen = set()
    for use in parameter_uses(trace):
        if use.constant not in seen:
            seen.add(use.constant)
            elements = term(use.axes, {})
            _add(found, use.slot[0], int(elements.at({})), int(elements.at(counts)))
    return found


def _macs(trace: Trace, cost: Cost, counts: Counts) -> dict[NodeKey, Before]:
    found: dict[NodeKey, Before] = {}
    for work in trace.work:
        product = term(work.axes, cost.symbols)
        _add(found, work.node, int(product.at({})), int(product.at(counts)))
    return found


def _add(found: dict[NodeKey, Before], key: NodeKey, before: int, after: int) -> None:
    so_far = found.get(key, Before(0, 0))
    found[key] = Before(so_far.before + before, so_far.after + after)


def _name(trace: Trace, key: NodeKey) -> str:
    node = trace.model.node(key)
    return str(node.name or next(iter(node.output), key))
