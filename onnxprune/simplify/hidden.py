"""Constants that the simplifier must not see as such, since folding them would harm."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

import onnx
from onnx import helper

from onnxprune.model import MOVES, Model, tensors_read
from onnxprune.precision import HALF
from onnxprune.tensors import NARROW, REAL

Constants = Mapping[str, onnx.TensorProto]


def hidden_constants(model: Model) -> dict[str, onnx.TensorProto]:
    """Return the constants of the main graph, by name, that have to stay what they are.

    Narrow numbers that a Cast makes wider are quantized or half-precision weights: folded, they would be stored in
    float32. And what is used in several places is one parameter: folded into each of them, it would become several.
    """
    graph = model.proto.graph
    stored = {name: tensor for (scope, name), tensor in model.constants.items() if not scope}
    values = {
        name: tensor
        for name, tensor in stored.items()
        if tensor.data_type in REAL | NARROW and math.prod(tensor.dims) > 1
    }
    shared = {name for name, count in _uses(graph, stored).items() if count > 1}
    wanted = (shared | set(_widened(graph, values))) - {info.name for info in graph.output}
    return {name: tensor for name, tensor in values.items() if name in wanted}


def _uses(graph: onnx.GraphProto, stored: Constants) -> Counter[str]:
    """Count where each constant is used in the end, behind all that can be computed of constants alone.

    A batch normalization does not count: most are folded away, and exporters store equal vectors once by mere chance.
    """
    roots = {name: frozenset([name]) for name in stored}
    found = Counter[str]()
    for node in graph.node:
        read = set(tensors_read(node))
        if read and read <= roots.keys():
            roots.update(dict.fromkeys(node.output, frozenset[str]().union(*(roots[name] for name in read))))
        elif node.op_type != "BatchNormalization":
            for name in read & roots.keys():
                found.update(roots[name])
    return found


def _widened(graph: onnx.GraphProto, stored: Constants) -> Iterator[str]:
    """Yield the names of narrow constants that, moved about at most, reach a Cast to a wider type."""
    carried = {name: name for name, tensor in stored.items() if tensor.data_type in NARROW | set(HALF)}
    for node in graph.node:
        root = carried.get(node.input[0]) if node.op_type in MOVES and node.input else None
        if root is None:
            continue
        target = next((attribute.i for attribute in node.attribute if attribute.name == "to"), None)
        if node.op_type == "Cast" and target is not None and _itemsize(target) > _itemsize(stored[root].data_type):
            yield root
        else:
            carried.update(dict.fromkeys(node.output, root))


def _itemsize(data_type: int) -> int:
    return int(helper.tensor_dtype_to_np_dtype(data_type).itemsize)
