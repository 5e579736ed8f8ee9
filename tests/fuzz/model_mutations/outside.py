"""Data beside the model: outside of its folder, missing, or not where it is said to be."""

from __future__ import annotations

from random import Random

import onnx
from drafts import SECRET, Draft
from onnx import TensorProto
from seed_models import DATA

from model_mutations.registry import graphs, initializers, mutation, nodes, pick, tensors

LINK, LOOP = "link.bin", "loop.bin"
LOCATIONS = [
    f"../{SECRET}",
    f"./../{SECRET}",
    f"sub/../../{SECRET}",
    "/etc/passwd",
    "/dev/zero",
    "//etc/passwd",
    f"..\\{SECRET}",
    "C:\\secret",
    f"file://../{SECRET}",
    "",
    ".",
    "..",
    "/",
    "absent.bin",
    "model.onnx",
    LINK,
    LOOP,
    "a\0b",
    "n" * 5000,
    "é/ü",
    f"{DATA}/x",
    f"{DATA}\n",
]
NUMBERS = ["-1", "-9223372036854775808", "9223372036854775807", "99999999999999999999999", "1e3", "x", "", " 4", "0x10"]
NUMBERS += ["1", "3", "4096", "10000000000", "٣", "1_0", "+4", "4.0", "\0", "1" * 5000]


def _moved_out(draft: Draft, rng: Random) -> TensorProto:
    """Say of one tensor that its values lie in a file; return it."""
    tensor = pick(rng, tensors(draft))
    if tensor.data_location != TensorProto.EXTERNAL:
        tensor.data_location = TensorProto.EXTERNAL
        tensor.ClearField("raw_data")
        _say(tensor, location=DATA, offset="0")
        draft.files.setdefault(DATA, b"\1" * 5000)
    return tensor


def _say(tensor: TensorProto, **entries: str) -> None:
    known = {entry.key: entry for entry in tensor.external_data}
    for key, value in entries.items():
        entry = known.get(key) or tensor.external_data.add()
        entry.key, entry.value = key, value


@mutation
def data_somewhere_else(draft: Draft, rng: Random) -> None:
    tensor = _moved_out(draft, rng)
    _say(tensor, location=rng.choice(LOCATIONS))
    draft.links.update({LINK: f"../{SECRET}", LOOP: LOOP})


@mutation
def data_with_odd_numbers(draft: Draft, rng: Random) -> None:
    _say(_moved_out(draft, rng), **{rng.choice(["offset", "length"]): rng.choice(NUMBERS)})


@mutation
def data_of_another_length(draft: Draft, rng: Random) -> None:
    tensor = _moved_out(draft, rng)
    _say(tensor, length=rng.choice(["0", "1", "4", "4000"]), offset=rng.choice(["0", "1", "4", "4999", "5000"]))


@mutation
def data_without_a_location(draft: Draft, rng: Random) -> None:
    del _moved_out(draft, rng).external_data[:]


@mutation
def data_that_is_said_twice(draft: Draft, rng: Random) -> None:
    tensor = _moved_out(draft, rng)
    tensor.external_data.add(key="location", value=f"../{SECRET}")
    tensor.external_data.add(key="offset", value=rng.choice(["0", "-4"]))


@mutation
def data_inside_and_outside(draft: Draft, rng: Random) -> None:
    tensor = pick(rng, [tensor for tensor in initializers(draft) if tensor.raw_data])
    values = tensor.raw_data
    tensor.data_location = TensorProto.EXTERNAL
    _say(tensor, location=f"../{SECRET}")
    tensor.raw_data = values


@mutation
def data_that_is_cut_short(draft: Draft, rng: Random) -> None:
    _moved_out(draft, rng)
    draft.files[DATA] = draft.files.get(DATA, b"")[: rng.choice([0, 1, 10, 200])]


@mutation
def data_that_is_missing(draft: Draft, rng: Random) -> None:
    _moved_out(draft, rng)
    draft.files.pop(DATA, None)


@mutation
def data_behind_a_link(draft: Draft, rng: Random) -> None:
    _moved_out(draft, rng)
    draft.files.pop(DATA, None)
    draft.links[DATA] = rng.choice([f"../{SECRET}", "/etc/passwd", "/dev/zero", DATA, "absent", "."])


@mutation
def a_location_without_the_word(draft: Draft, rng: Random) -> None:
    """A location, but the values are said to be in the message."""
    tensor = pick(rng, tensors(draft))
    tensor.data_location = TensorProto.DEFAULT
    _say(tensor, location=f"../{SECRET}")


@mutation
def data_of_a_tensor_in_an_odd_place(draft: Draft, rng: Random) -> None:
    """Attributes, sparse tensors, functions, bodies and training information hold tensors, too."""
    tensor = TensorProto(name="hidden", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    _say(tensor, location=f"../{SECRET}")
    place = rng.randrange(6)
    if place == 0:
        pick(rng, nodes(draft)).attribute.append(onnx.helper.make_attribute("extra", tensor))
    elif place == 1:
        pick(rng, nodes(draft)).attribute.append(onnx.helper.make_attribute("extras", [tensor]))
    elif place == 2:
        body = onnx.helper.make_graph([], "body", [], [], [tensor])
        pick(rng, nodes(draft)).attribute.append(onnx.helper.make_attribute("extra", body))
    elif place == 3:
        body = onnx.helper.make_graph([], "body", [], [], [tensor])
        pick(rng, nodes(draft)).attribute.append(onnx.helper.make_attribute("extras", [body]))
    elif place == 4:
        sparse = onnx.SparseTensorProto(values=tensor, indices=tensor, dims=[8])
        pick(rng, graphs(draft)).sparse_initializer.append(sparse)
    else:
        draft.proto.training_info.add().initialization.initializer.append(tensor)


@mutation
def a_fill_from_outside(draft: Draft, rng: Random) -> None:
    """The value of a ConstantOfShape that lies in a file outside of the folder."""
    value = TensorProto(data_type=1, dims=[1], data_location=TensorProto.EXTERNAL)
    _say(value, location=f"../{SECRET}")
    graph = draft.proto.graph
    graph.initializer.append(onnx.helper.make_tensor("two", TensorProto.INT64, [1], [2]))
    graph.node.append(onnx.helper.make_node("ConstantOfShape", ["two"], ["filled"], value=value))
    graph.output.append(onnx.helper.make_tensor_value_info("filled", TensorProto.FLOAT, [2]))
