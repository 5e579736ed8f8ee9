"""The law of layout operators, without data: slice(op(x)) == op'(slice(x)) on integer labels, node by node."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from pruning import random_masks
from rule_cases import CASES, Case

from onnxprune.apply import apply_masks
from onnxprune.axes import Dim, Mask, free_dims, keep, size
from onnxprune.model import Model
from onnxprune.tracing import Trace, trace

LAYOUT = frozenset(
    "Concat DepthToSpace Expand Flatten Gather Identity Pad Reshape Slice SpaceToDepth Split Squeeze Tile Transpose "
    "Unsqueeze".split()
)


def layout_nodes(model: Model) -> list[onnx.NodeProto]:
    return [node for node in model.proto.graph.node if node.op_type in LAYOUT]


def sliced(found: Trace, name: str, value: NDArray[np.int64], masks: dict[Dim, Mask]) -> NDArray[np.int64]:
    tensor = found.tensors[name]
    assert tensor.axes is not None
    for axis, expr in enumerate(tensor.axes):
        if free_dims(expr):
            value = value.compress(keep(expr, masks), axis)
    return value


def labels(found: Trace, name: str, start: int) -> NDArray[np.int64] | None:
    """A number of its own for each element, or None where the tensor holds sizes or its shape is not known."""
    tensor = found.tensors.get(name)
    if tensor is None or tensor.axes is None or tensor.content is not None:
        return None
    shape = [size(axis) for axis in tensor.axes]
    if None in shape:
        return None
    return start + np.arange(int(np.prod([n for n in shape if n is not None]))).reshape(shape)


def run(model: Model, node: onnx.NodeProto, feeds: dict[str, NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    """What one node of a model computes, its constants taken from the model."""
    stored = [t for (scope, name), t in model.constants.items() if not scope and name in node.input]
    names = [name for (scope, name) in model.constants if not scope and name in node.input]
    initializers = [numpy_helper.from_array(model.array(t), n) for t, n in zip(stored, names, strict=True)]
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, value.shape) for name, value in feeds.items()]
    outputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, None) for name in node.output]
    graph = helper.make_graph([node], "one", inputs, outputs, initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", model.opsets[""])], ir_version=8)
    return ReferenceEvaluator(proto).run(None, feeds)


def check(found: Trace, pruned: Model, node: onnx.NodeProto, masks: dict[Dim, Mask]) -> bool:
    """Hold one node to the law; False where its inputs cannot be labelled."""
    dense: dict[str, NDArray[np.int64]] = {}
    for slot, name in enumerate(node.input):
        if name and ("", name) not in found.model.constants:
            value = labels(found, name, 1000 * len(dense))
            if value is None or (slot and node.op_type != "Concat"):
                return False
            dense[name] = value
    if not dense or any(found.tensors[name].axes is None for name in node.output):
        return False
    if (
        node.op_type == "Pad"
        and len(node.input) > 1
        and (found.model.array(found.model.constants["", node.input[1]]) < 0).any()
    ):
        return False  # onnx's reference cannot cut
    other = next(n for n in pruned.proto.graph.node if list(n.output) == list(node.output))
    kept = {name: sliced(found, name, value, masks) for name, value in dense.items()}
    for name, before, after in zip(node.output, run(found.model, node, dense), run(pruned, other, kept), strict=True):
        np.testing.assert_array_equal(sliced(found, name, before, masks), after, err_msg=f"{node.op_type} {name}")
    return True


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_slicing_and_layout_commute(case: Case) -> None:
    found = trace(Model(case.model()))
    for seed in range(2):
        masks = random_masks(found, seed)
        pruned, _ = apply_masks(found, masks)
        for node in layout_nodes(found.model):
            check(found, pruned, node, masks)


def test_every_layout_operator_is_held_to_the_law() -> None:
    held = set()
    for case in CASES.values():
        found = trace(Model(case.model()))
        pruned, _ = apply_masks(found, random_masks(found, 0))
        masks = random_masks(found, 0)
        held |= {node.op_type for node in layout_nodes(found.model) if check(found, pruned, node, masks)}
    assert LAYOUT - held == set()
