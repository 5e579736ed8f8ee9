"""What hypothesis draws, and the model that is made of it."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from hypothesis import strategies as st
from onnx import helper, shape_inference

from random_graphs.growth import NORMS, STEPS, Growth, Opening

WAYS_TO_STORE = ("initializers", "Constant nodes", "with declared shapes")

openings = st.builds(
    Opening,
    opset=st.sampled_from([17, 11, 13, 18, 21]),
    batch=st.sampled_from([2, 0, 1, 3]),
    height=st.sampled_from([4, 1, 3, 5]),
    width=st.sampled_from([4, 1, 2]),
    stored=st.sampled_from(WAYS_TO_STORE),
)

Drawn = Sequence[tuple[str, int, int, int]]


def drawn(names: Sequence[str]) -> st.SearchStrategy[Drawn]:
    """Steps, with three numbers each for them to choose by."""
    return st.lists(st.tuples(st.sampled_from(names), *[st.integers(0, 30)] * 3), min_size=2, max_size=9)


def grow(opening: Opening, steps: Drawn, seed: int = 0) -> onnx.ModelProto:
    """Return the graph that the drawn steps make, between first layers and last ones."""
    growth = Growth(opening, seed)
    for name, *numbers in steps:
        growth.take((STEPS | NORMS)[name](growth, *numbers))
    growth.finish()
    proto = growth.g.model()
    if not opening.batch:
        _open_batch(proto)
    return _written(proto, opening.stored)


def _open_batch(proto: onnx.ModelProto) -> None:
    del proto.graph.value_info[:]
    for info in (*proto.graph.input, *proto.graph.output):
        info.type.tensor_type.shape.dim[0].dim_param = "N"


def _written(proto: onnx.ModelProto, stored: str) -> onnx.ModelProto:
    if stored == "with declared shapes":
        return shape_inference.infer_shapes(proto, data_prop=True)
    del proto.graph.value_info[:]
    if stored == "Constant nodes":
        nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in proto.graph.initializer]
        nodes += proto.graph.node
        del proto.graph.initializer[:], proto.graph.node[:]
        proto.graph.node.extend(nodes)
    return proto
