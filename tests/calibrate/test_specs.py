"""What an input takes: which values are cast to its type, and how those that do not fit it are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from takers import BOOL, DOUBLE, FLOAT, HALF, INT32, INT64, STRING, UINT8, Reader, taken, taker

from onnxprune.errors import DataError
from onnxprune.model import Model


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        (FLOAT, np.float64),
        (FLOAT, np.uint8),
        (HALF, np.float32),
        (DOUBLE, np.float32),
        (INT64, np.int32),
        (INT32, np.int64),
        (INT32, np.bool_),
        (UINT8, np.int64),
        (BOOL, np.int64),
        (BOOL, np.bool_),
    ],
)
def test_values_are_cast_to_the_type_of_the_input(wanted: int, given: Any, read: Reader) -> None:
    model = taker("batch", 2, dtype=wanted)
    values = np.array([[0, 1], [1, 0]], given)
    [fed] = taken(model, read(model, x=values))
    assert fed.dtype == helper.tensor_dtype_to_np_dtype(wanted) and np.array_equal(fed, values)


def test_text_is_fed(read: Reader) -> None:
    model = taker("batch", dtype=STRING)
    assert taken(model, read(model, x=["one", "two"]))[0].tolist() == ["one", "two"]


@pytest.mark.parametrize(
    ("wanted", "values", "message"),
    [
        (INT64, [[0.0]], r"int64 \[batch, 1\], found float64 \[1, 1\]: float64 is not cast to int64"),
        (BOOL, [[0.0]], "float64 is not cast to bool"),
        (FLOAT, [["a"]], "text is not cast to float32"),
        (STRING, [[1]], "int64 is not cast to text"),
        (FLOAT, [[np.nan]], "some values are NaN or infinite"),
        (FLOAT, [[np.inf]], "some values are NaN or infinite"),
        (HALF, [[1e6]], "values from 1000000.0 to 1000000.0 do not fit"),
        (FLOAT, [[1e300]], "do not fit"),
        (UINT8, [[256]], "values from 256 to 256 do not fit"),
        (UINT8, [[-1]], "values from -1 to -1 do not fit"),
        (INT32, [[2**31]], "do not fit"),
        (BOOL, [[2]], "do not fit"),
    ],
)
def test_values_that_would_not_survive_are_refused(wanted: int, values: Any, message: str, read: Reader) -> None:
    read.fails(DataError, f"data.npz: input 'x' wants .*{message}", taker("batch", 1, dtype=wanted), x=values)


def test_values_that_are_not_taken_are_not_looked_at(read: Reader) -> None:
    assert read(taker("batch"), {"samples": 2}, x=[0, np.nan, 2, np.nan]).samples == 2


def test_sizes_that_do_not_fit_are_named_with_the_symbols_of_the_model(read: Reader) -> None:
    message = r"input 'x' wants float32 \[batch, 3, height, \?\], found float64 \[2, 4, 5, 5\]: axis 1 is 4, not 3"
    read.fails(DataError, message, taker("batch", 3, "height", None), x=np.zeros((2, 4, 5, 5)))


def test_the_axis_in_front_is_counted_when_a_size_does_not_fit(read: Reader) -> None:
    read.fails(DataError, "axis 2 is 4, not 3", taker(1, 3), x=np.zeros((5, 1, 4)))
    read.fails(DataError, "axis 1 is 4, not 2", taker(2, 3), x=np.zeros((5, 4, 3)))


@pytest.mark.parametrize("shape", [(5,), (5, 1, 3)])
def test_a_wrong_number_of_axes_is_refused(shape: tuple[int, ...], read: Reader) -> None:
    message = f"the number of axes is {len(shape)}, not 2"
    read.fails(DataError, message, taker("batch", 3), x=np.zeros(shape))


def test_an_input_without_axes_takes_a_value_for_each_sample_at_most(read: Reader) -> None:
    read.fails(DataError, r"wants float32 \[\], found float64 \[2, 3\]", taker(), x=np.zeros((2, 3)))


def test_an_input_of_unknown_rank_takes_any(read: Reader) -> None:
    model = taker("batch")
    model.proto.graph.input[0].type.tensor_type.ClearField("shape")
    assert [x.shape for x in taken(model, read(model, {"batch_size": 2}, x=np.zeros((3, 4, 5))))] == [
        (2, 4, 5),
        (1, 4, 5),
    ]
    assert taken(model, read(model, x=1.0))[0].shape == (1,)
    read.fails(DataError, "wants int64 of any shape", _any_int64(), x=[0.5])


def _any_int64() -> Model:
    model = taker("batch", dtype=INT64)
    model.proto.graph.input[0].type.tensor_type.ClearField("shape")
    return model
