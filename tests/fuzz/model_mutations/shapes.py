"""Ranks and sizes that cannot be, and types that are no tensors."""

from __future__ import annotations

from random import Random

from drafts import Draft
from onnx import TensorProto, helper

from model_mutations.registry import infos, initializers, mutation, nodes, pick, tensors

SIZES = [0, 1, -1, -2, 2, 7, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)]


@mutation
def an_odd_size_of_a_stored_tensor(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, [tensor for tensor in tensors(draft) if tensor.dims])
    tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(SIZES)


@mutation
def sizes_whose_product_overflows(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, tensors(draft))
    tensor.ClearField("dims")
    tensor.dims.extend(rng.choice([[2**32, 2**32], [2**40, 2**40, 2**40], [2**31, 2**33], [2**63 - 1, 3], [2**62, 4]]))


@mutation
def sizes_whose_product_is_right_by_overflow(draft: Draft, rng: Random) -> None:
    """With 64 bits the product wraps around to the number of values that are there."""
    tensor = pick(rng, [tensor for tensor in tensors(draft) if tensor.dims])
    tensor.dims.extend([2**32, 2**32 + 1])


@mutation
def a_stored_tensor_of_another_rank(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, tensors(draft))
    if rng.random() < 0.5 and tensor.dims:
        tensor.dims.pop()
    else:
        tensor.dims.extend([1] * rng.choice([1, 2, 40, 3000]))


@mutation
def a_stored_tensor_flattened(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, [tensor for tensor in tensors(draft) if len(tensor.dims) > 1])
    count = 1
    for length in tensor.dims:
        count *= length
    tensor.ClearField("dims")
    tensor.dims.append(count)


@mutation
def a_stored_tensor_turned(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, [tensor for tensor in tensors(draft) if len(tensor.dims) > 1])
    dims = list(tensor.dims)
    rng.shuffle(dims)
    tensor.ClearField("dims")
    tensor.dims.extend(dims)


@mutation
def a_stored_tensor_without_values(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, initializers(draft))
    dims = [0, *tensor.dims[1:]] if rng.random() < 0.5 else [*tensor.dims[:-1], 0]
    tensor.CopyFrom(TensorProto(name=tensor.name, data_type=tensor.data_type, dims=dims, raw_data=b""))


@mutation
def an_odd_declared_size(draft: Draft, rng: Random) -> None:
    dims = [dim for info in infos(draft) for dim in info.type.tensor_type.shape.dim]
    pick(rng, dims).dim_value = rng.choice(SIZES)


@mutation
def an_odd_size_of_an_input(draft: Draft, rng: Random) -> None:
    dims = [dim for info in draft.proto.graph.input for dim in info.type.tensor_type.shape.dim]
    pick(rng, dims).dim_value = rng.choice([*SIZES, 3000, 100_000])


@mutation
def an_open_size_of_an_input(draft: Draft, rng: Random) -> None:
    dims = [dim for info in draft.proto.graph.input for dim in info.type.tensor_type.shape.dim]
    dim = pick(rng, dims)
    if rng.random() < 0.5:
        dim.Clear()
    else:
        dim.dim_param = rng.choice(["N", "height", "n + 1"])


@mutation
def a_declared_rank_that_is_wrong(draft: Draft, rng: Random) -> None:
    info = pick(rng, infos(draft))
    elem_type = info.type.tensor_type.elem_type or 1
    dims: list[int] = [2] * rng.choice([0, 1, 2, 3, 5, 9, 2000])
    info.CopyFrom(helper.make_tensor_value_info(info.name, elem_type, dims))


@mutation
def a_declared_size_that_is_wrong(draft: Draft, rng: Random) -> None:
    """A value in the middle that is declared with a shape that it does not have."""
    name = pick(rng, [name for node in nodes(draft) for name in node.output])
    dims = [rng.choice([1, 2, 3, 4, 8, 1000]) for _ in range(rng.randrange(6))]
    draft.proto.graph.value_info.append(helper.make_tensor_value_info(name, rng.choice([1, 7, 10]), dims))


@mutation
def a_value_without_a_type(draft: Draft, rng: Random) -> None:
    pick(rng, infos(draft)).ClearField("type")


@mutation
def a_value_without_a_shape(draft: Draft, rng: Random) -> None:
    pick(rng, infos(draft)).type.tensor_type.ClearField("shape")


@mutation
def a_value_of_an_odd_element_type(draft: Draft, rng: Random) -> None:
    types = [0, 2, 6, 7, 8, 9, 10, 11, 14, 16, 17, 21, 22, 23, 99, -1, 2**31 - 1]
    pick(rng, infos(draft)).type.tensor_type.elem_type = rng.choice(types)


@mutation
def a_value_that_is_no_tensor(draft: Draft, rng: Random) -> None:
    info = pick(rng, infos(draft))
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [2, 3])
    made = {
        "sequence": helper.make_sequence_type_proto(tensor),
        "optional": helper.make_optional_type_proto(tensor),
        "sparse": helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2, 3]),
        "map": helper.make_map_type_proto(TensorProto.INT64, tensor),
    }
    info.type.CopyFrom(rng.choice(list(made.values())))


@mutation
def a_value_of_text(draft: Draft, rng: Random) -> None:
    info = pick(rng, list(draft.proto.graph.input))
    info.type.tensor_type.elem_type = TensorProto.STRING
