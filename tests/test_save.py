"""Writing: the whole file or nothing, external data in a file of its own, nothing of the input touched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from command import files
from networks import Net, branchy, plain, values
from onnx import TensorProto, external_data_helper, helper

import onnxprune
from onnxprune import external, save
from onnxprune.errors import OutputError
from onnxprune.model import Model
from onnxprune.save import save_model


def write_external(proto: onnx.ModelProto, path: Path, data: str = "weights.bin") -> Path:
    """Write a model whose weights all lie in `data` beside it."""
    external_data_helper.convert_model_to_external_data(proto, location=data, size_threshold=0)
    onnx.save(proto, path)
    return path


def big() -> onnx.ModelProto:
    """A model with a tensor above the size from which tensors go beside the model."""
    net = Net()
    return net.model(net.head(net.relu(net.conv("conv2", net.relu(net.conv("conv1", "x", 24, 3)), 32))))


def failing_on(call: int) -> Callable[[int], None]:
    """An fsync that reports a full disk at one call."""
    calls = iter(range(1, 100))

    def fsync(handle: int) -> None:
        if next(calls) == call:
            raise OSError(28, "No space left on device")

    return fsync


def test_what_is_saved_loads_equal(tmp_path: Path) -> None:
    save_model(Model(branchy()), tmp_path / "net.onnx")
    assert onnx.load(tmp_path / "net.onnx") == branchy()
    assert files(tmp_path) == {"net.onnx"}


def test_a_failing_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", failing_on(1))
    with pytest.raises(OutputError, match="No space left"):
        save_model(Model(plain()), tmp_path / "net.onnx")
    assert files(tmp_path) == set()


def test_a_failing_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_text("old")
    monkeypatch.setattr(os, "fsync", failing_on(1))
    with pytest.raises(OutputError):
        save_model(Model(plain()), tmp_path / "net.onnx", overwrite=True)
    assert files(tmp_path) == {"net.onnx"} and (tmp_path / "net.onnx").read_text() == "old"


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(handle: int) -> None:
        raise KeyboardInterrupt

    (tmp_path / "net.onnx").write_text("old")
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(Model(plain()), tmp_path / "net.onnx", overwrite=True)
    assert files(tmp_path) == {"net.onnx"} and (tmp_path / "net.onnx").read_text() == "old"


def test_the_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    save_model(Model(plain()), tmp_path / "net.onnx")
    (tmp_path / "plain.txt").touch()
    assert (tmp_path / "net.onnx").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode


def test_external_data_gets_a_file_of_its_own_and_loads_equal(tmp_path: Path) -> None:
    source = write_external(big(), tmp_path / "net.onnx")
    before = (tmp_path / "weights.bin").read_bytes()
    result = onnxprune.prune(source, 0.4, calibration="none")
    result.save(tmp_path / "out.onnx")
    assert files(tmp_path) == {"net.onnx", "weights.bin", "out.onnx", "out.onnx.data"}
    assert (tmp_path / "weights.bin").read_bytes() == before
    onnx.checker.check_model(str(tmp_path / "out.onnx"), full_check=True)
    expected = values(onnxprune.prune(big(), 0.4, calibration="none").model)
    loaded = values(onnx.load(tmp_path / "out.onnx"))
    assert loaded.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(loaded[name], value, strict=True)


def test_external_data_may_stay_where_the_source_is(tmp_path: Path) -> None:
    """The output needs nothing of the input any more, also in another folder."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = write_external(big(), tmp_path / "in" / "net.onnx")
    onnxprune.prune(source, 0.4, check=False, calibration="none").save(tmp_path / "out" / "net.onnx")
    for path in (tmp_path / "in").iterdir():
        path.unlink()
    assert values(onnx.load(tmp_path / "out" / "net.onnx"))["conv1.weight"].any()


def test_saving_does_not_change_the_result(tmp_path: Path) -> None:
    result = onnxprune.prune(write_external(big(), tmp_path / "net.onnx"), 0.4, check=False, calibration="none")
    result.save(tmp_path / "a.onnx")
    result.save(tmp_path / "b.onnx")
    assert (tmp_path / "a.onnx.data").read_bytes() == (tmp_path / "b.onnx.data").read_bytes()
    loaded = [values(onnx.load(tmp_path / name)) for name in ("a.onnx", "b.onnx")]
    assert all(np.array_equal(loaded[0][name], loaded[1][name]) for name in loaded[0])


def test_a_failing_write_of_the_model_leaves_no_data_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = onnxprune.prune(write_external(big(), tmp_path / "net.onnx"), 0.4, check=False, calibration="none")
    monkeypatch.setattr(os, "fsync", failing_on(2))
    with pytest.raises(OutputError):
        result.save(tmp_path / "out.onnx")
    assert files(tmp_path) == {"net.onnx", "weights.bin"}


