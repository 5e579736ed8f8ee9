"""Sparse storage: smaller where it is used, the same values and outputs, and a way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from graphs import Graph
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Array
from onnx import AttributeProto, TensorProto, external_data_helper, helper, numpy_helper

from onnxprune.errors import ModelError
from onnxprune.model import Model
from onnxprune.runtime import run
from onnxprune.sparse_storage import FRAME, TAKEN, to_dense, to_sparse
from onnxprune.tensors import to_tensor

TAKEN_BY_NAME = {TensorProto.DataType.Name(data_type): data_type for data_type in sorted(TAKEN)}


def mostly_zeros(*shape: int, share: float = 0.9, seed: int = 0) -> Array:
    """Whole numbers, which every type holds, that are not 0 for a few of them."""
    rng = np.random.default_rng(seed)
    return (rng.integers(1, 4, shape) * (rng.random(shape) >= share)).astype(np.float32)


def network(share: float = 0.9) -> onnx.ModelProto:
    """A convolution, a Gemm and a MatMul, one of them from a Constant."""
    g = Graph()
    x = g.add("Conv", g.image(8), g.store(mostly_zeros(16, 8, 3, 3, share=share)), g.weight(16))
    x = g.add("Gemm", g.add("Flatten", x), g.store(mostly_zeros(32, 256, share=share)), transB=1)
    g.output(g.add("MatMul", x, g.constant(mostly_zeros(32, 20, share=share))))
    return g.model()


def returning(values: Array, data_type: int) -> onnx.ModelProto:
    """A model that stores values as a type and returns them as float32."""
    g = Graph(opset=19)
    g.stored.append(to_tensor(values, data_type, "weight"))
    g.output(g.add("Cast", "weight", to=TensorProto.FLOAT))
    proto = g.model()
    proto.ir_version = 9
    return proto


def the_weight(proto: onnx.ModelProto) -> onnx.TensorProto:
    return next(tensor for tensor in proto.graph.initializer if tensor.name == "weight")


def test_outputs_are_equal_and_the_file_is_smaller() -> None:
    model = Model(network())
    sparse = to_sparse(model)
    feeds = {model.proto.graph.input[0].name: np.random.default_rng(0).normal(size=(2, 8, 6, 6)).astype(np.float32)}
    for found, expected in zip(run(sparse.model, feeds), run(model, feeds), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert len(sparse.saved) == 3 and not sparse.left
    assert sparse.model.proto.ByteSize() < model.proto.ByteSize() / 4
    onnx.checker.check_model(sparse.model.proto)


def test_what_is_reported_as_saved_is_what_the_file_loses() -> None:
    model = Model(network())
    sparse = to_sparse(model)
    lost = model.proto.ByteSize() - sparse.model.proto.ByteSize()
    assert abs(lost - sum(sparse.saved.values())) < 40  # the lengths of messages around it get shorter as well


def test_the_given_model_is_left_as_it_is() -> None:
    model = Model(network())
    to_sparse(model)
    assert model.proto == network()


@pytest.mark.parametrize("name", TAKEN_BY_NAME)
def test_every_type_that_is_made_sparse_loads_with_equal_values(name: str) -> None:
    values = mostly_zeros(16, 8, 3, 3, share=0.95)
    sparse = to_sparse(Model(returning(values, TAKEN_BY_NAME[name]))).model
    assert [tensor.values.name for tensor in sparse.proto.graph.sparse_initializer] == ["weight"]
    np.testing.assert_array_equal(run(sparse, {})[0], values)
    onnx.checker.check_model(sparse.proto)


@pytest.mark.parametrize("name", TAKEN_BY_NAME)
def test_the_way_back_gives_every_bit_of_every_type(name: str) -> None:
    proto = returning(mostly_zeros(16, 8, 3, 3, share=0.95), TAKEN_BY_NAME[name])
    back = to_dense(to_sparse(Model(proto)).model).proto
    assert the_weight(back) == the_weight(proto)
    assert not back.graph.sparse_initializer


def test_the_way_back_restores_constants_and_bodies() -> None:
    body = Graph()
    body.stored.append(numpy_helper.from_array(mostly_zeros(16, 16), "inner"))
    body.output(body.add("Identity", "inner"))
    graph = body.model().graph
    g = Graph()
    chosen = g.add("If", g.constant(True, bool), then_branch=graph, else_branch=graph)
    g.output(g.add("MatMul", chosen, g.constant(mostly_zeros(16, 20))))
    proto = g.model()
    sparse = to_sparse(Model(proto))
    assert len(sparse.saved) == 3
    assert not any(tensor.dims[:1] == [16] for tensor in sparse.model.tensors())
    np.testing.assert_array_equal(run(sparse.model, {})[0], run(Model(proto), {})[0])
    assert to_dense(sparse.model).proto == proto


def test_negative_zero_is_kept() -> None:
    values = mostly_zeros(16, 16)
    values[0, 0] = -0.0
    back = to_dense(to_sparse(Model(returning(values, TensorProto.FLOAT))).model)
    assert np.signbit(back.array(the_weight(back.proto))[0, 0])


def test_names_notes_and_the_order_of_the_others_are_kept() -> None:
    proto = network()
    proto.graph.initializer[0].doc_string = "what it is for"
    rest = [tensor for tensor in proto.graph.initializer if len(tensor.dims) < 2]
    sparse = to_sparse(Model(proto)).model.proto.graph
    assert sparse.sparse_initializer[0].values.doc_string == "what it is for"
    assert [tensor.values.name for tensor in sparse.sparse_initializer] == [
        tensor.name for tensor in proto.graph.initializer if tensor not in rest
    ]
    assert list(sparse.initializer) == rest


@given(st.integers(0, 2**32), st.lists(st.integers(0, 40), min_size=1, max_size=4), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_a_tensor_is_sparse_only_where_that_is_smaller(seed: int, shape: list[int], share: float) -> None:
    values = mostly_zeros(*shape, share=share, seed=seed)
    model = Model(returning(values, TensorProto.FLOAT))
    sparse = to_sparse(model)
    if sparse.saved:
        (made,) = sparse.model.proto.graph.sparse_initializer
        assert sparse.saved == {"weight": the_weight(model.proto).ByteSize() - made.ByteSize()}
        assert sparse.saved["weight"] > 0
        np.testing.assert_array_equal(run(sparse.model, {})[0], values)
    else:
        assert sparse.model.proto == model.proto
        assert values.nbytes < 12 * np.count_nonzero(values) + 2 * FRAME


def test_half_of_float_weights_are_worth_it_half_of_byte_weights_are_not() -> None:
    values = mostly_zeros(64, 64, 3, 3, share=0.5)
    assert to_sparse(Model(returning(values, TensorProto.FLOAT))).saved
    left = to_sparse(Model(returning(values, TensorProto.INT8))).left
    assert left["weight"].startswith("50% of its stored numbers are zero; sparse it would take")


def test_what_a_tensor_would_take_is_told_rightly() -> None:
    """Places up to 127 take one byte, up to 16,383 two, and so on."""
    values = mostly_zeros(64, 64, 3, 3, share=0.5)
    left = to_sparse(Model(returning(values, TensorProto.INT8))).left["weight"]
    found = re.search(r"it would take ([\d,]+) bytes instead", left)
    assert found is not None
    places = np.flatnonzero(values)
    indices = TensorProto(data_type=TensorProto.INT64, dims=[places.size], int64_data=places.tolist())
    sparse = helper.make_sparse_tensor(
        to_tensor(values.flat[places], TensorProto.INT8, "weight"), indices, values.shape
    )
    assert 0 <= int(found[1].replace(",", "")) - sparse.ByteSize() <= FRAME


def listed_as_input(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [16, 16]))


def returned(proto: onnx.ModelProto) -> None:
    proto.graph.output.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [16, 16]))


def packed(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].CopyFrom(to_tensor(mostly_zeros(16, 16), TensorProto.INT4, "weight"))


def old_file(proto: onnx.ModelProto) -> None:
    proto.ir_version = 5


def external(proto: onnx.ModelProto) -> None:
    external_data_helper.convert_model_to_external_data(proto, location="w.bin", size_threshold=0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (listed_as_input, "an input or an output of a graph"),
        (returned, "an input or an output of a graph"),
        (packed, "cannot be INT4"),
        (old_file, "IR version 5"),
        (external, "external data"),
    ],
    ids=["listed_as_input", "returned", "packed", "old_file", "external"],
)
def test_what_cannot_be_sparse_stays_dense_with_the_reason(
    change: Callable[[onnx.ModelProto], None], reason: str, tmp_path: Path
) -> None:
    proto = returning(mostly_zeros(16, 16), TensorProto.FLOAT)
    change(proto)
    onnx.save(proto, tmp_path / "net.onnx")
    model = Model.load(tmp_path / "net.onnx")
    sparse = to_sparse(model)
    assert not sparse.saved and reason in sparse.left["weight"]
    assert sparse.model.proto == model.proto


def test_a_model_without_sparse_tensors_comes_back_itself() -> None:
    model = Model(network())
    assert to_dense(model) is model


def sparse_of(values: list[float], indices: list[int] | list[list[int]], dims: list[int]) -> Model:
    tensor = helper.make_sparse_tensor(
        numpy_helper.from_array(np.array(values, np.float32), "weight"),
        numpy_helper.from_array(np.array(indices, np.int64)),
        dims,
    )
    g = Graph()
    g.output("weight")
    proto = helper.make_model(helper.make_graph(g.nodes, "g", [], g.outputs, sparse_initializer=[tensor]))
    return Model(proto)


def test_indices_may_have_one_number_or_one_for_each_axis() -> None:
    for indices in ([1, 5], [[0, 1], [1, 2]]):
        dense = to_dense(sparse_of([3, 4], indices, [2, 3])).proto.graph.initializer[0]
        assert numpy_helper.to_array(dense).tolist() == [[0, 3, 0], [0, 0, 4]]


def test_a_sparse_tensor_may_have_no_values() -> None:
    model = sparse_of([], [], [2, 3])
    assert not model.array(to_dense(model).proto.graph.initializer[0]).any()
    model.proto.graph.sparse_initializer[0].ClearField("indices")
    assert list(to_dense(model).proto.graph.initializer[0].dims) == [2, 3]


def test_sparse_text_is_read_too() -> None:
    tensor = onnx.SparseTensorProto(
        values=helper.make_tensor("weight", TensorProto.STRING, [1], [b"end"]),
        indices=numpy_helper.from_array(np.array([1])),
        dims=[2],
    )
    attribute = AttributeProto(name="sparse_value", type=AttributeProto.SPARSE_TENSOR, sparse_tensor=tensor)
    node = onnx.NodeProto(op_type="Constant", output=["y"], attribute=[attribute])
    dense = to_dense(Model(helper.make_model(helper.make_graph([node], "g", [], []))))
    assert list(dense.constants["", "y"].string_data) == [b"", b"end"]


@pytest.mark.parametrize(
    "indices", [[0, 6], [-1, 2], [1], [[0, 0], [2, 0]], [[0, 0, 0], [0, 0, 1]], [[0], [1]]], ids=str
)
def test_places_that_are_not_in_the_tensor_are_refused(indices: list[int]) -> None:
    with pytest.raises(ModelError, match=r"sparse tensor 'weight': for each of its 2 values"):
        to_dense(sparse_of([3, 4], indices, [2, 3]))


def test_a_tensor_too_large_for_a_file_is_refused_before_it_is_made() -> None:
    with pytest.raises(ModelError, match="do not fit into one file"):
        to_dense(sparse_of([3], [5], [2**20, 2**20]))
