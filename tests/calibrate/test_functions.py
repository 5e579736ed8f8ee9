"""Calibration data from a Python function: how it is found, what it may give, and what is said when it goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from takers import FLOAT, INT64, taken, taker

from onnxprune.calibrate import Calibration
from onnxprune.calibrate.readers import load_calibration
from onnxprune.errors import DataError, UsageError
from onnxprune.model import Model

ONE = taker("batch", 2)
TWO = taker("batch", "length", dtype=INT64, mask=(INT64, "batch", "length"))


class Script:
    """Writes a script with a function `load` and loads from it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "script.py"

    def __call__(self, body: str, model: Model = ONE, before: str = "", **options: Any) -> Calibration:
        lines = "\n".join(f"    {line}" for line in body.splitlines())
        self.path.write_text(f"import numpy as np\n{before}\ndef load():\n{lines}\n", encoding="utf-8")
        return load_calibration(f"{self.path}:load", model, **options)

    def fails(self, error: type[Exception], message: str, *given: Any, **options: Any) -> None:
        with pytest.raises(error, match=message) as raised:
            self(*given, **options)
        assert "\n" not in str(raised.value)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


# What it may give


def test_each_feed_that_is_yielded_is_a_batch(script: Script) -> None:
    found = script("for n in (2, 40, 3):\n    yield {'x': np.full((n, 2), n)}")
    assert found.sizes == (2, 40, 3) and found.real and found.source.endswith("script.py:load")
    assert [x.shape for x in taken(ONE, found)] == [(2, 2), (40, 2), (3, 2)]


def test_a_list_of_feeds_may_be_returned(script: Script) -> None:
    assert script("return [{'x': np.zeros((2, 2))}] * 3").sizes == (2, 2, 2)


@pytest.mark.parametrize(
    "feed", ["np.ones((3, 2))", "(np.ones((3, 2)),)", "[np.ones((3, 2))]", "{'any': np.ones((3, 2))}"]
)
def test_a_single_input_needs_no_name(feed: str, script: Script) -> None:
    assert script(f"yield {feed}").sizes == (3,)


@pytest.mark.parametrize("feed", ["(ids, ids + 1)", "[ids, ids + 1]", "{'mask': ids + 1, 'x': ids}"])
def test_several_inputs_come_in_order_or_by_name(feed: str, script: Script) -> None:
    found = script(f"ids = np.arange(6).reshape(2, 3)\nyield {feed}", TWO)
    assert np.array_equal(taken(TWO, found)[0] + 1, taken(TWO, found, "mask")[0])


@pytest.mark.parametrize("given", ["np.ones((70, 2))", "(np.ones((70, 2)),)", "{'x': np.ones((70, 2))}"])
def test_samples_that_are_returned_all_at_once_are_batched(given: str, script: Script) -> None:
    assert script(f"return {given}").sizes == (32, 32, 6)


def test_whatever_numpy_makes_an_array_of_will_do(script: Script) -> None:
    tensor = "class Tensor:\n    def __array__(self, dtype=None, copy=None):\n        return np.ones((3, 2))\n"
    assert script("yield Tensor()", before=tensor).sizes == (3,)
    assert script("return Tensor()", before=tensor).sizes == (3,)
    assert script("yield {'x': [[1, 2], [3, 4]]}").sizes == (2,)


def test_no_more_is_asked_for_than_is_needed(script: Script) -> None:
    endless = "while True:\n    yield np.full((3, 2), 7)"
    assert script(endless, samples=8).sizes == (3, 3, 2)
    assert script(endless).samples == 512


def test_a_feed_is_split_where_the_model_or_the_user_wants_it(script: Script) -> None:
    assert script("yield np.ones((3, 2))", taker(1, 2)).sizes == (1, 1, 1)
    assert script("yield np.ones((5, 2))", batch_size=2).sizes == (2, 2, 1)


def test_an_array_may_be_filled_again_and_again(script: Script) -> None:
    found = script("x = np.zeros((1, 2), np.float32)\nfor n in range(3):\n    x[:] = n\n    yield x")
    assert [x.max() for x in taken(ONE, found)] == [0, 1, 2]


def test_labels_come_with_the_feeds(script: Script) -> None:
    found = script("for n in (1, 2):\n    yield {'x': np.zeros((n, 2)), 'y': np.full(n, n)}", labels="y")
    assert found.labels is not None and found.labels.tolist() == [1, 2, 2]
    found = script("return {'x': np.zeros((3, 2)), 'y': np.arange(3)}", labels="y")
    assert found.labels is not None and found.labels.tolist() == [0, 1, 2]


