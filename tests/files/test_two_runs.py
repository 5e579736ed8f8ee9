"""Two runs that write into one folder at the same time."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import onnx
from command import files
from networks import plain, values

from onnxprune.errors import OutputError
from onnxprune.model import Model
from onnxprune.save import save_model

TIMES = 25
SPAWN = multiprocessing.get_context("spawn")


def save_again_and_again(number: int, place: Path, together: object) -> None:
    """Save a model all of whose weights are one number, with its data beside it."""
    proto = plain()
    for tensor in proto.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.full(tensor.dims, number, np.float32), tensor.name))
    source = place.parent.parent / f"{number}.onnx"
    onnx.save(proto, source, save_as_external_data=True, size_threshold=0, location=f"{number}.data")
    model = Model.load(source)
    together.wait()  # type: ignore[attr-defined]
    for _ in range(TIMES):
        save_model(model, place, overwrite=True)


def save_once(number: int, place: Path, together: object, outcome: object) -> None:
    """Save a model where none may be written over; tell how it went."""
    model = Model(plain())
    together.wait()  # type: ignore[attr-defined]
    try:
        save_model(model, place)
    except OutputError as error:
        outcome.put(str(error))  # type: ignore[attr-defined]
    else:
        outcome.put("saved")  # type: ignore[attr-defined]


def test_the_last_of_two_runs_wins_as_a_whole(tmp_path: Path) -> None:
    """Weights and model are of the same run, whichever it is."""
    place = tmp_path / "out" / "net.onnx"
    place.parent.mkdir()
    together = SPAWN.Barrier(2)
    runs = [SPAWN.Process(target=save_again_and_again, args=(number, place, together)) for number in (1, 2)]
    for run in runs:
        run.start()
    seen = set()
    while any(run.is_alive() for run in runs):
        seen |= files(place.parent)
    assert [run.exitcode for run in runs] == [0, 0]
    floats = [array for array in values(onnx.load(place)).values() if array.dtype == np.float32]
    assert {float(number) for array in floats for number in array.flat} in ({1.0}, {2.0})
    assert files(place.parent) == {"net.onnx", "net.onnx.data"}
    assert any(name.endswith(".part") for name in seen)  # so they did write at the same time as this looked


def test_of_two_runs_that_may_not_write_over_anything_one_says_so(tmp_path: Path) -> None:
    place, together, outcome = tmp_path / "net.onnx", SPAWN.Barrier(2), SPAWN.Queue()
    runs = [SPAWN.Process(target=save_once, args=(number, place, together, outcome)) for number in (1, 2)]
    for run in runs:
        run.start()
    first, second = sorted(outcome.get(timeout=60) for _ in runs)
    for run in runs:
        run.join()
    assert "exists already" in first and second == "saved"
    assert onnx.load(place) == plain() and files(tmp_path) == {"net.onnx"}
