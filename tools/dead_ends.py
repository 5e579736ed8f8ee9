"""Where the effect of a damaged weight ends, for weights whose damage the check did not see."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from onnxprune.model import ConstantKey, Model
from onnxprune.runtime import Feeds, run
from onnxprune.tracing import display_name

SIZES = ("Shape", "Size")
"""Operators that look at no value."""


def dead_ends(pruned: Model, unseen: Iterable[str], feeds: Feeds) -> dict[str, str]:
    """Return, per unseen weight, the first operator that takes in a difference and gives none out."""
    keys = {display_name(key): key for key in pruned.constants}
    names = [name for node in pruned.proto.graph.node for name in node.output if name]
    sound = dict(zip(names, run(pruned, feeds, names, optimize=False), strict=True))
    found = {}
    for name in unseen:
        damaged = dict(zip(names, run(_damaged(pruned, keys[name]), feeds, names, optimize=False), strict=True))
        changed = {n for n in names if not np.array_equal(sound[n], damaged[n], equal_nan=True)}
        found[name] = _end(pruned, keys[name], changed, sound)
    return found


def _end(model: Model, key: ConstantKey, changed: set[str], values: dict[str, NDArray[np.generic]]) -> str:
    scope, name = key
    outer = int(scope.partition(".")[0]) if scope else None
    differing = changed if scope else changed | {name}
    for index, node in enumerate(model.proto.graph.node):
        takes_it = index == outer or not differing.isdisjoint(_read_by(node))
        if takes_it and changed.isdisjoint(node.output) and node.op_type not in SIZES:
            return f"{node.op_type} '{node.name or node.output[0]}'{_why(node, values)}"
    return "no operator: outputs move, by less than the check can tell from rounding"


def _read_by(node: onnx.NodeProto) -> set[str]:
    """Return every name that a node reads, in its bodies too."""
    bodies = [attribute.g for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
    return set(node.input).union(*(_read_by(inner) for body in bodies for inner in body.node))


def _why(node: onnx.NodeProto, values: dict[str, NDArray[np.generic]]) -> str:
    if node.op_type == "If":
        return ", which takes the other branch for these inputs"
    silent = not any(values[output].any() for output in node.output if output)
    return ", whose output is zero" if silent else ""


def _damaged(model: Model, key: ConstantKey) -> Model:
    """Return a copy in which a weight is rolled by one along its first axis that has two positions or more."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    copy = Model(proto, model.path)
    tensor = copy.constants[key]
    values = copy.array(tensor)
    axis = next(axis for axis, length in enumerate(values.shape) if length > 1)
    tensor.CopyFrom(numpy_helper.from_array(np.roll(values, 1, axis), tensor.name))
    return copy
