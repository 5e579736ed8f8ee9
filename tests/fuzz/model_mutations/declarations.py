"""What a model says of itself: versions, domains, notes."""

from __future__ import annotations

from random import Random

import onnx
from drafts import Draft

from model_mutations.registry import mutation, pick

VERSIONS = [0, -1, 1, 5, 7, 9, 10, 11, 12, 13, 21, 25, 30, 9999, 2**31, 2**62, -(2**63)]


@mutation
def an_odd_opset(draft: Draft, rng: Random) -> None:
    pick(rng, draft.proto.opset_import).version = rng.choice(VERSIONS)


@mutation
def no_opsets(draft: Draft, rng: Random) -> None:
    del draft.proto.opset_import[:]


@mutation
def an_opset_twice(draft: Draft, rng: Random) -> None:
    draft.proto.opset_import.add(domain=rng.choice(["", "ai.onnx"]), version=rng.choice(VERSIONS))


@mutation
def an_opset_of_an_unknown_domain(draft: Draft, rng: Random) -> None:
    draft.proto.opset_import.add(domain=rng.choice(["nobody.knows", "com.microsoft", "ai.onnx.ml", "\n"]), version=3)


@mutation
def an_odd_version_of_the_format(draft: Draft, rng: Random) -> None:
    draft.proto.ir_version = rng.choice([0, 1, 2, 3, 4, 6, 7, 9, 10, 13, 14, 99, 999, -1, 2**62, -(2**63)])


@mutation
def an_old_model(draft: Draft, rng: Random) -> None:
    """Before version 4 every initializer had to be an input as well."""
    draft.proto.ir_version = rng.choice([1, 3])
    graph = draft.proto.graph
    for tensor in graph.initializer:
        graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))


@mutation
def notes_twice(draft: Draft, rng: Random) -> None:
    draft.proto.metadata_props.add(key="a", value="1")
    draft.proto.metadata_props.add(key="a", value="2" * rng.choice([1, 1_000_000]))


@mutation
def training_that_makes_no_sense(draft: Draft, rng: Random) -> None:
    info = draft.proto.training_info.add()
    info.algorithm.node.add(op_type="Nothing", input=["nowhere"])
    info.initialization_binding.add(key="nowhere", value="nowhere")
    info.algorithm.initializer.add(name="w", data_type=99, dims=[-1])


@mutation
def notes_on_quantization_that_make_no_sense(draft: Draft, rng: Random) -> None:
    note = draft.proto.graph.quantization_annotation.add(tensor_name=rng.choice(["nowhere", "x", ""]))
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="nowhere")
    note.quant_parameter_tensor_names.add(key="nonsense", value="x")


@mutation
def no_graph(draft: Draft, rng: Random) -> None:
    draft.proto.ClearField("graph")


@mutation
def a_graph_without_a_name(draft: Draft, rng: Random) -> None:
    draft.proto.graph.name = rng.choice(["", "\n", "g" * 1_000_000])


@mutation
def fields_that_no_version_has(draft: Draft, rng: Random) -> None:
    unknown = b"\xc2\xb8\x02\x05hello"  # number 5000
    draft.proto.MergeFromString(unknown)
    draft.proto.graph.MergeFromString(unknown)
    for node in draft.proto.graph.node:
        node.MergeFromString(unknown)
