"""Other values for a stored tensor of any type, in the form that it was stored in."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onnxprune.apply.values import refilled
from onnxprune.tensors import NARROW, REAL, to_tensor

TYPES = sorted({*REAL, *NARROW, TensorProto.INT32, TensorProto.INT64, TensorProto.UINT64, TensorProto.BOOL})


def numbers(data_type: int, count: int) -> np.ndarray:
    wide = np.array([1, 0, 1, 1, 0, 1, 0], np.float32)[:count].reshape(1, count)
    return wide.astype(helper.tensor_dtype_to_np_dtype(data_type))


def noted(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.name, tensor.doc_string = "weight", "doc"
    return tensor


@pytest.mark.parametrize("data_type", TYPES, ids=TensorProto.DataType.Name)
def test_raw_bytes_stay_raw_and_typed_numbers_typed(data_type: int) -> None:
    dense, fewer = numbers(data_type, 7), numbers(data_type, 5)
    raw, typed = to_tensor(dense, data_type), helper.make_tensor("", data_type, dense.shape, dense.ravel())
    for tensor in (noted(raw), noted(typed)):
        before = tensor.SerializeToString()
        made = refilled(tensor, fewer)
        assert numpy_helper.to_array(made).tobytes() == fewer.tobytes() and list(made.dims) == [1, 5]
        assert {field.name for field, _ in made.ListFields()} == {field.name for field, _ in tensor.ListFields()}
        assert (made.name, made.doc_string, made.data_type) == ("weight", "doc", data_type)
        assert tensor.SerializeToString() == before == refilled(tensor, dense).SerializeToString()


def test_words_are_refilled_too() -> None:
    tensor = noted(numpy_helper.from_array(np.array(["a", "b", "c"], object)))
    made = refilled(tensor, numpy_helper.to_array(tensor)[1:])
    assert list(made.string_data) == [b"b", b"c"] and made.name == "weight" and list(made.dims) == [2]


def test_values_beside_the_model_come_into_it() -> None:
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[9], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="gone.bin")
    made = refilled(tensor, np.ones(2, np.float32))
    assert made == numpy_helper.from_array(np.ones(2, np.float32), "weight")
