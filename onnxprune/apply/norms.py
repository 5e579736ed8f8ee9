"""Means and norms over fewer units: corrected, where that is exact, to what they were with the removed units zero."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from onnxprune.apply.draft import Draft
from onnxprune.apply.values import refilled
from onnxprune.model import Model, NodeKey, enclosing_scopes
from onnxprune.tensors import to_tensor

DEFAULT_EPSILON = 1e-5
"""Of LayerNormalization and RMSNormalization."""


def correct(draft: Draft) -> None:
    """Correct RMS norms and means over axes that shrank; see `_correct_norms` and `_correct_means`."""
    _correct_norms(draft)
    _correct_means(draft)


def _correct_norms(draft: Draft) -> None:
    """Let RMS norms give what they gave when the removed units were zero.

    With n units of which n' are kept, x / sqrt(sum(x^2) / n + eps) = f x / sqrt(sum(x^2) / n' + f^2 eps) with
    f = sqrt(n / n'): the factor goes into the scale, its square into epsilon.
    """
    for norm in draft.trace.record.norms:
        if not norm.is_rms or not draft.shrinks(norm.axis):
            continue
        node, ratio = draft.model.node(norm.node), 1 / draft.kept_share(norm.axis)
        epsilon = next((attribute for attribute in node.attribute if attribute.name == "epsilon"), None)
        if epsilon is None:
            node.attribute.append(helper.make_attribute("epsilon", DEFAULT_EPSILON * ratio))
        else:
            epsilon.f *= ratio
        if not _scale_constant(draft, norm.node, norm.scale, ratio**0.5):
            _scale_output(draft, norm.node, ratio**0.5)


def _correct_means(draft: Draft) -> None:
    """Let means over fewer units give what they gave when the removed units were zero: times kept / size."""
    for mean in draft.trace.record.means:
        share = float(np.prod([draft.kept_share(axis) for axis in mean.axes]))
        if share != 1:
            _scale_output(draft, mean.node, share)


def _scale_constant(draft: Draft, key: NodeKey, slot: int, factor: float) -> bool:
    """Multiply a constant that only one node reads; False where it is not such a constant."""
    name = draft.model.node(key).input[slot]
    readers = sum(name in node.input for graph in draft.model.graphs.values() for node in graph.node)
    constants = Model(draft.proto).constants
    found = [scope for scope in enclosing_scopes(key.scope) if (scope, name) in constants]
    if readers != 1 or not found:
        return False
    tensor = constants[found[0], name]
    tensor.CopyFrom(refilled(tensor, draft.model.array(tensor) * factor))
    draft.changes.recovered.append(f"{found[0]}{name}")
    return True


def _scale_output(draft: Draft, key: NodeKey, factor: float) -> None:
    """Put a Mul behind the first output of a node."""
    node = draft.model.node(key)
    output = node.output[0]
    elem_type = draft.trace.types.get(f"{key.scope}{output}") or TensorProto.FLOAT
    name, inner = draft.new_name(f"{output}_factor"), draft.new_name(f"{output}_unscaled")
    draft.store(to_tensor(np.array(factor), elem_type, name))
    node.output[0] = inner
    draft.insert_after(key, helper.make_node("Mul", [inner, name], [output], name=draft.new_name(f"{name}_Mul")))
