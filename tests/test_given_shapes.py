"""Shapes and batch sizes that are given: read, checked against the model, and filled in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from networks import plain, traced
from onnx import TensorProto, helper

from onnxprune.errors import DataError, UsageError
from onnxprune.feeds import usable_feeds
from onnxprune.inputs import check_batch, check_shapes, concrete_inputs, given_shapes, in_words
from onnxprune.model import Model

Declared = Sequence[int | str | None] | None


def model_of(**inputs: Declared) -> Model:
    """A model with these inputs."""
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name}.y"]) for name in inputs]
    outputs = [helper.make_tensor_value_info(f"{name}.y", TensorProto.FLOAT, None) for name in inputs]
    return Model(helper.make_model(helper.make_graph(nodes, "g", infos, outputs)))


def test_shapes_are_read_by_name() -> None:
    assert given_shapes(["x=1x3x224x224", "a=b=7"]) == {"x": (1, 3, 224, 224), "a=b": (7,)}


@pytest.mark.parametrize("text", ["x", "x=", "=1x3", "x=1,3", "x=1x", "x=0x3", "x=-1x3", "x=1x3xH"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--shape {text}: it must be the name of an input and its sizes"):
        given_shapes([text])


def test_a_shape_is_given_once() -> None:
    with pytest.raises(UsageError, match="--shape x=2: 'x' has a shape already"):
        given_shapes(["x=1", "x=2"])


@pytest.mark.parametrize("shape", [(2, 3, 8), (1, 3, 9)])
def test_shapes_that_the_model_leaves_open_are_fine(shape: tuple[int, ...]) -> None:
    check_shapes(model_of(x=("N", 3, None)), {"x": shape})
    check_shapes(model_of(x=None), {"x": shape})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"x": (2, 4, 8)}, "input 'x' cannot have the shape 2x4x8: the model says Nx3x?"),
        ({"x": (2, 3)}, "input 'x' cannot have the shape 2x3: the model says Nx3x?"),
        ({"z": (2, 3)}, "the model has no input 'z'; there are: x"),
    ],
)
def test_shapes_that_contradict_the_model_are_refused(given: dict[str, tuple[int, ...]], told: str) -> None:
    with pytest.raises(DataError) as caught:
        check_shapes(model_of(x=("N", 3, None)), given)
    assert str(caught.value) == told


def test_what_is_given_holds_wherever_its_name_stands() -> None:
    model = model_of(mask=("N", "L"), ids=("N", "L"))
    assert concrete_inputs(model, {"ids": (2, 9)}) == {"mask": (2, 9), "ids": (2, 9)}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"x": ("N", 3, 8)}, {"x": (4, 3, 8)}),
        ({"x": (None, 3, 8)}, {"x": (4, 3, 8)}),
        ({"x": (4, 3, 8)}, {"x": (4, 3, 8)}),
        ({"x": ("N", 8), "rate": (), "scale": (1,)}, {"x": (4, 8), "rate": (), "scale": (1,)}),
        ({"state": (1, "N", 8), "x": ("N", 8)}, {"state": (1, 4, 8), "x": (4, 8)}),
        ({"state": (2, None, 8), "x": ("N", 8)}, {"state": (2, 4, 8), "x": (4, 8)}),
    ],
)
def test_a_batch_size_goes_where_samples_are(inputs: dict[str, Declared], expected: dict[str, tuple[int, ...]]) -> None:
    model = model_of(**inputs)
    check_batch(model, 4, {})
    assert concrete_inputs(model, batch=4) == expected


def test_a_batch_size_overrides_the_first_axis_of_what_is_given() -> None:
    model = model_of(x=("N", 3, None), table=(6, None))
    assert concrete_inputs(model, {"x": (1, 3, 9), "table": (6, 2)}, batch=4) == {"x": (4, 3, 9), "table": (6, 2)}


@pytest.mark.parametrize("shape", [(1, 3, 8), (2, 8), (1, "L"), (3, "H", "W")])
def test_a_fixed_batch_holds_no_other(shape: Declared) -> None:
    model = model_of(x=shape)
    with pytest.raises(DataError, match="input 'x' cannot hold a batch of 4: its first axis is fixed"):
        check_batch(model, 4, {})
    check_batch(model, 4, {"x": (1, 3, 8)})


def test_feeds_have_the_shapes_that_are_given() -> None:
    found = traced(plain(batch="N"))
    assert usable_feeds(found, shapes={"x": (3, 3, 5, 5)})["x"].shape == (3, 3, 5, 5)
    assert usable_feeds(found, batch=2)["x"].shape == (2, 3, 5, 5)
    with pytest.raises(DataError, match="no input 'y'"):
        usable_feeds(found, shapes={"y": (1,)})
    with pytest.raises(DataError, match="a batch of 8"):
        usable_feeds(traced(plain(batch=1)), batch=8)


def test_shapes_are_written_as_they_are_given() -> None:
    assert in_words((1, "N", None)) == "1xNx?"
