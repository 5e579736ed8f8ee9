"""The size in bytes of a model at candidate widths is that of the file, or files, that are saved of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import branchy, plain, random_net, shared_scale, traced
from onnx import TensorProto, external_data_helper, helper
from pruning import random_masks
from random_graphs import STEPS, Drawn, Opening, drawn, grow, openings

from onnxprune.apply import apply_masks
from onnxprune.cost import cost_of
from onnxprune.model import Model
from onnxprune.save import ALIGNMENT, save_model
from onnxprune.tracing import trace

CLOSE = 0.01
SURROUNDINGS = 600
"""Bytes that the messages around the values of a small graph may shrink or grow by: lengths, sizes, names of copies."""


def sizes(model: Model, seed: int) -> tuple[float, int]:
    """The size that is foretold of random widths, and that of what is really made."""
    found = trace(model)
    masks = random_masks(found, seed)
    pruned, _ = apply_masks(found, masks)
    counts = {dim: int(mask.sum()) for dim, mask in masks.items()}
    return cost_of(found).measures["size"].at(counts), pruned.proto.ByteSize()


@settings(deadline=None, max_examples=40)
@given(openings, drawn(list(STEPS)), st.integers(0, 999))
def test_a_pruned_random_graph_has_the_size_that_was_foretold(opening: Opening, steps: Drawn, seed: int) -> None:
    foretold, real = sizes(Model(grow(opening, steps)), seed)
    assert real == pytest.approx(foretold, rel=CLOSE, abs=SURROUNDINGS)


@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_some_size_is_foretold_within_a_hundredth(seed: int) -> None:
    foretold, real = sizes(Model(random_net(0, [64, 96, 64])), seed)
    assert real == pytest.approx(foretold, rel=CLOSE)


@pytest.mark.parametrize("network", [plain, branchy])
def test_the_dense_size_is_that_of_the_file(network: Callable[[], onnx.ModelProto], tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(network(), path)
    assert cost_of(trace(Model.load(path))).measures["size"].dense == path.stat().st_size


BYTES = {
    TensorProto.FLOAT: 4,
    TensorProto.FLOAT16: 2,
    TensorProto.DOUBLE: 8,
    TensorProto.INT8: 1,
    TensorProto.INT4: 0.5,
}


def stored_as(dtype: int) -> onnx.ModelProto:
    """Two products of some width, whose weights are stored in a type and turned into float in the graph."""
    g = Graph(opset=21)
    x = g.input(2, 32)
    for given_features, features in ((32, 256), (256, 16)):
        w = g.store(np.zeros((given_features, features), np.float32))
        values = bytes(int(given_features * features * BYTES[dtype]))
        g.stored[-1].CopyFrom(helper.make_tensor(w, dtype, (given_features, features), values, raw=True))
        if dtype in (TensorProto.INT8, TensorProto.INT4):
            w = g.add("DequantizeLinear", w, g.store(np.float32(0.01)))
        elif dtype != TensorProto.FLOAT:
            w = g.add("Cast", w, to=TensorProto.FLOAT)
        x = g.add("Relu", g.add("MatMul", x, w))
    g.output(x)
    return g.model()


@pytest.mark.parametrize("dtype", list(BYTES), ids=TensorProto.DataType.Name)
def test_an_element_weighs_what_its_type_does(dtype: int) -> None:
    model = Model(stored_as(dtype))
    assert [dim.size for dim in trace(model).dims] == [256]
    foretold, real = sizes(model, 0)
    assert real == pytest.approx(foretold, rel=CLOSE)
    assert real < 0.95 * model.proto.ByteSize()


def test_weights_in_constant_nodes_count_as_those_in_initializers() -> None:
    proto = random_net(0, [64, 96, 64])
    nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in proto.graph.initializer]
    nodes += proto.graph.node
    del proto.graph.initializer[:], proto.graph.node[:]
    proto.graph.node.extend(nodes)
    foretold, real = sizes(Model(proto), 0)
    assert real == pytest.approx(foretold, rel=CLOSE)


def test_weights_in_a_file_of_their_own_count_with_the_model(tmp_path: Path) -> None:
    proto = random_net(0, [128, 192, 128])
    whole = proto.ByteSize()
    external_data_helper.convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, tmp_path / "model.onnx")
    model = Model.load(tmp_path / "model.onnx")
    size = cost_of(trace(model)).measures["size"]
    files = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size.dense == pytest.approx(files, rel=CLOSE) and size.dense == pytest.approx(whole, rel=CLOSE)
    found = trace(model)
    masks = random_masks(found, 0)
    pruned, _ = apply_masks(found, masks)
    (tmp_path / "out").mkdir()
    save_model(pruned, tmp_path / "out" / "pruned.onnx")
    files = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    foretold = size.at({dim: int(mask.sum()) for dim, mask in masks.items()})
    # Each tensor of some size begins at a page.
    assert foretold * (1 - CLOSE) <= files <= foretold * (1 + CLOSE) + ALIGNMENT * len(proto.graph.initializer)


def test_a_shared_weight_weighs_twice_once_its_uses_shrink_apart() -> None:
    found = traced(shared_scale())
    first, second = found.dims
    size = cost_of(found).measures["size"]
    for counts in ({first: 5}, {first: 5, second: 3}):
        pruned, _ = apply_masks(found, {dim: np.arange(dim.size) < kept for dim, kept in counts.items()})
        copies = [tensor for tensor in pruned.proto.graph.initializer if tensor.name.startswith("ones")]
        assert len(copies) == 2
        assert size.at(counts) == pytest.approx(pruned.proto.ByteSize(), abs=SURROUNDINGS)
