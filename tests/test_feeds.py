"""Inputs to verify on: of the right types, within what the graph can take, or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from networks import plain, traced
from onnx import TensorProto, helper, numpy_helper

from onnxprune.errors import DataError, ModelError
from onnxprune.feeds import load_feeds, random_feeds


def drawn(name: str, elem_type: int, shape: tuple[int, ...], *nodes: onnx.NodeProto, **tables: Any) -> Any:
    """The value that is drawn for one input of a graph."""
    nodes = nodes or (helper.make_node("Identity", [name], ["y"]),)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    stored = [numpy_helper.from_array(np.asarray(table), key) for key, table in tables.items()]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(name, elem_type, shape)], [y], stored)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    return random_feeds(traced(proto), {name: shape})[name]


@pytest.mark.parametrize("elem_type", [TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE])
def test_reals_are_standard_normal(elem_type: int) -> None:
    value = drawn("x", elem_type, (50, 40))
    assert value.dtype == helper.tensor_dtype_to_np_dtype(elem_type) and value.shape == (50, 40)
    assert abs(value.astype(np.float64).mean()) < 0.1 and abs(value.astype(np.float64).std() - 1) < 0.1


def test_token_ids_stay_below_the_vocabulary() -> None:
    lookup = [
        helper.make_node("Cast", ["ids"], ["cast"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "cast"], ["y"]),
    ]
    value = drawn("ids", TensorProto.INT32, (20, 20), *lookup, table=np.zeros((7, 3), np.float32))
    assert value.dtype == np.int32 and value.min() >= 0 and value.max() == 6


def test_the_smallest_table_counts() -> None:
    lookup = [helper.make_node("Gather", [table, "ids"], [out]) for table, out in (("large", "a"), ("small", "y"))]
    tables = {"large": np.zeros((50, 2), np.float32), "small": np.zeros((3, 2), np.float32)}
    assert drawn("ids", TensorProto.INT64, (100,), *lookup, **tables).max() == 2


def test_a_table_may_be_quantized_or_written_out() -> None:
    ids, scale = np.arange(5), np.float32(0.5)
    dequantized = [
        helper.make_node("DequantizeLinear", ["table", "scale"], ["real"]),
        helper.make_node("Gather", ["real", "ids"], ["y"]),
    ]
    tables = {"table": np.zeros((5, 2), np.int8), "scale": scale}
    assert drawn("ids", TensorProto.INT64, (100,), *dequantized, **tables).max() == 4
    one_hot = helper.make_node("OneHot", ["ids", "depth", "values"], ["y"])
    told = {"depth": np.array([5]), "values": np.array([0, 1], np.float32)}
    assert drawn("ids", TensorProto.INT64, (100,), one_hot, **told).max() == 4
    compared = [helper.make_node("Equal", ["column", "numbers"], ["y"])]
    compared.insert(0, helper.make_node("Unsqueeze", ["ids", "last"], ["column"]))
    assert drawn("ids", TensorProto.INT64, (100,), *compared, numbers=ids, last=np.array([1])).max() == 4


def test_a_comparison_with_one_number_is_no_table() -> None:
    compared = helper.make_node("Equal", ["ids", "padding"], ["y"])
    assert drawn("ids", TensorProto.INT64, (100,), compared, padding=np.array(7)).max() == 1


def test_other_integers_are_0_or_1() -> None:
    assert set(drawn("n", TensorProto.INT64, (40,)).tolist()) == {0, 1}


@pytest.mark.parametrize("elem_type", [TensorProto.INT64, TensorProto.BOOL])
def test_masks_are_ones_and_then_zeros(elem_type: int) -> None:
    values = drawn("attention_mask", elem_type, (30, 4)).astype(int)
    assert values[:, 0].all() and not values[:, -1].any() and (np.diff(values) <= 0).all()
    assert len(np.unique(values.sum(1))) == 3


def test_booleans_are_both() -> None:
    assert set(drawn("flags", TensorProto.BOOL, (40,)).tolist()) == {True, False}


def test_text_cannot_be_drawn() -> None:
    with pytest.raises(ModelError, match=r"input 'words'.*--no-verify"):
        drawn("words", TensorProto.STRING, (2,))


def test_what_is_no_tensor_cannot_be_drawn() -> None:
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
    info = helper.make_value_info("items", helper.make_sequence_type_proto(element))
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    graph = helper.make_graph([helper.make_node("SequenceLength", ["items"], ["y"])], "g", [info], [y])
    found = traced(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    with pytest.raises(ModelError, match=r"input 'items' is not a tensor"):
        random_feeds(found, {"items": ()})


def test_the_same_seed_draws_the_same() -> None:
    found, shapes = traced(plain()), {"x": (2, 3, 5, 5)}
    first, again, other = (random_feeds(found, shapes, seed)["x"] for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_inputs_are_read_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.arange(3), y=np.ones(2))
    feeds = load_feeds(tmp_path / "inputs.npz")
    assert feeds.keys() == {"x", "y"} and feeds["x"].tolist() == [0, 1, 2]


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", x=np.array([{}], object))
    with pytest.raises(DataError, match=r"not an \.npz file of arrays"):
        load_feeds(tmp_path / "inputs.npz")


@pytest.mark.parametrize("content", [b"text", pytest.param(b""), b"PK\x03\x04 not a zip"])
def test_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "inputs.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"not an \.npz"):
        load_feeds(tmp_path / "inputs.npz")


def test_a_single_array_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(2))
    for path in (tmp_path / "one.npy", tmp_path, tmp_path / "absent.npz"):
        with pytest.raises(DataError):
            load_feeds(path)
