"""What inputs are for, guessed from types, shapes, names and graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from networks import traced
from onnx import TensorProto, helper, numpy_helper

from onnxprune.calibrate.specs import input_specs
from onnxprune.calibrate.synthetic.kinds import Kind, kind_of

FLOAT, INT64, UINT8, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL


def guessed(name: str, elem_type: int, shape: tuple[int | str, ...], *nodes: onnx.NodeProto, **stored: Any) -> Kind:
    """The kind of the one input of a graph."""
    nodes = nodes or (helper.make_node("Identity", [name], ["y"]),)
    y = helper.make_tensor_value_info("y", FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(values), key) for key, values in stored.items()]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(name, elem_type, shape)], [y], tensors)
    found = traced(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    return kind_of(found, input_specs(found.model)[0])


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        (("n", 3, 32, 32), Kind.CHANNELS_FIRST),
        ((1, 1, "h", "w"), Kind.CHANNELS_FIRST),
        (("n", 4, 8, 8), Kind.CHANNELS_FIRST),
        (("n", 224, 224, 3), Kind.CHANNELS_LAST),
        ((3, 320, 320), Kind.CHANNELS_FIRST),
        ((320, 240, 3), Kind.CHANNELS_LAST),
        (("n", 12, 64, 64), Kind.OTHER),
        (("n", 3, 4, 4), Kind.OTHER),
        ((1, 3, 64), Kind.OTHER),
        (("n", 784), Kind.SIGNAL),
        (("n", 64), Kind.OTHER),
        (("n", "t"), Kind.SIGNAL),
        (("n", 1, 16000), Kind.SIGNAL),
        (("n", 20, 64), Kind.OTHER),
        ((2, 1, 128), Kind.OTHER),
        ((), Kind.OTHER),
    ],
)
def test_reals_are_told_by_their_shape(shape: tuple[int | str, ...], kind: Kind) -> None:
    assert guessed("x", FLOAT, shape) is kind


def test_what_a_convolution_reads_is_an_image_or_a_recording() -> None:
    flat = [helper.make_node("Conv", ["x", "w"], ["y"])]
    assert guessed("x", FLOAT, (1, 12, 64, 64), *flat, w=np.ones((4, 12, 3, 3), np.float32)) is Kind.CHANNELS_FIRST
    assert guessed("x", FLOAT, ("n", 40, 50), *flat, w=np.ones((4, 40, 3), np.float32)) is Kind.SIGNAL


def test_a_long_row_that_goes_straight_to_a_matrix_is_features() -> None:
    matrix = [helper.make_node("Gemm", ["x", "w"], ["y"])]
    assert guessed("x", FLOAT, ("n", 784), *matrix, w=np.ones((784, 3), np.float32)) is Kind.OTHER


def test_a_name_tells_recordings() -> None:
    assert guessed("waveform", FLOAT, (1, 100)) is Kind.SIGNAL


@pytest.mark.parametrize(
    ("name", "elem_type", "shape", "kind"),
    [
        ("attention_mask", INT64, ("n", "t"), Kind.MASK),
        ("attention_mask", FLOAT, ("n", "t"), Kind.MASK),
        ("padding_mask", BOOL, ("n", "t"), Kind.PADDING),
        ("token_type_ids", INT64, ("n", "t"), Kind.SEGMENTS),
        ("position_ids", INT64, ("n", "t"), Kind.POSITIONS),
        ("input_lengths", INT64, ("n",), Kind.LENGTHS),
        ("length", INT64, ("n", "t"), Kind.OTHER),
        ("sr", INT64, (), Kind.OTHER),
        ("image", UINT8, (1, 64, 64, 3), Kind.CHANNELS_LAST),
        ("image", INT64, (1, 64, 64, 3), Kind.OTHER),
        ("flag", BOOL, ("n",), Kind.OTHER),
    ],
)
def test_names_and_types_tell(name: str, elem_type: int, shape: tuple[int | str, ...], kind: Kind) -> None:
    assert guessed(name, elem_type, shape) is kind


def test_what_indexes_a_table_is_tokens() -> None:
    lookup = [helper.make_node("Gather", ["table", "ids"], ["y"])]
    assert guessed("ids", INT64, ("n", "t"), *lookup, table=np.zeros((7, 3), np.float32)) is Kind.TOKENS
