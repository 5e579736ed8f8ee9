"""Stored tensors whose values are not what their type and shape say, or are no numbers to compute with."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import onnx
from drafts import Draft
from onnx import TensorProto, numpy_helper

from model_mutations.registry import graphs, initializers, mutation, nodes, pick, tensors

FIELDS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


@mutation
def values_cut_short(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, [tensor for tensor in tensors(draft) if tensor.raw_data])
    tensor.raw_data = tensor.raw_data[: rng.choice([0, 1, 3, 4, len(tensor.raw_data) - 1, len(tensor.raw_data) // 2])]


@mutation
def values_too_many(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, tensors(draft))
    tensor.raw_data += b"\1" * rng.choice([1, 4, 8, 4096])


@mutation
def values_in_the_wrong_field(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, tensors(draft))
    tensor.ClearField("raw_data")
    getattr(tensor, rng.choice(FIELDS)).extend([1] * rng.choice([0, 1, 5, abs(math.prod(tensor.dims)) % 5000]))


@mutation
def values_in_two_fields(draft: Draft, rng: Random) -> None:
    getattr(pick(rng, tensors(draft)), rng.choice(FIELDS)).extend([1, 2, 3])


@mutation
def values_as_text(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, tensors(draft))
    count = min(abs(math.prod(tensor.dims)), 1000)
    tensor.CopyFrom(TensorProto(name=tensor.name, dims=tensor.dims, data_type=8, string_data=[b"\xff"] * count))


@mutation
def an_odd_type_of_a_stored_tensor(draft: Draft, rng: Random) -> None:
    pick(rng, tensors(draft)).data_type = rng.choice([0, 99, -1, *range(2, 27)])


@mutation
def values_that_are_no_numbers(draft: Draft, rng: Random) -> None:
    floats = [tensor for tensor in initializers(draft) if tensor.data_type in (1, 10, 11) and tensor.raw_data]
    tensor = pick(rng, floats)
    values = numpy_helper.to_array(tensor).copy()
    odd = rng.choice([math.nan, math.inf, -math.inf, 3e38, 1e-45, -0.0])
    if rng.random() < 0.5:
        values[...] = odd
    else:
        values.reshape(-1)[:1] = odd
    with np.errstate(all="ignore"):
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


@mutation
def every_weight_zero(draft: Draft, rng: Random) -> None:
    for tensor in initializers(draft):
        if tensor.data_type == TensorProto.FLOAT:
            tensor.raw_data = b"\0" * len(tensor.raw_data)


@mutation
def odd_integers(draft: Draft, rng: Random) -> None:
    """Sizes, lengths, axes and indices that are stored."""
    ours = [tensor for tensor in tensors(draft) if tensor.data_type in (6, 7) and tensor.raw_data]
    tensor = pick(rng, ours)
    values = numpy_helper.to_array(tensor).copy()
    if not values.size:
        return
    flat = values.reshape(-1)
    odd = [0, 1, -1, -2, 3, 5, 1000, 2**31 - 1, -(2**31)] + ([2**40, 2**62, -(2**63)] if values.itemsize == 8 else [])
    flat[rng.randrange(flat.size)] = rng.choice(odd)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


@mutation
def integers_of_another_shape(draft: Draft, rng: Random) -> None:
    ours = [tensor for tensor in tensors(draft) if tensor.data_type in (6, 7)]
    tensor = pick(rng, ours)
    made = rng.choice([np.zeros((), np.int64), np.ones((2, 2), np.int64), np.arange(9), np.zeros(0, np.int64)])
    tensor.CopyFrom(numpy_helper.from_array(made, tensor.name))


@mutation
def a_tensor_in_segments(draft: Draft, rng: Random) -> None:
    pick(rng, tensors(draft)).segment.CopyFrom(TensorProto.Segment(begin=rng.choice([0, -1, 2**40]), end=3))


@mutation
def a_scale_of_zero(draft: Draft, rng: Random) -> None:
    names = {name for node in nodes(draft, "QuantizeLinear", "DequantizeLinear", "QLinearConv") for name in node.input}
    ours = [tensor for tensor in initializers(draft) if tensor.name in names and tensor.data_type == 1]
    tensor = pick(rng, ours)
    values = numpy_helper.to_array(tensor)
    made = np.full(values.shape, rng.choice([0, -1, math.nan, math.inf, 1e-40]), np.float32)
    tensor.CopyFrom(numpy_helper.from_array(made, tensor.name))


@mutation
def a_sparse_tensor_that_lies(draft: Draft, rng: Random) -> None:
    sparse = pick(rng, [tensor for graph in graphs(draft)[1:] for tensor in graph.sparse_initializer])
    change = rng.randrange(7)
    if change == 0:
        sparse.dims[0] = rng.choice([0, -1, 2**40, 2**62])
    elif change == 1:
        sparse.ClearField("dims")
    elif change == 2:
        sparse.ClearField("indices")
    elif change == 3:
        sparse.indices.int64_data[rng.randrange(len(sparse.indices.int64_data))] = rng.choice([-1, 2**40, 2**63 - 1])
    elif change == 4:
        sparse.indices.data_type = rng.choice([0, 1, 6, 8, 99])
    elif change == 5:
        sparse.values.dims[0] = rng.choice([0, -1, 3, 2**40])
    else:
        sparse.ClearField("values")


@mutation
def a_sparse_tensor_of_terabytes(draft: Draft, rng: Random) -> None:
    """Two values in a shape that no memory holds."""
    values = onnx.helper.make_tensor("enormous", TensorProto.FLOAT, [2], [1, 2])
    dims = rng.choice([[2**40], [2**20, 2**20], [50_000, 50_000], [2**31], [2**62, 2**62]])
    places = onnx.helper.make_tensor("", TensorProto.INT64, [2], [0, 5])
    draft.proto.graph.sparse_initializer.append(onnx.SparseTensorProto(values=values, indices=places, dims=dims))