# How it is found


def test_modules_beside_the_script_can_be_imported_even_late(script: Script, tmp_path: Path) -> None:
    (tmp_path / "beside_the_script.py").write_text("import numpy as np\nx = np.ones((4, 2))\n")
    before = list(sys.path)
    assert script("from beside_the_script import x\nyield x").sizes == (4,)
    assert sys.path == before


def test_a_script_hides_no_module_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("from dataclasses import dataclass\ndef load():\n    yield [[1.0, 2.0]],\n")
    assert load_calibration(f"{tmp_path / 'json.py'}:load", ONE).sizes == (1,)
    assert hasattr(sys.modules["json"], "dumps")


def test_a_module_of_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_of_this_test.py").write_text("def load():\n    yield [[1.0, 2.0]],\n")
    monkeypatch.chdir(tmp_path)
    assert load_calibration("module_of_this_test:load", ONE).sizes == (1,)


def test_what_it_prints_goes_to_stderr(script: Script, capsys: pytest.CaptureFixture[str]) -> None:
    script("print('reading')\nyield np.ones((1, 2))")
    assert capsys.readouterr() == ("", "reading\n")


# What goes wrong


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no_such_module:load", "importing no_such_module raised ModuleNotFoundError"),
        ("no/such/file.py:load", r"no/such/file\.py: no such file"),
        ("numpy:no_such_function", "numpy: no function 'no_such_function' in it"),
        ("numpy:pi", "numpy: no function 'pi' in it"),
    ],
)
def test_a_function_that_is_not_there_is_named(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_calibration(source, ONE)


@pytest.mark.parametrize("fault", ["raise KeyError('images')", "import sys; sys.exit(3)", "this is no Python"])
def test_a_script_that_cannot_be_imported_says_why(fault: str, script: Script) -> None:
    message = r"importing .*script\.py raised (KeyError|SystemExit|SyntaxError): .*; --verbose shows where"
    script.fails(DataError, message, "yield", before=fault)


@pytest.mark.parametrize(
    "body", ["raise ValueError('lost\\nit')", "yield np.ones((1, 2))\nraise ValueError('lost\\nit')"]
)
def test_a_function_that_raises_is_quoted(body: str, script: Script) -> None:
    script.fails(DataError, r"script\.py:load raised ValueError: lost it; --verbose shows where", body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "script.py:load: gave NoneType; it must return or yield arrays by input name"),
        ("return []", "script.py:load: gave no samples"),
        ("yield {'x': object()}", "script.py:load, feed 1: input 'x' .* found object"),
        ("yield {'x': [[1], [2, 3]]}", "feed 1: numpy raised ValueError"),
        ("yield np.ones((1, 2))\nyield np.ones((1, 3))", "feed 2: input 'x' .*axis 1 is 3, not 2"),
        ("yield np.ones((1, 2)), np.ones(1)", "feed 1: arrays without names: 2, but inputs of the model: 1"),
        ("yield np.full((1, 2), np.nan)", "feed 1: input 'x' .* NaN"),
        ("return np.full((1, 2), np.nan)", "script.py:load: input 'x' .* NaN"),
    ],
)
def test_what_the_model_cannot_take_is_named(body: str, message: str, script: Script) -> None:
    script.fails(DataError, message, body)


def test_an_iterable_that_raises_is_quoted(script: Script) -> None:
    broken = "class Broken:\n    def __iter__(self):\n        raise ValueError('no data')\n"
    script.fails(DataError, r"script\.py:load raised ValueError: no data", "return Broken()", before=broken)


def test_a_missing_input_is_named(script: Script) -> None:
    script.fails(
        DataError, "feed 1: no input 'mask' in it; .*found 'x', 'length'", "yield {'x': [[1]], 'length': 1}", TWO
    )


def test_labels_need_names(script: Script) -> None:
    script.fails(UsageError, "--labels y: .* gives arrays without names", "yield np.ones((1, 2))", labels="y")
    script.fails(DataError, "feed 1: no labels 'y' in it; found 'x'", "yield {'x': np.ones((1, 2))}", labels="y")


def test_inputs_without_axes_are_given_with_every_feed(script: Script) -> None:
    model = taker("batch", 2, rate=(FLOAT,))
    found = script("for n in range(2):\n    yield {'x': np.ones((3, 2)), 'rate': n}", model)
    assert found.sizes == (3, 3) and [float(rate) for rate in taken(model, found, "rate")] == [0, 1]
