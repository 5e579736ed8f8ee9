"""Calibration samples from files and folders: which arrays go to which input, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from takers import FLOAT, INT64, Reader, counted, taken, taker

from onnxprune.calibrate.images import ImageOptions
from onnxprune.calibrate.readers import load_calibration
from onnxprune.errors import DataError, ModelError, UsageError
from onnxprune.model import Model

DIGITS = Path(__file__).parents[2] / "models" / "digits_test.npz"


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


# Names


def test_a_single_array_needs_no_name(read: Reader) -> None:
    assert read(taker("batch", 2), images=counted(3, 2)).samples == 3
    assert read(taker("batch", 2), {"labels": "y"}, images=counted(3, 2), y=[4, 5, 6]).samples == 3


def test_other_arrays_do_not_matter_where_all_inputs_are_there(read: Reader) -> None:
    assert read(taker("batch", 2), x=counted(3, 2), label=counted(3)).batches[0].keys() == {"x"}


def test_a_misspelt_input_is_named_with_what_was_found(read: Reader) -> None:
    model = taker("batch", 2, dtype=INT64, mask=(INT64, "batch", 2))
    message = r"no input 'mask' in it; the model wants 'x' int64 \[batch, 2\], 'mask' int64 .*; found 'x', 'maks'"
    read.fails(DataError, message, model, x=counted(3, 2), maks=counted(3, 2))


def test_an_empty_archive_is_refused(read: Reader) -> None:
    read.fails(DataError, "no input 'x'.*found nothing", taker("batch", 2))


@pytest.mark.parametrize("ir", [3, 8])
def test_inputs_with_a_default_may_be_missing(ir: int, read: Reader) -> None:
    model = taker("batch", 2, stored={"limit": np.float32([9])}, ir=ir, limit=(FLOAT, 1))
    found = read(model, data=counted(3, 2))
    assert found.batches[0].keys() == {"x"} and taken(model, found, "limit")[0].tolist() == [9]
    given = read(model, x=counted(3, 2), limit=[5.0])
    assert given.batches[0]["limit"].tolist() == [5] and given.batches[0]["limit"].dtype == np.float32


def test_a_model_without_inputs_is_refused(read: Reader) -> None:
    read.fails(ModelError, "the model has no inputs", taker(2, stored={"x": np.zeros(2, np.float32)}), x=counted(2))


def test_inputs_that_are_no_tensors_are_refused(read: Reader) -> None:
    model = taker("batch", 2)
    element = helper.make_tensor_type_proto(FLOAT, [2])
    model.proto.graph.input.append(helper.make_value_info("items", helper.make_sequence_type_proto(element)))
    read.fails(ModelError, "input 'items' is not a tensor", model, x=counted(2))


# Labels


def test_labels_go_with_their_samples(read: Reader) -> None:
    found = read(taker("batch"), {"labels": "y", "samples": 3}, x=counted(6), y=np.arange(6, dtype=np.int32) * 10)
    assert found.labels is not None and found.labels.dtype == np.int64
    assert np.array_equal(found.batches[0]["x"] * 10, found.labels)


def test_what_is_shipped_is_read() -> None:
    model = Model.load(DIGITS.with_name("mobile_net.onnx"))
    found = load_calibration(str(DIGITS), model, labels="label", samples=10)
    with np.load(DIGITS) as digits:
        assert np.array_equal(found.batches[0]["input"], digits["input"][::150])
        assert np.array_equal(found.labels, digits["label"][::150])


def test_missing_labels_are_named(read: Reader) -> None:
    message = "no labels 'label' in it; found 'x', 'labels'"
    read.fails(DataError, message, taker("batch"), {"labels": "label"}, x=counted(3), labels=[1, 2, 3])


def test_labels_cannot_be_an_input(read: Reader) -> None:
    read.fails(UsageError, "--labels x: that is an input", taker("batch"), {"labels": "x"}, x=counted(3))


@pytest.mark.parametrize(("labels", "found"), [([0.5, 1, 2], r"float64 \[3\]"), ([[1], [2], [3]], r"int64 \[3, 1\]")])
def test_labels_are_one_integer_for_each_sample(labels: Any, found: str, read: Reader) -> None:
    message = f"labels 'y' must be one integer for each sample; found {found}"
    read.fails(DataError, message, taker("batch"), {"labels": "y"}, x=counted(3), y=labels)


def test_labels_are_as_many_as_samples(read: Reader) -> None:
    read.fails(DataError, "2 for 3 samples", taker("batch"), {"labels": "y"}, x=counted(3), y=[1, 2])


# Files and folders


def test_an_npy_is_for_the_only_input(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", counted(6, 2))
    found = load_calibration(str(tmp_path / "x.npy"), taker("batch", 2), samples=3)
    assert type(found.batches[0]["x"]) is np.ndarray and found.batches[0]["x"][:, 0].tolist() == [0, 2, 4]


def test_an_npy_cannot_be_for_several_inputs(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", counted(6, 2))
    with pytest.raises(DataError, match=r"arrays without names: 1, but inputs of the model: 2; .* 'x', 'y'"):
        load_calibration(str(tmp_path / "x.npy"), taker("batch", 2, y=(FLOAT, 2)))


def test_an_npy_has_no_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", counted(6, 2))
    with pytest.raises(UsageError, match=r"--labels y: .*x\.npy gives arrays without names"):
        load_calibration(str(tmp_path / "x.npy"), taker("batch", 2), labels="y")


def test_files_of_a_folder_hold_single_samples_or_several(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", np.full((2,), 2.0))
    np.save(tmp_path / "a.npy", np.full((3, 2), 1.0))
    (tmp_path / "c").mkdir()
    np.savez(tmp_path / "c" / "c.npz", np.full((1, 2), 3.0))
    (tmp_path / ".hidden.npy").write_text("not to be read")
    (tmp_path / "readme.txt").write_text("not to be read")
    [x] = taken(taker("batch", 2), load_calibration(str(tmp_path), taker("batch", 2)))
    assert x[:, 0].tolist() == [1, 1, 1, 2, 3]


def test_files_of_a_folder_may_hold_several_inputs_and_labels(tmp_path: Path) -> None:
    model = taker(1, 2, rate=(INT64,))
    for number in range(4):
        np.savez(tmp_path / f"{number}.npz", x=np.full(2, number), rate=8000, y=number)
    found = load_calibration(str(tmp_path), model, labels="y")
    assert found.sizes == (1,) * 4 and found.labels is not None and found.labels.tolist() == [0, 1, 2, 3]
    assert [x.tolist() for x in taken(model, found)] == [[[n, n]] for n in range(4)]
    assert [int(rate) for rate in taken(model, found, "rate")] == [8000] * 4


def test_only_files_that_are_needed_are_read(tmp_path: Path) -> None:
    for number in range(8):
        np.save(tmp_path / f"{number}.npy", np.full((1, 2), number))
    (tmp_path / "1.npy").write_text("damaged")
    found = load_calibration(str(tmp_path), taker("batch", 2), samples=4)
    assert found.batches[0]["x"][:, 0].tolist() == [0, 2, 4, 6]
    assert load_calibration(str(tmp_path), taker(2, 2), samples=1).sizes == (2,)
    with pytest.raises(DataError, match=r"1\.npy: not a file of numbers"):
        load_calibration(str(tmp_path), taker("batch", 2))


def test_samples_of_different_sizes_go_one_by_one_or_not_at_all(tmp_path: Path) -> None:
    for length in (3, 4):
        np.save(tmp_path / f"{length}.npy", np.arange(length))
    model = taker("batch", "length", dtype=INT64)
    found = load_calibration(str(tmp_path), model, batch_size=1)
    assert [x.shape for x in taken(model, found)] == [(1, 3), (1, 4)]
    with pytest.raises(DataError, match=r"input 'x' has samples of different sizes.*--batch-size 1"):
        load_calibration(str(tmp_path), model)


def test_files_of_a_folder_hold_the_same_arrays(tmp_path: Path) -> None:
    model = taker("batch", stored={"limit": np.float32([9])}, limit=(FLOAT, 1))
    np.savez(tmp_path / "a.npz", x=counted(2))
    np.savez(tmp_path / "b.npz", x=counted(2), limit=[1.0])
    with pytest.raises(DataError, match=r"b\.npz: other arrays than in .*a\.npz"):
        load_calibration(str(tmp_path), model)


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", counted(2, 3))
    np.save(tmp_path / "b.npy", counted(2, 4))
    with pytest.raises(DataError, match=r"b\.npy: input 'x'.* axis 1 is 4, not 3"):
        load_calibration(str(tmp_path), taker("batch", 3))


@pytest.mark.parametrize("content", [b"text", b"", b"PK\x03\x04 not a zip"])
@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_what_is_no_array_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="not a file of numbers that numpy can read"):
        load_calibration(str(tmp_path / name), taker("batch"))


def test_objects_are_never_unpickled(read: Reader) -> None:
    read.fails(DataError, "not a file of numbers", taker("batch"), x=np.array([{}], object))


def test_arrays_and_images_do_not_mix(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", counted(2))
    (tmp_path / "x.png").touch()
    with pytest.raises(DataError, match="holds both arrays and images"):
        load_calibration(str(tmp_path), taker("batch"))


def test_options_for_images_need_images(read: Reader) -> None:
    assert read(taker("batch"), {"images": ImageOptions()}, x=counted(2)).samples == 2
    message = "holds no images; options for images go with images"
    read.fails(UsageError, message, taker("batch"), {"images": ImageOptions(mean=(0.5,))}, x=counted(2))


def test_a_source_that_is_nothing_is_told_from_one_of_the_wrong_kind(tmp_path: Path) -> None:
    for source, message in (
        (tmp_path / "absent.npz", "no such file or folder; give an .npz, an .npy, a folder .* or module:function"),
        (tmp_path, r"no \.npz, \.npy or image in this folder"),
        (Path(__file__), "not a kind of file"),
    ):
        with pytest.raises(DataError, match=message):
            load_calibration(str(source), taker("batch"))
