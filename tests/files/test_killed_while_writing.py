"""A process that is killed at any line of writing leaves the old files or none, and the next run removes the rest."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest
from command import files
from killing import dies_at
from networks import plain, values

from onnxprune import save
from onnxprune.files import exchange, locks, parts, write, write_files
from onnxprune.model import Model

MODULES = (save, exchange, locks, parts, write)


def network(value: float) -> onnx.ModelProto:
    """A network all of whose weights have one value."""
    proto = plain()
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(tensor.dims, value, np.float32), tensor.name))
    return proto


def with_data(value: float, folder: Path) -> Model:
    """A network with its weights beside it."""
    folder.mkdir()
    onnx.save(network(value), folder / "net.onnx", save_as_external_data=True, size_threshold=0, location="w")
    return Model.load(folder / "net.onnx")


def loaded(path: Path) -> float | None:
    """The value of all weights of a file, or None where there is none; a mixture is refused."""
    if not path.exists():
        return None
    found = {
        float(number)
        for array in values(onnx.load(path)).values()
        if array.dtype == np.float32
        for number in array.flat
    }
    [value] = found
    return value


def test_killed_at_any_line_a_new_model_is_there_or_not(tmp_path: Path) -> None:
    model, out = Model(network(1.0)), tmp_path / "out"
    out.mkdir()
    for line in count(1):
        died = dies_at(line, lambda: save.save_model(model, out / "new.onnx"), MODULES)
        assert loaded(out / "new.onnx") in (None, 1.0)
        write_files({out / "next": lambda stream: stream.write(b"")}, overwrite=True)
        assert files(out) - {"next"} <= {"new.onnx"}
        (out / "new.onnx").unlink(missing_ok=True)
        if not died:
            break
    assert line > 50


@pytest.mark.parametrize("modules", [(exchange,), pytest.param(MODULES, marks=pytest.mark.slow)], ids=["few", "all"])
@pytest.mark.parametrize("old", [None, 2.0])
def test_killed_at_any_line_a_model_has_its_own_data(
    old: float | None, modules: tuple[ModuleType, ...], tmp_path: Path
) -> None:
    """Never one file of the old and one of the new; what the next run finds is what was there before, or all of it."""
    model, out = with_data(1.0, tmp_path / "in"), tmp_path / "out"
    before = None if old is None else with_data(old, tmp_path / "old")
    out.mkdir()
    told = {out / "plan.json": lambda stream: stream.write(b"{}")}
    for line in count(1):
        for path in out.iterdir():
            path.unlink()
        if before is not None:
            save.save_model(before, out / "net.onnx")
        died = dies_at(line, lambda: save.save_model(model, out / "net.onnx", True, told), modules)
        assert loaded(out / "net.onnx") in (None, old, 1.0)
        write_files({out / "next": lambda stream: stream.write(b"")})
        value = loaded(out / "net.onnx")
        assert value in (old, 1.0)
        left = set() if value is None else {"net.onnx", "net.onnx.data"} | ({"plan.json"} if value == 1.0 else set())
        assert files(out) == left | {"next"}
        if not died:
            break
    assert line > 60 and value == 1.0