def test_a_failing_write_leaves_the_old_model_with_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_external(big(), tmp_path / "net.onnx")
    onnxprune.prune(source, 0.2, check=False, calibration="none").save(tmp_path / "out.onnx")
    old = values(onnx.load(tmp_path / "out.onnx"))
    result = onnxprune.prune(source, 0.6, check=False, calibration="none")
    monkeypatch.setattr(os, "fsync", failing_on(2))
    with pytest.raises(OutputError):
        result.save(tmp_path / "out.onnx", overwrite=True)
    kept = values(onnx.load(tmp_path / "out.onnx"))
    assert all(np.array_equal(kept[name], value) for name, value in old.items())


def test_the_data_file_of_the_input_is_never_replaced(tmp_path: Path) -> None:
    source = write_external(big(), tmp_path / "net.onnx", data="out.onnx.data")
    before = (tmp_path / "out.onnx.data").read_bytes()
    result = onnxprune.prune(source, 0.4, check=False, calibration="none")
    with pytest.raises(OutputError):
        result.save(tmp_path / "out.onnx", overwrite=True)
    assert (tmp_path / "out.onnx.data").read_bytes() == before


def test_a_data_file_of_someone_else_is_kept(tmp_path: Path) -> None:
    source = write_external(big(), tmp_path / "net.onnx")
    (tmp_path / "out.onnx.data").write_text("precious")
    with pytest.raises(OutputError, match="exists already"):
        onnxprune.prune(source, 0.4, check=False, calibration="none").save(tmp_path / "out.onnx")
    assert (tmp_path / "out.onnx.data").read_text() == "precious"


def test_a_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    save_model(Model(plain()), tmp_path / ("x" * 250 + ".onnx"))
    with pytest.raises(OutputError):
        save_model(Model(plain()), tmp_path / ("x" * 300 + ".onnx"))


def entries(path: Path) -> dict[str, dict[str, str]]:
    """Where the external data of each tensor of a file lies."""
    proto = onnx.load(path, load_external_data=False)
    return {t.name: {e.key: e.value for e in t.external_data} for t in proto.graph.initializer if t.external_data}


@pytest.mark.parametrize("read", [100, 8 << 20])
def test_external_data_is_copied_as_it_is(read: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external, "READ", read)
    source = write_external(branchy(), tmp_path / "net.onnx")
    save_model(Model.load(source), tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx") == onnx.load(source)


def test_numbers_that_share_bytes_are_copied_as_they_are(tmp_path: Path) -> None:
    packed = helper.make_tensor("packed", TensorProto.INT4, [3, 5], b"\x21\x43\x65\x07\x21\x43\x65\x07", raw=True)
    proto = plain()
    proto.graph.initializer.append(packed)
    source = write_external(proto, tmp_path / "net.onnx")
    save_model(Model.load(source), tmp_path / "out.onnx")
    assert onnx.load(tmp_path / "out.onnx").graph.initializer[-1].raw_data == packed.raw_data


def test_each_tensor_begins_at_a_page_and_none_overlaps(tmp_path: Path) -> None:
    save_model(Model.load(write_external(big(), tmp_path / "net.onnx")), tmp_path / "out.onnx")
    places = [(int(entry["offset"]), int(entry["length"])) for entry in entries(tmp_path / "out.onnx").values()]
    assert len(places) == len(values(big())) and all(offset % save.ALIGNMENT == 0 for offset, _ in places)
    ends = [0, *(offset + length for offset, length in places)]
    assert all(offset >= end for (offset, _), end in zip(places, ends, strict=False))
    assert (tmp_path / "out.onnx.data").stat().st_size == ends[-1]


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    shares: list[float] = []
    source = write_external(big(), tmp_path / "net.onnx")
    save_model(Model.load(source), tmp_path / "out.onnx", on_progress=shares.append)
    assert shares == sorted(shares) and len(shares) > 1 and shares[-1] == 1


def test_one_name_for_two_outputs_is_refused(tmp_path: Path) -> None:
    source = write_external(big(), tmp_path / "net.onnx")
    for name in ("out.onnx", "out.onnx.data"):
        with pytest.raises(OutputError, match="two outputs"):
            save_model(Model.load(source), tmp_path / "out.onnx", others={tmp_path / name: lambda stream: None})
    assert files(tmp_path) == {"net.onnx", "weights.bin"}


def test_a_disk_that_is_full_at_the_last_file_leaves_none(tmp_path: Path) -> None:
    """The weights and the model are written by then; they must not stay either."""

    def full(stream: object) -> None:
        raise OSError(28, "No space left on device")

    source = write_external(big(), tmp_path / "net.onnx")
    with pytest.raises(OutputError, match=r"plan\.json: cannot be written \(No space left"):
        save_model(Model.load(source), tmp_path / "out.onnx", others={tmp_path / "plan.json": full})
    assert files(tmp_path) == {"net.onnx", "weights.bin"}
