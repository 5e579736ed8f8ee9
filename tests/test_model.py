"""The view of a model: its graphs, nodes and constants, and external data that must be read safely."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks import Array, Net, plain, values, write
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from onnxprune import external as external_module
from onnxprune.errors import ModelError
from onnxprune.external import Extent
from onnxprune.model import Model, NodeKey, place_of


@dataclass
class Negated:
    """An edit that turns the signs of all values, and remembers how many rows came at once."""

    rows: int = 1
    seen: list[int] = field(default_factory=list)

    def over(self, parts: Iterator[Array]) -> Iterator[Array]:
        for part in parts:
            np.negative(part, out=part)
            self.seen.append(len(part))
            yield part


def external(path: Path, **entries: Any) -> Path:
    """Write a model whose first weight lies in `weights.bin`; `entries` override where it claims to be."""
    proto = plain()
    tensor = proto.graph.initializer[0]
    (path.parent / "weights.bin").write_bytes(b"\0" * 64 + tensor.raw_data)
    external_data_helper.set_external_data(tensor, "weights.bin", 64, len(tensor.raw_data))
    tensor.ClearField("raw_data")
    for entry in list(tensor.external_data):
        if entry.key in entries:
            entry.value = str(entries[entry.key])
    return write(proto, path)


def test_external_data_is_read_at_its_offset(tmp_path: Path) -> None:
    model = Model.load(external(tmp_path / "net.onnx"))
    tensor = model.proto.graph.initializer[0]
    assert model.has_external_data() and not tensor.raw_data
    np.testing.assert_array_equal(model.array(tensor), values(plain())["conv1.weight"])


def test_external_data_is_mapped_and_not_read(tmp_path: Path) -> None:
    model = Model.load(external(tmp_path / "net.onnx"))
    assert isinstance(model.array(model.proto.graph.initializer[0]), np.memmap)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "sub/../../weights.bin", "", "."])
def test_external_data_outside_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = external(tmp_path / "models" / "net.onnx", location=location)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 4000)
    with pytest.raises(ModelError, match=r"conv1\.weight.*refused"):
        Model.load(path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    path = external(tmp_path / "models" / "net.onnx", location="link.bin")
    (tmp_path / "models" / "link.bin").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="refused"):
        Model.load(path)


def test_external_data_in_a_folder_below_is_read(tmp_path: Path) -> None:
    path = external(tmp_path / "net.onnx", location="below/weights.bin")
    (tmp_path / "below").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "below" / "weights.bin")
    model = Model.load(path)
    assert model.array(model.proto.graph.initializer[0]).any()


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "absent.bin"},
        {"offset": 128},
        {"length": 10**9},
        {"offset": -64},
        {"offset": "x"},
        {"length": -1},
    ],
    ids=str,
)
def test_external_data_that_is_not_there_is_an_error_that_names_the_tensor(
    entries: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"conv1\.weight"):
        Model.load(external(tmp_path / "net.onnx", **entries))


@pytest.mark.parametrize("length", [100, 1000])
def test_external_data_of_another_length_than_the_shape_is_an_error(length: int, tmp_path: Path) -> None:
    path = external(tmp_path / "net.onnx", length=length)
    with (tmp_path / "weights.bin").open("ab") as stream:
        stream.write(b"\0" * 1000)
    with pytest.raises(ModelError, match=rf"conv1\.weight.* takes 864 bytes, and its external data has {length:,}"):
        Model.load(path)


@pytest.mark.parametrize("location", ["loop.bin", "a\0b", "n" * 5000], ids=["a link to itself", "a zero byte", "long"])
def test_a_place_that_no_file_can_have_is_an_error(location: str, tmp_path: Path) -> None:
    (tmp_path / "loop.bin").symlink_to("loop.bin")
    with pytest.raises(ModelError, match=r"conv1\.weight.*cannot be where the model says"):
        Model.load(external(tmp_path / "net.onnx", location=location))


@pytest.mark.parametrize("offset", ["1_0", "٣", " 64", "+64", "6.4e1", "9" * 5000], ids=ascii)
def test_numbers_that_readers_understand_in_different_ways_are_errors(offset: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"conv1\.weight.*must be numbers"):
        Model.load(external(tmp_path / "net.onnx", offset=offset))


def test_data_that_is_said_to_be_in_two_places_is_an_error(tmp_path: Path) -> None:
    proto = onnx.load(external(tmp_path / "net.onnx"), load_external_data=False)
    proto.graph.initializer[0].external_data.add(key="location", value="other.bin")
    with pytest.raises(ModelError, match=r"conv1\.weight.*says twice"):
        Model.load(write(proto, tmp_path / "net.onnx"))


def edited(path: Path, edit: Negated) -> tuple[Model, onnx.TensorProto]:
    """A model whose first weight lies outside and is edited, and that weight, [8, 3, 3, 3]."""
    model = Model.load(external(path))
    tensor = model.proto.graph.initializer[0]
    place = place_of(tensor)
    assert place is not None
    return Model(model.proto, path, {place: edit}), tensor


def test_an_edit_changes_what_is_read_and_not_the_file(tmp_path: Path) -> None:
    model, tensor = edited(tmp_path / "net.onnx", Negated())
    before = (tmp_path / "weights.bin").read_bytes()
    expected = -values(plain())["conv1.weight"]
    for _ in range(2):
        np.testing.assert_array_equal(model.array(tensor), expected)
    np.testing.assert_array_equal(model.inlined().array(tensor), expected)
    assert (tmp_path / "weights.bin").read_bytes() == before


@pytest.mark.parametrize("window", [1, 4 * 27, 4 * 27 * 5, 1 << 20])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 8])
def test_an_edit_sees_as_many_rows_at_once_as_it_asks_for(
    rows: int, window: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external_module, "WINDOW", window)
    edit = Negated(rows)
    model, tensor = edited(tmp_path / "net.onnx", edit)
    parts = np.concatenate([part.copy() for part in model.parts(tensor)])
    np.testing.assert_array_equal(parts, -values(plain())["conv1.weight"])
    *whole, last = edit.seen
    assert sum(edit.seen) == 8 and (not whole if rows == 0 else all(seen % rows == 0 for seen in whole))
    assert last <= 8 and (window > 4 * 27 or rows == 0 or max(edit.seen) <= rows)


def test_data_that_is_cut_short_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(10))
    extent = Extent(tmp_path / "weights.bin", 4, 16)
    for read in (extent.windows(), extent.parts(np.dtype(np.float32), (4,), 1)):
        with pytest.raises(ModelError, match="became shorter"):
            list(read)


def test_constants_are_initializers_and_constant_nodes_by_the_name_their_users_know() -> None:
    net = Net()
    tensor = numpy_helper.from_array(np.arange(3.0), "inner name")
    net.nodes = [
        helper.make_node("Constant", [], ["tensor"], value=tensor),
        helper.make_node("Constant", [], ["number"], value_int=7),
        helper.make_node("Constant", [], ["numbers"], value_ints=[1, 2]),
        helper.make_node("Constant", [], ["real"], value_float=0.5),
        helper.make_node("Constant", [], ["reals"], value_floats=[0.5, 1.5]),
        helper.make_node("Constant", [], ["text"], value_string="no number"),
    ]
    net.store("stored", np.ones(2, np.float32))
    proto = helper.make_model(helper.make_graph(net.nodes, "g", [], [], net.stored))
    model = Model(proto)
    found = {name: model.array(value).tolist() for (scope, name), value in model.constants.items() if scope == ""}
    assert found == {
        "stored": [1, 1],
        "tensor": [0, 1, 2],
        "number": 7,
        "numbers": [1, 2],
        "real": 0.5,
        "reals": [0.5, 1.5],
    }


def test_bodies_are_graphs_with_scopes_of_their_own() -> None:
    weight = numpy_helper.from_array(np.ones(2, np.float32), "w")
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    body = helper.make_graph([helper.make_node("Identity", ["w"], ["y"])], "body", [], [out], [weight])
    node = helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body)
    model = Model(helper.make_model(helper.make_graph([node], "main", [], [])))
    assert set(model.graphs) == {"", "0.then_branch/", "0.else_branch/"}
    assert ("0.then_branch/", "w") in model.constants
    assert model.node(NodeKey("0.else_branch/", 0)).op_type == "Identity"
    assert str(NodeKey("0.else_branch/", 3)) == "0.else_branch/3"


def test_the_default_domain_has_one_name() -> None:
    proto = helper.make_model(
        helper.make_graph([], "g", [], []),
        opset_imports=[helper.make_opsetid("ai.onnx", 13), helper.make_opsetid("a", 2)],
    )
    assert Model(proto).opsets == {"": 13, "a": 2}


def test_the_hash_is_that_of_the_file_or_of_the_bytes_of_the_proto(tmp_path: Path) -> None:
    path = write(plain(), tmp_path / "net.onnx")
    assert Model.load(path).sha256 == Model(onnx.load(path)).sha256
    assert Model(plain(seed=1)).sha256 != Model(plain()).sha256


def test_every_stored_tensor_is_yielded_once() -> None:
    names = [tensor.name for tensor in Model(plain()).tensors()]
    assert sorted(names) == sorted(values(plain())) and len(set(names)) == len(names)
