"""From samples to batches: how many are taken, how many go into a run, and what goes to every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from takers import FLOAT, INT64, Reader, counted, taken, taker

from onnxprune.errors import DataError, UsageError


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


# Batches


def test_an_open_batch_takes_32_samples_at_a_time(read: Reader) -> None:
    found = read(taker("batch", 2), x=counted(70, 2))
    assert found.sizes == (32, 32, 6) and found.samples == 70 and found.real and found.source.endswith("data.npz")
    assert [len(batch) for batch in taken(taker("batch", 2), found)] == [32, 32, 6]
    assert np.array_equal(np.concatenate(taken(taker("batch", 2), found)), counted(70, 2))


@pytest.mark.parametrize("axis", [None, "N"])
def test_an_open_batch_takes_as_many_samples_as_are_asked_for(axis: Any, read: Reader) -> None:
    assert read(taker(axis, 2), {"batch_size": 4}, x=counted(10, 2)).sizes == (4, 4, 2)


def test_a_fixed_batch_of_1_goes_one_by_one(read: Reader) -> None:
    model = taker(1, 3)
    found = read(model, x=counted(5, 3))
    assert found.sizes == (1,) * 5
    assert np.array_equal(np.stack(taken(model, found))[:, 0], counted(5, 3))


def test_a_fixed_batch_is_met_exactly_and_the_rest_is_dropped(read: Reader) -> None:
    found = read(taker(4, 3), x=counted(11, 3))
    assert found.sizes == (4, 4) and all(batch.shape == (4, 3) for batch in taken(taker(4, 3), found))


def test_fewer_samples_than_a_fixed_batch_are_refused(read: Reader) -> None:
    read.fails(DataError, "input 'x' takes batches of exactly 4, but the samples are 3", taker(4, 3), x=counted(3, 3))


def test_at_least_one_fixed_batch_is_taken(read: Reader) -> None:
    assert read(taker(4, 3), {"samples": 2}, x=counted(11, 3)).sizes == (4,)


def test_a_batch_size_that_is_not_the_models_is_refused(read: Reader) -> None:
    assert read(taker(4, 3), {"batch_size": 4}, x=counted(8, 3)).sizes == (4, 4)
    read.fails(UsageError, "--batch-size 8: input 'x' takes exactly 4", taker(4, 3), {"batch_size": 8}, x=counted(8, 3))


def test_a_batch_size_does_not_matter_to_a_single_batch(read: Reader) -> None:
    model = taker("batch", 2, step=(INT64, 1))
    assert read(model, {"batch_size": 8}, x=counted(1, 2), step=[3]).sizes == (1,)


@pytest.mark.parametrize(("option", "named"), [("samples", "--samples 0"), ("batch_size", "--batch-size 0")])
def test_numbers_below_1_are_refused(option: str, named: str, read: Reader) -> None:
    read.fails(UsageError, f"{named}: it must be at least 1", taker("batch", 2), {option: 0}, x=counted(8, 2))


def test_a_subset_is_spread_evenly(read: Reader) -> None:
    found = read(taker("batch", 1), {"samples": 4}, x=counted(8, 1))
    assert found.batches[0]["x"].ravel().tolist() == [0, 2, 4, 6]


def test_512_samples_are_taken_unless_told_otherwise(read: Reader) -> None:
    found = read(taker("batch"), {"batch_size": 1000}, x=counted(1024))
    assert found.sizes == (512,) and np.array_equal(found.batches[0]["x"], np.arange(0, 1024, 2))
    assert read(taker("batch"), {"samples": 600}, x=counted(1024)).samples == 600


def test_the_axis_called_batch_counts_samples(read: Reader) -> None:
    model = taker("time", "batch_size", 2)
    found = read(model, {"batch_size": 3}, x=counted(4, 5, 2).swapaxes(0, 1))
    assert [batch.shape for batch in taken(model, found)] == [(5, 3, 2), (5, 1, 2)]
    assert found.batches[1]["x"].min() == 3


def test_an_axis_in_front_counts_runs_where_the_input_has_none_for_samples(read: Reader) -> None:
    model = taker("batch", 4, state=(FLOAT, 2, "batch", 3))
    found = read(model, x=counted(3, 4), state=counted(3, 2, 1, 3))
    assert found.sizes == (1, 1, 1)
    assert [state.shape for state in taken(model, found, "state")] == [(2, 1, 3)] * 3
    assert [state.max() for state in taken(model, found, "state")] == [0, 1, 2]
    assert [x.tolist() for x in taken(model, found)] == [[[0] * 4], [[1] * 4], [[2] * 4]]


def test_a_fixed_batch_with_an_axis_in_front_counts_runs_as_well(read: Reader) -> None:
    assert [x.shape for x in taken(taker(1, 3), read(taker(1, 3), x=counted(5, 1, 3)))] == [(1, 3)] * 5


# Inputs that belong together


def test_inputs_are_batched_together(read: Reader) -> None:
    model = taker("batch", "length", dtype=INT64, mask=(INT64, "batch", "length"))
    numbers = counted(9, 6, dtype=np.int64)
    found = read(model, {"batch_size": 4, "samples": 6}, x=numbers, mask=numbers + 100)
    for x, mask in zip(taken(model, found), taken(model, found, "mask"), strict=True):
        assert np.array_equal(x + 100, mask)


def test_inputs_of_different_numbers_of_samples_are_refused(read: Reader) -> None:
    model = taker("batch", 2, y=(FLOAT, "batch", 2))
    message = "the same number of samples, but 'x' has 5, 'y' has 4"
    read.fails(DataError, message, model, x=counted(5, 2), y=counted(4, 2))
    model = taker(2, 2, y=(FLOAT, 2, 2))
    read.fails(DataError, "'x' has 2, 'y' has 4", model, x=counted(2, 2), y=counted(4, 2))


def test_inputs_of_different_fixed_batches_cannot_be_counted(read: Reader) -> None:
    model = taker(2, 3, y=(FLOAT, 4, 3))
    read.fails(DataError, "'x' takes 2 samples in a run, but 'y' takes 4", model, x=counted(8, 3), y=counted(8, 3))


def test_no_samples_are_refused(read: Reader) -> None:
    read.fails(DataError, "input 'x' has no samples", taker("batch", 2), x=counted(0, 2))
    read.fails(DataError, "input 'x' has no samples", taker(), x=counted(0))


@pytest.mark.parametrize("rate", [16000, [16000], np.full(40, 16000)])
def test_a_value_without_axes_goes_to_every_run(rate: Any, read: Reader) -> None:
    model = taker("batch", 2, rate=(INT64,))
    found = read(model, x=counted(40, 2), rate=rate)
    assert found.sizes == (32, 8) and [int(value) for value in taken(model, found, "rate")] == [16000] * 2
    assert taken(model, found, "rate")[0].shape == ()


def test_a_value_without_axes_does_not_count_samples(read: Reader) -> None:
    model = taker(dtype=INT64, sound=(FLOAT, 4, 2))
    assert read(model, x=16000, sound=counted(4, 2)).sizes == (4,)


def test_a_value_that_differs_from_sample_to_sample_makes_them_go_one_by_one(read: Reader) -> None:
    model = taker("batch", 2, scale=(FLOAT,))
    found = read(model, x=counted(3, 2), scale=counted(3))
    assert found.sizes == (1, 1, 1) and [float(value) for value in taken(model, found, "scale")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("shape", "fed"), [((1,), (1,)), (("batch", 1), (3, 1)), ((2, "batch"), (2, 3)), ((4, 2), (4, 2))]
)
def test_a_single_value_fills_an_input(shape: tuple[Any, ...], fed: tuple[int, ...], read: Reader) -> None:
    model = taker("batch", 2, scale=(FLOAT, *shape))
    [value] = taken(model, read(model, x=counted(3, 2), scale=np.float64(7)), "scale")
    assert value.shape == fed and (value == 7).all()


def test_a_single_value_cannot_fill_open_axes(read: Reader) -> None:
    message = r"input 'x' wants float32 \[batch, length\], found float64 \[\]: the number of axes is 0, not 2"
    read.fails(DataError, message, taker("batch", "length"), x=1.0)


def test_one_sample_of_an_input_goes_with_all_of_the_others(read: Reader) -> None:
    model = taker("batch", 2, y=(FLOAT, "batch", 3))
    found = read(model, {"batch_size": 2}, x=counted(3, 2), y=np.full((1, 3), 5.0))
    assert [y.shape for y in taken(model, found, "y")] == [(2, 3), (1, 3)]


@pytest.mark.parametrize("batch", ["batch", 1])
def test_an_input_of_fixed_size_goes_to_every_run_as_it_is(batch: Any, read: Reader) -> None:
    model = taker(batch, 2, anchors=(FLOAT, 8, 4), step=(INT64, 1))
    found = read(model, x=counted(5, 2), anchors=counted(8, 4), step=[3])
    for anchors, step in zip(taken(model, found, "anchors"), taken(model, found, "step"), strict=True):
        assert np.array_equal(anchors, counted(8, 4)) and step.tolist() == [3]
    assert sum(found.sizes) == 5
